"""Migrations of `spool.db`, the catalog of a spool.

Each module `mNNNN_….py` holds one step and is never edited once released: a later step changes what it made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlite_utils import Database, Migrations

from afterbay_migrations.spool import m0001_initial

STEPS: Mapping[str, Callable[[Database], None]] = {"m0001_initial": m0001_initial.migrate}

SPOOL = Migrations("afterbay.spool")
for _name, _step in STEPS.items():
    SPOOL(name=_name)(_step)

__all__ = ["SPOOL", "STEPS"]
