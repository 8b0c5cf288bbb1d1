"""Files that a pipeline keeps beside its state: whole and on the disk, or as they were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from afterbay.errors import EnvironmentRefused, Place, RunFailed


def replace(path: Path, text: str, *, code: str, what: str) -> None:
    """Writes a file anew, durably. Raises EnvironmentRefused `code`."""
    with _written(path, code, what):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = path.with_suffix(".new")
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append(path: Path, text: str, *, code: str, what: str) -> None:
    """Writes lines at the end of a file that is there, durably. Raises EnvironmentRefused `code`."""
    with _written(path, code, what), path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def damaged(path: Path, why: str, *, code: str, what: str) -> RunFailed:
    """The refusal of a file that is not as it was written."""
    return RunFailed(
        code,
        f"{what} is not as it was written: {why}",
        place=Place(file=str(path)),
        hint="start afresh: a new state and an empty root",
    )


@contextmanager
def _written(path: Path, code: str, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentRefused(
            code,
            f"{what} cannot be written: {error.strerror or error}",
            place=Place(file=str(path)),
            hint="give the user that runs the pipeline write access to the state directory, and room",
        ) from error
