"""Memory is bounded by one file a thread, however many there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.reader.trees import TABLE_V1, V1_SUM
from tests.support.cli import REPOSITORY

PEAK = """
import sys
import pyarrow as pa
from tests.verify.histories import verified
report = verified(sys.argv[1])
assert report.is_clean, report.faults[:3]
print(pa.default_memory_pool().max_memory())
"""


def store(root: Path, files: int) -> Path:
    """A table in files of 1 MiB."""
    folder = root / "zoo" / "pets" / "1000" / "2026-01-02"
    (folder / "meta").mkdir(parents=True)
    meta = root / "zoo" / "pets" / "meta"
    meta.mkdir()
    (meta / f"schema_1000_{V1_SUM}.json").write_text(TABLE_V1)
    for number in range(1, files + 1):
        row = f'"I","pets","zoo",{1000 + number},%d,"{"x" * 60}"\r\n'
        (folder / f"CDC{number:020}.csv").write_bytes("".join(row % at for at in range(10_000)).encode())
    (folder / "meta" / "CDC.index").write_text(f"CDC{files:020}.csv\n")
    return root


def peak(root: Path) -> int:
    """The most bytes that Arrow held, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(root)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_many_files_take_no_more_memory_than_a_few(tmp_path: Path) -> None:
    few, many = peak(store(tmp_path / "few", 4)), peak(store(tmp_path / "many", 40))
    assert many < 1.5 * few + (1 << 20)
