"""The spool against a dict: any history of puts, reads, releases and restarts (I7, I8)."""

from __future__ import annotations

import contextlib
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from afterbay.spool.faults import SpoolMisuse
from afterbay.spool.limits import ENTRY_OVERHEAD
from afterbay.spool.segments import HEADER_BYTES
from afterbay.spool.spool import Entry
from tests.support.encoded import encoded
from tests.support.spool import SMALL, Bench, opened

SIZES = st.one_of(st.integers(0, 600), st.integers(600, 30_000), st.just(SMALL.quota))


class SpoolModel(RuleBasedStateMachine):
    """`live` is the model: an entry and the bytes that it was given."""

    entries = Bundle("entries")
    ended = Bundle("ended")

    @initialize()
    def start(self) -> None:
        self.closing = contextlib.ExitStack()
        self.folder = Path(self.closing.enter_context(tempfile.TemporaryDirectory())) / "spool"
        self.live: dict[Entry, bytes] = {}
        self.count = 0
        self.open_spool()

    def open_spool(self) -> None:
        self.spool_closing = contextlib.ExitStack()
        self.bench: Bench = self.spool_closing.enter_context(opened(self.folder))

    @rule(target=entries, size=SIZES, cuts=st.integers(1, 5))
    def put(self, size: int, cuts: int) -> Entry:
        self.count += 1
        payload = bytes([self.count % 251]) * size
        while not self.has_room(size):
            oldest = next(iter(self.live))
            oldest.release()
            del self.live[oldest]
            self.bench.spool.drain()
        batch = encoded(payload, cuts=cuts)
        entry = self.bench.spool.put(batch)
        self.live[entry] = payload
        assert entry.oversized == (ENTRY_OVERHEAD + HEADER_BYTES + size > SMALL.quota)
        return entry

    def has_room(self, size: int) -> bool:
        """The rule of admission, from what really is there."""
        if not self.live:
            return True
        heap = sum(ENTRY_OVERHEAD + (entry.nbytes if entry.in_memory else 0) for entry in self.live)
        room = SMALL.quota - heap - sum(self.bench.files().values())
        in_memory = heap + ENTRY_OVERHEAD + size <= SMALL.memory - SMALL.memory // 4
        on_disk = heap + ENTRY_OVERHEAD <= SMALL.memory and ENTRY_OVERHEAD + HEADER_BYTES + size <= room
        return (in_memory and ENTRY_OVERHEAD + size <= room) or on_disk

    @rule(entry=entries)
    def read(self, entry: Entry) -> None:
        if entry in self.live:
            assert b"".join(bytes(piece) for piece in entry.read()) == self.live[entry]
        else:
            with pytest.raises(SpoolMisuse):
                entry.read()

    @rule(target=ended, entry=consumes(entries))
    def release(self, entry: Entry) -> Entry:
        if entry in self.live:
            del self.live[entry]
            entry.release()
        return entry

    @rule(entry=ended)
    def release_again(self, entry: Entry) -> None:
        with pytest.raises(SpoolMisuse):
            entry.release()

    @rule()
    def restart(self) -> None:
        self.spool_closing.close()
        assert [path.name for path in self.folder.glob("segment-*")] == []
        assert self.bench.spool.levels().disk == 0
        for entry in self.live:
            with pytest.raises(SpoolMisuse):
                entry.read()
            entry.release()
        self.live.clear()
        left = self.bench.spool.levels()
        assert (left.memory, left.disk, left.entries, left.segments) == (0, 0, 0, 0)
        self.open_spool()

    @invariant()
    def limits_hold(self) -> None:
        if not hasattr(self, "bench"):
            return
        levels = self.bench.spool.levels()
        if any(entry.oversized for entry in self.live):
            assert len(self.live) == 1
            return
        assert levels.memory <= SMALL.memory
        assert levels.memory + levels.disk <= SMALL.quota

    @invariant()
    def all_books_agree(self) -> None:
        if not hasattr(self, "bench"):
            return
        segments = self.bench.catalog("select path, bytes, refs, state from segments")
        levels, files = self.bench.spool.levels(), self.bench.files()
        stored = [entry for entry in self.live if not entry.in_memory]
        assert {path: size for path, size, _, _ in segments} == files
        assert {path: refs for path, _, refs, _ in segments} == self.bench.spool.references()
        assert sum(self.bench.spool.references().values()) == len(stored)
        assert sorted(length for (length,) in self.bench.catalog("select length from entries")) == sorted(
            entry.nbytes for entry in stored
        )
        assert all(refs > 0 and state in ("active", "sealed") for _, _, refs, state in segments)
        assert levels.disk == sum(files.values())
        assert levels.entries == len(self.live)
        assert levels.segments == len(files)
        in_memory = sum(entry.nbytes for entry in self.live if entry.in_memory)
        assert levels.memory == ENTRY_OVERHEAD * len(self.live) + in_memory

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            for entry, payload in self.live.items():
                assert zlib.crc32(b"".join(bytes(piece) for piece in entry.read())) == zlib.crc32(payload)
                entry.release()
            self.spool_closing.close()
            assert sorted(path.name for path in self.folder.iterdir()) == ["spool.db", "spool.lock"]
            self.closing.close()


TestSpoolModel = SpoolModel.TestCase
TestSpoolModel.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
