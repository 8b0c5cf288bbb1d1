"""The benchmarks measure what they say: the floor writes the same bytes, and every row is there, in order, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import floor, peers
from benchmarks.measure import Measurement
from benchmarks.rows import SCHEMA, Mapped, Shape, prepare
from benchmarks.sink import CANAL, CSV, Encoder, stored
from tests.reader.bucket import Bucket, read_bucket
from tests.reader.canal_rows import CanalForm
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape

SHAPE = Shape(24_000, tables=3, batch=2000)


@pytest.fixture
def mapped(tmp_path: Path) -> Mapped:
    return prepare(tmp_path / "input", SHAPE)


def bucket(folder: Path, mapped: Mapped, encoder: Encoder) -> Bucket:
    stored(folder, mapped, encoder, file_size=256 << 10)
    csv = encoder is CSV
    shape, form = StoreShape("csv" if csv else "json"), CsvDialect(commit_ts=True) if csv else CanalForm()
    found = read_bucket(folder / "lake", shape, form)
    assert found.findings == ()
    assert sum(len(found.rows(*table)) for table in found.tables) == SHAPE.rows
    return found


@pytest.mark.parametrize("threads", [1, 2])
def test_the_floor_writes_the_same_csv(tmp_path: Path, mapped: Mapped, threads: int) -> None:
    bucket(tmp_path / "ours", mapped, CSV)
    floor.write_files(mapped, tmp_path / "floor", floor.csv, threads, limit=256 << 10)
    for table in ("t00000", "t00001", "t00002"):
        ours = sorted((tmp_path / "ours" / "lake" / SCHEMA / table).rglob("CDC*.csv"))
        bare = sorted((tmp_path / "floor" / SCHEMA / table).glob("*.csv"))
        assert b"".join(path.read_bytes() for path in ours) == b"".join(path.read_bytes() for path in bare)


def test_canal_json_holds_the_same_rows(tmp_path: Path, mapped: Mapped) -> None:
    json, csv = bucket(tmp_path / "json", mapped, CANAL), bucket(tmp_path / "csv", mapped, CSV)
    assert json.tables.keys() == csv.tables.keys()
    for table in csv.tables:
        assert [(row.op, row.commit_ts, row.values) for row in json.rows(*table)] == [
            (row.op, row.commit_ts, row.values) for row in csv.rows(*table)
        ]


def test_commits_interleave_and_each_table_s_rise(mapped: Mapped) -> None:
    batches = list(mapped.batches())
    assert sum(batch.rows.num_rows for batch in batches) == SHAPE.rows
    first = batches[: SHAPE.tables]
    stamps = sorted({stamp for batch in first for stamp in batch.commit_ts.to_pylist()})
    assert stamps == list(range(stamps[0], stamps[0] + SHAPE.tables * SHAPE.batch // SHAPE.transaction))
    assert stamps[-1] == SHAPE.last_ts(0) < min(batches[SHAPE.tables].commit_ts.to_pylist())


def test_the_ratio_is_of_the_best_of_each() -> None:
    made = Measurement("x", 100, (4.0, 2.0), "", (3.0, 1.0), "floor")
    assert (made.rate, made.ratio) == (50.0, 0.5)
    assert Measurement.from_dict(made.to_dict()) == made


def test_rows_are_counted_in_what_peers_have_stored(tmp_path: Path) -> None:
    for name, content in {"a.csv": b"op,k\nI,1\nI,2\n", "b.csv": b'"op","k"\nI,3\n', "c.csv": b"I,4\r\n"}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "log.jsonl").write_bytes(b"{}\n")
    assert peers.stored_rows(tmp_path) == 4


def test_a_peer_that_is_not_installed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "SHAPE", SHAPE)
    monkeypatch.setattr(peers, "PEERS", {"none": ("no_such_module", "", lambda mapped, folder: None)})
    assert peers.measure(tmp_path) == []
    assert "none is left out" in capsys.readouterr().err
