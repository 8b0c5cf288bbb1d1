"""A spool under test: small limits, a clock that stands still, and what its folder and catalog show."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from afterbay.credit import Credit, CreditWindow
from afterbay.spool.files import Files, Piece, SystemFiles
from afterbay.spool.limits import Limits
from afterbay.spool.spool import Reservoir
from afterbay.telemetry import NodeMeter, Telemetry

PATIENCE = 20.0  # seconds until a test that waits for another thread gives up
SMALL = Limits(quota=200_000, memory=40_000, segment=16_000)
ON_DISK = Limits(quota=1_000_000, memory=400_000, segment=64_000)

T = TypeVar("T")


class StillClock:
    """Time moves only when told. A wait ends by a notice, never by time."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        condition.wait()


@dataclass
class Bench:
    """A spool in a folder of its own, with what a test looks at."""

    folder: Path
    limits: Limits
    clock: StillClock
    meter: NodeMeter
    spool: Reservoir

    def files(self) -> dict[str, int]:
        """Segment files and their bytes."""
        return {path.name: path.stat().st_size for path in sorted(self.folder.glob("segment-*.spool"))}

    def catalog(self, sql: str) -> list[tuple[object, ...]]:
        """What a reader of `spool.db` sees once all is committed."""
        self.spool.drain()
        return rows(self.folder, sql)

    def credits(self, window: int = 1000) -> tuple[CreditWindow, Callable[[], Credit]]:
        """A source's window, and a way to take a credit of one byte from it."""
        source = CreditWindow(window, self.clock)
        return source, lambda: source.take(1)


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(f"file:{folder / 'spool.db'}?mode=ro", uri=True)) as reader:
        return list(reader.execute(sql))


def started(folder: Path, limits: Limits = SMALL, files: Files | None = None) -> Bench:
    """A spool that the test closes itself."""
    clock = StillClock()
    meter = Telemetry("test").node("spool")
    return Bench(folder, limits, clock, meter, Reservoir.open(folder, limits, clock, meter, files))


@contextlib.contextmanager
def opened(folder: Path, limits: Limits = SMALL, files: Files | None = None) -> Iterator[Bench]:
    """A spool, closed at the end."""
    bench = started(folder, limits, files)
    try:
        yield bench
    finally:
        bench.spool.close()


def in_thread(body: Callable[[], T]) -> Future[T]:
    """Runs `body` in a thread; its result or error is the future's."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(body())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="in_thread").start()
    return future


class FaultyFiles(SystemFiles):
    """The machine's files, of which the tests make single calls fail."""

    def __init__(self) -> None:
        self.full_after: int | None = None  # bytes that a write still takes before the disk is full
        self.no_new_files = False
        self.before_write: Callable[[], None] = lambda: None
        self.before_unlink: Callable[[Path], None] = lambda path: None
        self.open_descriptors: set[int] = set()

    def create(self, path: Path) -> int:
        if self.no_new_files:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        descriptor = super().create(path)
        self.open_descriptors.add(descriptor)
        return descriptor

    def write(self, descriptor: int, pieces: Sequence[Piece], offset: int) -> None:
        self.before_write()
        if self.full_after is not None:
            part = b"".join(bytes(piece) for piece in pieces)[: self.full_after]
            super().write(descriptor, [part], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write(descriptor, pieces, offset)

    def close(self, descriptor: int) -> None:
        self.open_descriptors.remove(descriptor)
        super().close(descriptor)

    def unlink(self, path: Path) -> None:
        self.before_unlink(path)
        super().unlink(path)
