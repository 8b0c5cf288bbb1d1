"""What a flush puts: its size and CRC, and the room that it takes while it has it (I8, I9)."""

from __future__ import annotations

import io
import threading
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pytest

from afterbay.clock import SystemClock
from afterbay.errors import Cancelled
from afterbay.messages import BatchHead, FileFormat
from afterbay.runtime.ledger import Ledger
from afterbay_nodes.sinks import file_body
from afterbay_nodes.sinks.file_body import FileBodies
from afterbay_nodes.sinks.lane import Pending
from afterbay_nodes.sinks.scratch import Scratch
from tests.support.encoded import encoded
from tests.support.spool import PATIENCE, in_thread


@dataclass(frozen=True)
class Backwards:
    """Writes the payloads with their bytes turned round; says when it is at work, and waits to be told to go on."""

    gathers: int = 4
    at_work: threading.Event = field(default_factory=threading.Event, compare=False)
    go: threading.Event | None = field(default=None, compare=False)

    def assemble(self, payloads: Iterable[Sequence[pa.Buffer | memoryview]], file: io.RawIOBase) -> None:
        self.at_work.set()
        if self.go is not None:
            assert self.go.wait(PATIENCE)
        file.writelines(b"".join(bytes(memoryview(buffer)) for buffer in payload)[::-1] for payload in payloads)


@dataclass
class Resting:
    """A spool entry that counts how often it is read."""

    payload: bytes
    format: FileFormat
    in_memory: bool = True
    oversized: bool = False
    reads: int = 0

    @property
    def head(self) -> BatchHead:
        return replace(encoded(self.payload).head, format=self.format)

    @property
    def nbytes(self) -> int:
        return len(self.payload)

    def read(self) -> Sequence[pa.Buffer | memoryview]:
        self.reads += 1
        return [memoryview(self.payload)]

    def share(self, more: int) -> None: ...

    def release(self) -> None: ...


def pending(made: FileFormat, *payloads: bytes, in_memory: bool = True) -> tuple[Pending, ...]:
    ledger = Ledger("log")
    return tuple(Pending(Resting(payload, made, in_memory), ledger.mint(1, "d"), 0.0) for payload in payloads)


class WatchedClock(SystemClock):
    """Says when somebody waits."""

    def __init__(self) -> None:
        self.waits = threading.Event()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        self.waits.set()
        super().wait(condition, timeout)


CLOCK = SystemClock()


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path / "scratch")


def bodies(scratch: Scratch, disk: int = 1 << 20, clock: SystemClock = CLOCK) -> FileBodies:
    return FileBodies(scratch, disk, clock)


def test_a_concatenation_is_header_and_payloads_as_they_lie(scratch: Scratch) -> None:
    with bodies(scratch).of(pending(FileFormat("csv", b"head\n"), b"one\n", b"two\n")) as body:
        whole = b"".join(bytes(part) for part in body.parts)
        assert whole == b"head\none\ntwo\n"
        assert (body.size, body.crc, body.header) == (len(whole), zlib.crc32(whole), 5)


def test_an_assembled_body_is_what_the_assembler_wrote(scratch: Scratch) -> None:
    items = pending(FileFormat("bin", assembler=Backwards()), b"one", b"two", in_memory=False)
    with bodies(scratch).of(items) as body:
        assert b"".join(bytes(part) for part in body.parts) == b"enoowt"
        assert (body.size, body.crc, body.header) == (6, zlib.crc32(b"enoowt"), 0)
    assert [item.entry.reads for item in items] == [1, 1]  # type: ignore[attr-defined]


def test_scratch_files_stay_within_their_room_and_wait_for_it(scratch: Scratch) -> None:
    """A second file is not begun before the first one is stored; one that is larger than all the room goes alone."""
    clock, second = WatchedClock(), Backwards()
    made = bodies(scratch, disk=5, clock=clock)

    def store_second() -> bytes:
        with made.of(pending(FileFormat("bin", assembler=second), b"123")) as body:
            return bytes(body.parts[0])

    with made.of(pending(FileFormat("bin", assembler=Backwards()), b"much too large")):
        waiting = in_thread(store_second)
        assert clock.waits.wait(PATIENCE)
        assert not second.at_work.is_set()
    assert waiting.result(PATIENCE) == b"321"


def test_assemblies_stay_within_their_memory_and_wait_for_it(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """What two assemblers would gather does not fit together: the second begins when the first is done."""
    monkeypatch.setattr(file_body, "READ_WINDOW", 15)
    clock = WatchedClock()
    made = bodies(scratch, clock=clock)
    first, second = Backwards(go=threading.Event()), Backwards()

    def store(assembler: Backwards) -> bytes:
        with made.of(pending(FileFormat("bin", assembler=assembler), b"12345")) as body:
            return bytes(body.parts[0])

    one = in_thread(lambda: store(first))
    assert first.at_work.wait(PATIENCE)
    two = in_thread(lambda: store(second))
    assert clock.waits.wait(PATIENCE)
    assert not second.at_work.is_set()
    assert first.go is not None
    first.go.set()
    assert (one.result(PATIENCE), two.result(PATIENCE)) == (b"54321", b"54321")


def test_memory_is_given_back_before_the_store_is_waited_for(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow put of one file holds no memory that the assembly of another needs."""
    monkeypatch.setattr(file_body, "READ_WINDOW", 10)
    made = bodies(scratch)
    one = pending(FileFormat("bin", assembler=Backwards()), b"12345")
    two = pending(FileFormat("bin", assembler=Backwards()), b"67890")
    with made.of(one) as first, made.of(two) as second:
        assert (bytes(first.parts[0]), bytes(second.parts[0])) == (b"54321", b"09876")


def test_spilled_payloads_hold_memory_until_they_are_put(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_body, "READ_WINDOW", 5)
    clock = WatchedClock()
    made = bodies(scratch, clock=clock)

    def store_second() -> bytes:
        with made.of(pending(FileFormat("csv"), b"678", in_memory=False)) as body:
            return bytes(body.parts[0])

    with made.of(pending(FileFormat("csv"), b"12345", in_memory=False)):
        waiting = in_thread(store_second)
        assert clock.waits.wait(PATIENCE)
        with made.of(pending(FileFormat("csv"), b"in memory: it counts in the spool")):
            pass
    assert waiting.result(PATIENCE) == b"678"


@pytest.mark.parametrize("disk", [5, 1 << 20])
def test_cancel_ends_a_wait_for_room(scratch: Scratch, monkeypatch: pytest.MonkeyPatch, disk: int) -> None:
    monkeypatch.setattr(file_body, "READ_WINDOW", 1)
    clock = WatchedClock()
    made = bodies(scratch, disk, clock)
    spilled = pending(FileFormat("csv"), b"12345", in_memory=False)
    held = pending(FileFormat("bin", assembler=Backwards()), b"12345")

    def store() -> None:
        with made.of(pending(FileFormat("bin", assembler=Backwards()), b"678")):
            raise AssertionError("there is no room")

    with made.of(held), made.of(spilled):
        waiting = in_thread(store)
        assert clock.waits.wait(PATIENCE)
        made.cancel()
        with pytest.raises(Cancelled):
            waiting.result(PATIENCE)


def test_room_comes_back_when_a_flush_fails(scratch: Scratch) -> None:
    made = bodies(scratch, disk=5)
    with pytest.raises(KeyError), made.of(pending(FileFormat("bin", assembler=Backwards()), b"12345")):
        raise KeyError
    with pytest.raises(KeyError), made.of(pending(FileFormat("csv"), b"12345", in_memory=False)):
        raise KeyError
    assert (made._disk.under_way, made._memory.under_way) == (0, 0)
