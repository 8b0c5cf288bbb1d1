"""The targets are those of the tests of apply."""

from __future__ import annotations

from tests.apply.conftest import make_target, postgres

__all__ = ["make_target", "postgres"]
