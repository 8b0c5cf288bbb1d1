"""The spool's folder: taken by one spool at a time, swept of what a dead process left, never of foreign files.

Own files are `spool.lock`, `spool.db` with its companions, and `segment-<16 hex digits>.spool`. A folder that has
anything else in it is refused by that name, before anything is removed (I10). So is a folder that has files but no
`spool.lock`: it was never a spool's, whatever the names in it look like.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from afterbay.durable import sync_folder
from afterbay.errors import EnvironmentRefused, Place
from afterbay.printable import visible

LOCK_FILE = "spool.lock"
CATALOG_FILE = "spool.db"
_CATALOG_FILES = frozenset({CATALOG_FILE, *(f"{CATALOG_FILE}-{part}" for part in ("wal", "shm", "journal"))})
_DYING_LOOKS, _DYING_SECONDS = 200, 0.01
_SEGMENT = re.compile(r"segment-[0-9a-f]{16}\.spool")


def segment_name(number: int) -> str:
    """The file name of segment `number`."""
    return f"segment-{number:016x}.spool"


class Folder:
    """A spool's folder, held by a lock until `release`. Owns the lock's descriptor; belongs to one `Reservoir`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock: int | None = lock

    @classmethod
    def claim(cls, path: Path) -> Folder:
        """Makes `path` if need be, locks it, and removes what a dead process left there.

        Raises EnvironmentRefused: `spool.folder` (cannot be made or written), `spool.locked` (another spool holds it),
        `spool.foreign` (it has files that are not a spool's).
        """
        with _refusing(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            present = _own_names(path)
            if present and LOCK_FILE not in present:
                raise _foreign(path, min(present))
            lock = os.open(path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                _lock(path, lock)
                # Before any other name: a folder that a loss of power leaves without its lock is a stranger's (I10).
                sync_folder(path)
                # Listed again: only now can no other spool be adding to it.
                for name in sorted(_own_names(path) - {LOCK_FILE}):
                    (path / name).unlink()
            except BaseException:
                os.close(lock)
                raise
        return cls(path, lock)

    def release(self) -> None:
        """Lets another spool have it. The lock file stays: removing it would let two spools lock two files."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _own_names(path: Path) -> set[str]:
    """The names in the folder. Raises EnvironmentRefused for one that is not a spool's, or is no plain file."""
    names: set[str] = set()
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda item: item.name):
            own = entry.name == LOCK_FILE or entry.name in _CATALOG_FILES or _SEGMENT.fullmatch(entry.name)
            if not own or not entry.is_file(follow_symlinks=False):
                raise _foreign(path, entry.name)
            names.add(entry.name)
    return names


def _foreign(path: Path, name: str) -> EnvironmentRefused:
    return EnvironmentRefused(
        "spool.foreign",
        f"the spool's folder {path} holds '{visible(name)}', which no spool of Afterbay has put there",
        place=Place(file=str(path)),
        hint="give the spool a folder of its own with dir, or move that file away",
    )


def _lock(path: Path, lock: int) -> None:
    for look in range(_DYING_LOOKS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip()
            # A process that was killed gives its files back one after the other: a run that takes over as soon as the
            # state is free may find its spool still held. We ourselves are not about to die.
            if look + 1 < _DYING_LOOKS and holder != str(os.getpid()):
                time.sleep(_DYING_SECONDS)
                continue
            raise EnvironmentRefused(
                "spool.locked",
                f"the spool's folder {path} is in use by process {visible(holder) or 'unknown'}",
                place=Place(file=str(path)),
                hint="each spool of each pipeline needs a folder of its own: change dir, or stop that run",
            ) from error
        break
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentRefused(
            "spool.folder",
            f"the spool's folder {path} cannot be used: {error.strerror or error}",
            place=Place(file=str(path)),
            hint="give the user that runs the pipeline write access to it, or choose another with dir",
        ) from error
