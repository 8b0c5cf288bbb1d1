"""After many rotations with big payloads everything is back at its base: folder, references, segments, descriptors."""

from __future__ import annotations

import random
import threading
import zlib
from collections import deque
from pathlib import Path

from afterbay.spool.limits import Limits
from afterbay.spool.spool import Entry
from afterbay.units import KIB, MIB
from tests.support.encoded import encoded
from tests.support.spool import PATIENCE, FaultyFiles, in_thread, opened

LIMITS = Limits(quota=24 * MIB, memory=512 * KIB, segment=MIB)


def test_many_rotations_come_back_to_the_base(tmp_path: Path) -> None:
    files = FaultyFiles()
    chance = random.Random(7)
    payload = chance.randbytes(300 * KIB)
    with opened(tmp_path / "spool", LIMITS, files) as bench:
        live: deque[Entry] = deque()
        for round_number in range(60):
            while len(live) > 12:
                entry = live[chance.randrange(len(live))]
                assert zlib.crc32(b"".join(bytes(piece) for piece in entry.read())) == entry.head.crc
                live.remove(entry)
                entry.release()
            bench.spool.drain()
            live.extend(bench.spool.put(encoded(payload[round_number:], cuts=3)) for _ in range(4))
            assert sum(bench.files().values()) + bench.spool.levels().memory <= LIMITS.quota
            assert len(files.open_descriptors) <= 1, "only the active segment is open"
        assert max(int(name[8:24], 16) for name in bench.files()) > 50, "it did rotate"
        for entry in live:
            entry.release()
        assert bench.catalog("select count(*) from segments") == [(0,)]
        assert bench.catalog("select count(*) from entries") == [(0,)]
        assert bench.files() == {}
        assert bench.spool.references() == {}
        assert files.open_descriptors == set()
        levels = bench.spool.levels()
        assert (levels.memory, levels.disk, levels.segments, levels.entries) == (0, 0, 0, 0)


def test_sixteen_threads_read_and_release_while_segments_rotate(tmp_path: Path) -> None:
    """The quota holds a tenth of what goes through: the readers make the room."""
    limits = Limits(quota=MIB, memory=128 * KIB, segment=128 * KIB)
    files = FaultyFiles()
    with opened(tmp_path / "spool", limits, files) as bench:
        waiting: deque[Entry] = deque()
        ready = threading.Semaphore(0)

        def consume() -> int:
            count = 0
            while True:
                assert ready.acquire(timeout=PATIENCE)
                entry = waiting.popleft()
                if entry.nbytes == 0:
                    entry.release()
                    return count
                data = b"".join(bytes(piece) for piece in entry.read())
                assert data == bytes([entry.head.last.commit_ts % 251]) * entry.nbytes
                entry.release()
                count += 1

        readers = [in_thread(consume) for _ in range(16)]
        for number in range(1, 801):
            size = 1 + (number * 7919) % 30_000
            waiting.append(bench.spool.put(encoded(bytes([number % 251]) * size, commit_ts=number)))
            ready.release()
        for _ in readers:
            waiting.append(bench.spool.put(encoded(b"")))
            ready.release()
        assert sum(reader.result(PATIENCE) for reader in readers) == 800
        assert bench.catalog("select count(*) from segments") == [(0,)]
        assert bench.files() == {}
        assert files.open_descriptors == set()
        levels = bench.spool.levels()
        assert (levels.memory, levels.disk, levels.entries) == (0, 0, 0)
