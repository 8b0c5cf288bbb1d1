"""Taking a state away: the pipeline starts from the beginning of its sources again.

The database goes into a dated folder inside the state directory, which can be looked at as a state of its own, or is
removed. The lock file stays (see `lock`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from afterbay.clock import Clock
from afterbay.durable import sync_folder
from afterbay.errors import EnvironmentRefused
from afterbay.live.protocol import LAST_FILE
from afterbay.state.database import DATABASE_FILE
from afterbay.state.lock import DirectoryLock
from afterbay.state.reading import absent

DATABASE_PARTS = tuple(f"{DATABASE_FILE}{suffix}" for suffix in ("", "-wal", "-shm", "-journal"))
PARTS = (*DATABASE_PARTS, LAST_FILE)


def reset(directory: Path, clock: Clock, *, backup: bool) -> Path | None:
    """Removes the state in `directory`; gives the folder that has the old one, None without `backup`.

    Raises EnvironmentRefused: `state.locked` (a run has it), `state.absent`, `state.folder`.
    """
    with locked(directory, clock):
        return set_aside(directory, clock, backup=backup)


@contextmanager
def locked(directory: Path, clock: Clock) -> Iterator[None]:
    """Holds the state directory for the length of the block, as a run does."""
    if not directory.is_dir():
        raise absent(directory)
    lock = DirectoryLock.acquire(directory, clock)
    try:
        yield
    finally:
        lock.release()


def set_aside(directory: Path, clock: Clock, *, backup: bool) -> Path | None:
    """For who holds the lock: the database and its companions leave `directory`. Raises EnvironmentRefused.

    The database itself goes last when it is removed and first when it is kept: whatever dies in between, a log without
    its database is never taken for that of another one.
    """
    parts = [directory / name for name in PARTS if os.path.lexists(directory / name)]
    if not any(part.name in DATABASE_PARTS for part in parts):
        raise absent(directory)
    try:
        if not backup:
            for part in reversed(parts):
                part.unlink()
            sync_folder(directory)
            return None
        kept = _dated(directory, clock)
        for part in parts:
            part.rename(kept / part.name)
        sync_folder(kept)
        sync_folder(directory)
    except OSError as error:
        raise EnvironmentRefused(
            "state.folder",
            f"the state in {directory} cannot be moved: {error.strerror}",
            hint="give the user that runs this write access to the state directory",
        ) from error
    return kept


def _dated(directory: Path, clock: Clock) -> Path:
    """A new folder, named by the second; two within one second get different names."""
    stamp = clock.now().strftime("%Y-%m-%dT%H-%M-%SZ")
    number = 1
    while True:
        kept = directory / (f"backup-{stamp}" if number == 1 else f"backup-{stamp}-{number}")
        try:
            kept.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return kept
