"""A process that dies at any step of a segment's deletion: the next start mends it (I7).

Deleting goes: row `deleting`, committed -> unlink -> row gone, committed. Another process does it and is killed at the
step in question; its folder is looked at, then opened again.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.encoded import encoded
from tests.support.spool import opened, rows

PROGRAM = """
import os, signal, sys
from pathlib import Path
from tests.support.encoded import encoded
from tests.support.spool import ON_DISK, FaultyFiles, opened

folder, step = Path(sys.argv[1]), sys.argv[2]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Dying(FaultyFiles):
    def unlink(self, path):
        if step == "before the unlink":
            die()
        super().unlink(path)
        if step == "after the unlink":
            die()

with opened(folder, ON_DISK, Dying()) as bench:
    entry, other = (bench.spool.put(encoded(bytes(310_000))) for _ in range(2))
    bench.spool.drain()
    if step == "before the release":
        die()
    entry.release()
    bench.spool.drain()
    die()
"""


@pytest.mark.parametrize(
    ("step", "files", "states"),
    [
        ("before the release", 2, [("active",), ("sealed",)]),
        ("before the unlink", 2, [("active",), ("deleting",)]),
        ("after the unlink", 1, [("active",), ("deleting",)]),
        ("after the row is gone", 1, [("active",)]),
    ],
)
def test_the_next_start_mends_what_was_left(tmp_path: Path, step: str, files: int, states: list[tuple[str]]) -> None:
    folder = tmp_path / "spool"
    killed = subprocess.run([sys.executable, "-c", PROGRAM, str(folder), step], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(folder.glob("segment-*"))) == files
    assert rows(folder, "select state from segments order by state") == states
    with opened(folder) as bench:
        assert bench.files() == {}
        assert bench.catalog("select count(*) from segments") == [(0,)]
        entry = bench.spool.put(encoded(bytes(100_000)))
        assert bench.catalog("select state from segments") == [("active",)]
        assert bytes(entry.read()[0]) == bytes(100_000)
