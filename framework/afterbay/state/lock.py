"""One run at a time per state directory: an exclusive `flock` on the file `lock`, which names its holder.

The kernel frees it when the process ends, by SIGKILL too. The file stays where it is: removing it would let two runs
lock two files of one name. Whether it is locked is asked by a shared lock held for an instant, which a starting run
must not take for another run: see `_acquire`. A run that is to take over from another one asks again and again until
the other has gone (`Patience`): the kernel's own wait could not be ended by a deadline or a signal of any thread.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from afterbay.clock import Clock
from afterbay.errors import EnvironmentRefused

LOCK_FILE = "lock"
LOOK_SECONDS = 0.05
"""Between two looks of who waits: the gap that a takeover has at most."""

_LARGEST_HOLDER = 4096  # bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a state directory. `started_at` is ISO 8601."""

    pid: int
    host: str
    started_at: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, running since {self.started_at}"


@dataclass(frozen=True, slots=True)
class Patience:
    """How a start waits for another run's end: for `seconds`, or for ever (None).

    `look` is called with the holder (None: not known) before each wait. What it raises ends the waiting.
    """

    seconds: float | None
    look: Callable[[Holder | None], None]


class DirectoryLock:
    """The lock of one state directory. Owns the file descriptor; belongs to the `State` that took it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, directory: Path, clock: Clock, patience: Patience | None = None) -> DirectoryLock:
        """Takes the lock of `directory`, which must exist; with `patience` waits for it.

        Raises EnvironmentRefused (`state.locked`, `state.folder`, `state.lock`), and what `patience.look` raises.
        """
        path = directory / LOCK_FILE
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise EnvironmentRefused(
                "state.folder",
                f"the lock file {path} cannot be opened: {error.strerror}",
                hint="give the user that runs the pipeline write access to the state directory, or choose another",
            ) from error
        try:
            _wait(descriptor, path, clock, patience)
            holder = Holder(os.getpid(), socket.gethostname(), clock.now().isoformat(timespec="seconds"))
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Frees the lock. A second call does nothing."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            try:
                os.ftruncate(descriptor, 0)
                # By name: a child forked during the run has the same open file, and closing ours would not free it.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            finally:
                os.close(descriptor)


@dataclass(frozen=True, slots=True)
class LockState:
    """Whether a run holds the directory, and who (None if the holder has not written its name yet)."""

    locked: bool
    holder: Holder | None


def lock_state(directory: Path) -> LockState:
    """Asks without disturbing a run. A directory without a lock file is not locked."""
    try:
        descriptor = os.open(directory / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return LockState(False, None)
    try:
        with _shared(descriptor) as free:
            return LockState(False, None) if free else LockState(True, _read_holder(descriptor))
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, clock: Clock, patience: Patience | None) -> None:
    if patience is None:
        if (held := _acquire(descriptor, path)) is not None:
            raise _in_use(path, held.holder, "")
        return
    pause = threading.Condition()
    started = clock.monotonic()
    while (held := _acquire(descriptor, path)) is not None:
        if patience.seconds is not None and clock.monotonic() - started >= patience.seconds:
            raise _in_use(path, held.holder, f", still after {patience.seconds:g} s of waiting")
        patience.look(held.holder)
        with pause:
            clock.wait(pause, LOOK_SECONDS)


def _in_use(path: Path, holder: Holder | None, still: str) -> EnvironmentRefused:
    who = str(holder) if holder is not None else "another process"
    return EnvironmentRefused(
        "state.locked",
        f"the state directory {path.parent} is in use by {who}{still}",
        hint="stop that run, or let this one wait for its end (`afterbay run --wait`); a pipeline of its own needs a "
        "state directory of its own",
    )


def _acquire(descriptor: int, path: Path) -> LockState | None:
    """Takes the lock; else tells who has it."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        except OSError as error:
            raise EnvironmentRefused(
                "state.lock",
                f"the file system cannot lock {path}: {error.strerror}",
                hint="put the state directory on a local disk",
            ) from error
        else:
            return None
        # A shared lock that we get too means that only askers hold it, for an instant each: try again.
        with _shared(descriptor) as free:
            if not free:
                return LockState(True, _read_holder(descriptor))
        os.sched_yield()


@contextmanager
def _shared(descriptor: int) -> Iterator[bool]:
    """A shared lock for the length of the block; gives False if an exclusive one is held."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _read_holder(descriptor: int) -> Holder | None:
    """Who wrote the file, or None if the words are not there (yet): the lock says *that*, the file only *who*."""
    try:
        values = json.loads(os.pread(descriptor, _LARGEST_HOLDER, 0))
        return Holder(int(values["pid"]), str(values["host"]), str(values["started_at"]))
    except (ValueError, KeyError, TypeError):
        return None
