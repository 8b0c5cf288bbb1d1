"""Snapshots: of a damaged store, of one that is being written, and one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from afterbay.errors import EnvironmentRefused, PipelineInvalid, RunFailed
from afterbay_nodes.bucket.bucket import Bucket, open_bucket
from afterbay_nodes.bucket.findings import Rule
from afterbay_nodes.bucket.steps import FileStep, Progress
from tests.reader.trees import TABLE_V1, V1_SUM, healthy, write
from tests.support.buckets import ID, BusyStore, memory, schema_file, series, snapshot_of, told

OLD = "zoo/pets/1000/2026-01-02"
V1 = f"zoo/pets/meta/schema_1000_{V1_SUM}.json"
NEXT = f"{OLD}/CDC00000000000000000002.csv"
Files = dict[str, bytes]


def files() -> Files:
    """The healthy store of the tests' own reader."""
    return {key: text.encode() for key, text in healthy().items()}


def without(key: str) -> Files:
    return {name: data for name, data in files().items() if name != key}


def test_a_healthy_folder(tmp_path: Path) -> None:
    with open_bucket(str(write(tmp_path, healthy()))) as bucket:
        snapshot = bucket.snapshot()
        assert snapshot.findings == ()
        snapshot.raise_for_faults()
        assert snapshot.checkpoint == 2001
        assert [told(step) for step in snapshot.steps] == [
            "zoo@900",
            "zoo.pets@1000",
            f"{OLD}/CDC #1",
            f"{OLD}/CDC #2",
            "zoo.pets@2000",
            "zoo/pets/2000/2026-01-02/CDC #1",
        ]
        file = snapshot.steps[3]
        assert isinstance(file, FileStep)
        assert bucket.load(file).to_pybytes() == files()[NEXT]
        (tmp_path / NEXT).write_bytes(b"shorter")
        with pytest.raises(RunFailed, match=r"has 7 bytes, and had") as caught:
            bucket.load(file)
        assert caught.value.code == "bucket.changed"


DAMAGES: Mapping[str, tuple[Files, Rule, str]] = {
    "a file in the middle is gone": (without(f"{OLD}/CDC00000000000000000001.csv"), Rule.NUMBER_GAP, f"{OLD}/CDC"),
    "the newest file is gone": (without(NEXT), Rule.INDEX_WITHOUT_FILE, f"{OLD}/meta/CDC.index"),
    "the index has no line feed": (
        files() | {f"{OLD}/meta/CDC.index": b"CDC00000000000000000002.csv"},
        Rule.INDEX_UNREADABLE,
        f"{OLD}/meta/CDC.index",
    ),
    "the index names a path": (
        files() | {f"{OLD}/meta/CDC.index": b"../CDC00000000000000000002.csv\n"},
        Rule.INDEX_UNREADABLE,
        f"{OLD}/meta/CDC.index",
    ),
    "the index is gone": (without(f"{OLD}/meta/CDC.index"), Rule.INDEX_BEHIND, f"{OLD}/meta/CDC.index"),
    "a number is there twice": (files() | {NEXT.replace(".csv", ".json"): b""}, Rule.NUMBER_TWICE, f"{OLD}/CDC"),
    "the schema file is gone": (without(V1), Rule.SCHEMA_MISSING, OLD),
    "the schema file is cut off": (files() | {V1: TABLE_V1[:200].encode()}, Rule.SCHEMA_UNREADABLE, V1),
    "a column has no name": (
        files() | {V1: TABLE_V1.replace("ColumnName", "Columname", 1).encode()},
        Rule.SCHEMA_UNREADABLE,
        V1,
    ),
    "a column changed": (files() | {V1: TABLE_V1.replace("VARCHAR", "CHAR").encode()}, Rule.SCHEMA_CHECKSUM, V1),
    "the version changed": (
        files() | {V1: TABLE_V1.replace('TableVersion": 1000', 'TableVersion": 1001').encode()},
        Rule.SCHEMA_NAMES,
        V1,
    ),
    "the schema file is another table's": (
        files() | schema_file("zoo.cars", 5, owner="zoo/pets"),
        Rule.SCHEMA_NAMES,
        "",
    ),
    "a version has two schema files": (
        files() | schema_file("zoo.pets", 1000, columns=(ID,)),
        Rule.SCHEMA_TWICE,
        "",
    ),
    "the checkpoint is no number": (
        files() | {"metadata": b'{"checkpoint-ts":-1}'},
        Rule.METADATA_UNREADABLE,
        "metadata",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_told_with_its_place(name: str) -> None:
    damaged, rule, key = DAMAGES[name]
    snapshot = snapshot_of(damaged)
    fault = next(finding for finding in snapshot.faults if finding.rule is rule)
    assert fault.key.startswith(key)
    with pytest.raises(RunFailed) as caught:
        snapshot.raise_for_faults()
    assert any(item.place is not None and item.place.file == fault.key for item in caught.value.diagnostics)


def test_one_file_above_the_index_and_foreign_files_are_notes() -> None:
    snapshot = snapshot_of(
        files(), series("zoo/pets/1000/2026-01-03", 1, index=0), {"README": b"", "zoo/CDC1.csv": b""}
    )
    assert [finding.rule for finding in snapshot.findings] == [Rule.KEY_UNKNOWN, Rule.KEY_UNKNOWN, Rule.NUMBER_ORPHAN]
    assert snapshot.faults == ()
    assert len(snapshot.steps) == 6


def test_a_fence_is_a_file_of_no_bytes() -> None:
    snapshot = snapshot_of(files() | {NEXT: b""})
    assert snapshot.findings == ()
    assert [step.size for step in snapshot.steps if isinstance(step, FileStep)] == [106, 0, 25]


def test_the_index_may_run_ahead_of_the_listing() -> None:
    """It is read after the listing: what came in between is looked for."""
    store = BusyStore(schema_file("zoo.pets", 5), series("zoo/pets/5", 1))
    store.writes["get", 3] = store.adds(series("zoo/pets/5", 3))  # metadata, the schema file, then the index
    snapshot = Bucket(store).snapshot()
    assert snapshot.findings == ()
    assert [told(step) for step in snapshot.steps[1:]] == [f"zoo/pets/5/CDC #{number}" for number in (1, 2, 3)]


def test_rows_of_a_version_that_came_between_the_looks_wait_for_the_next_snapshot() -> None:
    store = BusyStore(schema_file("zoo.pets", 5), series("zoo/pets/5", 1))
    store.writes["list", 2] = store.adds(schema_file("zoo.pets", 9, "ALTER …", 7), series("zoo/pets/9", 1))
    bucket = Bucket(store)
    first = bucket.snapshot()
    assert first.findings == ()
    assert [told(step) for step in first.steps] == ["zoo.pets@5", "zoo/pets/5/CDC #1"]
    news = bucket.snapshot().after(first.progress())
    assert [told(step) for step in news] == ["zoo.pets@9", "zoo/pets/9/CDC #1"]


def test_a_ddl_that_was_missed_holds_back_the_later_ones() -> None:
    """A listing is not one moment: `a` is listed before the rename to `b`, the new `c` after it."""
    store = BusyStore(schema_file("zoo.c", 5))
    late = schema_file("zoo.b", 8, "RENAME TABLE c TO b", 14)
    again = schema_file("zoo.c", 9, "CREATE TABLE c (id INT)", 3)
    store.writes["list", 1] = store.adds(again)
    store.writes["list", 2] = store.adds(late)
    bucket = Bucket(store)
    first = bucket.snapshot()
    assert [told(step) for step in first.steps] == ["zoo.c@5"]
    assert [told(step) for step in bucket.snapshot().after(first.progress())] == ["zoo.b@8 from zoo.c", "zoo.c@9"]


def test_a_second_snapshot_reads_only_what_can_have_news() -> None:
    store = memory(schema_file("zoo.pets", 5), series("zoo/pets/5", 1), series("zoo/pets/5/7", 1))
    bucket = Bucket(store)
    progress = bucket.snapshot().progress()
    store.asked.clear()
    assert bucket.snapshot().after(progress) == ()
    assert [key for asked, key in store.asked if asked == "get"] == ["metadata"]
    store.objects |= series("zoo/pets/5", 2)
    store.asked.clear()
    assert [told(step) for step in bucket.snapshot().after(progress)] == ["zoo/pets/5/CDC #2"]
    assert [key for asked, key in store.asked if asked == "get"] == ["metadata", "zoo/pets/5/meta/CDC.index"]


def test_progress_is_kept_per_series_and_owner() -> None:
    steps = snapshot_of(files()).steps
    progress = Progress(files={f"{OLD}/CDC": 1}, schemas={"zoo": 900, "zoo/pets": 1000})
    assert [told(step) for step in snapshot_of(files()).after(progress)] == [told(step) for step in steps[3:]]


@pytest.mark.parametrize(
    "begun", [schema_file("zoo.pets", 9), schema_file("zoo.cats", 9, "RENAME TABLE pets TO cats", 14)]
)
def test_rows_that_come_after_their_version_is_over_are_refused(begun: Files) -> None:
    """16 of the protocol's failures: the old name's rows, replayed after the rename."""
    store = memory(schema_file("zoo.pets", 5), series("zoo/pets/5", 1), begun)
    bucket = Bucket(store)
    progress = bucket.snapshot().progress()
    store.objects |= series("zoo/pets/5", 2)
    with pytest.raises(RunFailed, match=r"up to version 9 before it came") as caught:
        bucket.snapshot().after(progress)
    assert caught.value.code == "bucket.late"


def test_a_folder_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    with open_bucket(str(tmp_path / "none")) as bucket, pytest.raises(EnvironmentRefused, match="cannot be opened"):
        bucket.snapshot()
    assert not (tmp_path / "none").exists()
    with pytest.raises(PipelineInvalid, match="keeps nothing"):
        open_bucket("noop://x")


def test_nothing_is_written(tmp_path: Path) -> None:
    write(tmp_path, healthy())
    before = sorted(tmp_path.rglob("*"))
    with open_bucket(str(tmp_path)) as bucket:
        bucket.snapshot()
    assert sorted(tmp_path.rglob("*")) == before
    assert json.loads((tmp_path / "metadata").read_text()) == {"checkpoint-ts": 2001}
