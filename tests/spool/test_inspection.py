"""A spool looked at from outside: what waits there, what is damaged, and what a dead run left (I7)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from afterbay.cli.app import call
from afterbay.errors import EnvironmentRefused
from afterbay.spool.inspection import fsck, purge, stat
from afterbay.spool.limits import Limits
from afterbay.spool.segments import HEADER_BYTES
from tests.support.encoded import encoded
from tests.support.spool import opened

ON_DISK = Limits(quota=1_000_000, memory=16_000, segment=64_000)
BODY = bytes(range(256)) * 64
ENTRY = HEADER_BYTES + len(BODY)

DIES = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.spool.test_inspection import BODY, ON_DISK
from tests.support.encoded import encoded
from tests.support.spool import started
bench = started(Path(sys.argv[1]), ON_DISK)
entries = [bench.spool.put(encoded(BODY)) for _ in range(6)]
entries[2].release()
bench.spool.drain()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """What a run left that was killed: five entries in two segments."""
    folder = tmp_path / "spool"
    root = str(Path(__file__).parents[2])
    killed = subprocess.run([sys.executable, "-c", DIES, str(folder), root], check=False)
    assert killed.returncode == -signal.SIGKILL
    return folder


def test_while_a_run_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path / "spool", ON_DISK) as bench:
        entries = [bench.spool.put(encoded(BODY)) for _ in range(3)]
        bench.spool.drain()
        seen = stat(bench.folder)
        assert (seen.holder, seen.entries, seen.live, seen.segments) == (str(os.getpid()), 3, 3 * len(BODY), 1)
        assert seen.disk == 3 * ENTRY
        assert [(table.entries, table.bytes) for table in seen.tables] == [(3, 3 * len(BODY))]
        assert fsck(bench.folder) == ()
        with pytest.raises(EnvironmentRefused, match=r"spool\.locked"):
            purge(bench.folder)
        for entry in entries:
            entry.release()
        bench.spool.drain()
        assert stat(bench.folder).entries == 0
    assert (stat(bench.folder).holder, fsck(bench.folder)) == ("", ())


def test_what_a_dead_run_left_is_seen_whole_and_purged(left: Path) -> None:
    seen = stat(left)
    assert (seen.holder, seen.entries, seen.damage) == ("", 5, "")
    assert fsck(left) == ()
    files, nbytes = purge(left)
    assert files >= seen.segments + 1
    assert nbytes >= seen.disk
    assert [path.name for path in left.iterdir()] == ["spool.lock"]
    assert (stat(left).entries, fsck(left), purge(left)) == (0, (), (0, 0))


def flipped(folder: Path) -> None:
    with (folder / "segment-0000000000000001.spool").open("r+b") as file:
        file.seek(HEADER_BYTES + 100)
        file.write(b"\xff")


def other_header(folder: Path) -> None:
    with (folder / "segment-0000000000000001.spool").open("r+b") as file:
        file.write(b"XXXX")


def short(folder: Path) -> None:
    path = max(folder.glob("segment-*.spool"))
    os.truncate(path, path.stat().st_size - 1)


def gone(folder: Path) -> None:
    (folder / "segment-0000000000000001.spool").unlink()


def miscounted(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "spool.db")) as catalog, catalog:
        catalog.execute("update segments set refs = refs + 1 where id = 1")


def no_catalog(folder: Path) -> None:
    for path in folder.glob("spool.db*"):
        path.unlink()
    (folder / "spool.db").write_bytes(b"no database" * 1000)


@pytest.mark.parametrize(
    ("damage", "code", "told"),
    [
        (flipped, "spool.damaged", "the CRC-32 of entry 1 is"),
        (other_header, "spool.damaged", "not the header of entry 1"),
        (short, "spool.damaged", "bytes before entry"),
        (gone, "spool.damaged", "No such file"),
        (miscounted, "spool.damaged", "the catalog counts"),
        (no_catalog, "spool.catalog", "not a database"),
    ],
)
def test_damage_is_told_with_its_place_and_stops_no_start(
    left: Path, damage: Callable[[Path], None], code: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(left)
    found = fsck(left)
    assert {item.code for item in found} == {code}
    assert told in found[0].message
    assert call(["spool", "fsck", "--dir", str(left), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[str(left)][0]["code"] == code
    assert call(["spool", "stat", "--dir", str(left)]) == 0  # a damaged catalog is told, and no failure
    with opened(left, ON_DISK) as bench:
        assert bench.files() == {}
        assert bench.spool.levels().entries == 0


def test_a_folder_that_is_no_spools_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EnvironmentRefused, match=r"spool\.absent"):
        stat(tmp_path)
    assert call(["spool", "purge", "--state", str(tmp_path), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"] == "spool.absent"


def test_a_pipelines_spools_are_found_wherever_they_are(
    tmp_path: Path, left: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    nodes = {
        "bank": {"type": "demo"},
        "csv": {"type": "encode_csv", "inputs": "bank"},
        "near": {"type": "spool", "inputs": "csv"},
        "far": {"type": "spool", "inputs": "near", "dir": str(left)},
        "lake": {"type": "cloud_storage", "inputs": "far", "uri": "./lake"},
    }
    Path("orders.yaml").write_text(json.dumps({"name": "orders", "state": "./state", "nodes": nodes}))
    shutil.copytree(left, "state/nodes/near/spool")
    assert call(["spool", "stat", "orders.yaml", "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert {spool["folder"] for spool in seen} == {str(left), str(tmp_path / "state/nodes/near/spool")}
    assert call(["spool", "stat", "orders.yaml"]) == 0
    assert "left by a run that died" in capsys.readouterr().out
    assert call(["spool", "purge", "orders.yaml"]) == 0
    assert [path.name for path in left.iterdir()] == ["spool.lock"]
