"""How a run failed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from afterbay.errors import EnvironmentRefused, RunFailed


def failure(run: Callable[[], object]) -> RunFailed | EnvironmentRefused:
    """The one error of a run."""
    with pytest.raises((RunFailed, EnvironmentRefused, ExceptionGroup)) as caught:
        run()
    error = caught.value
    while isinstance(error, ExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, RunFailed | EnvironmentRefused)
    return error
