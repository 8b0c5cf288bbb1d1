"""The checkpoint under load: never ahead at any sample, nor with a slow store or a source that prunes (I1, I2)."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.node import Outlet
from afterbay.runtime.run import start
from afterbay.state.status import read_status
from tests.sinks.test_storage_sink import Crash, Lake, rows
from tests.support import faulty_store
from tests.support.flow import ACKNOWLEDGED, SCRIPTS, Alter, Event, Promise

TABLES = 5


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    SCRIPTS.clear()
    ACKNOWLEDGED.clear()
    made = Lake(tmp_path)
    made.options.update(file_size="1KiB", shards=4)
    return made


def load(count: int) -> list[Event]:
    """Rows of five tables in turn, 20 commit-ts each, a promise behind each, an in-band DDL now and then."""
    events: list[Event] = []
    version = dict.fromkeys(range(TABLES), 0)
    for n in range(count):
        table, first = n % TABLES, 100 * n + 1
        if n and n % 17 == 0:
            events.append(Alter(f"t{table}", first, version[table]))
            version[table] = first
        events.append(rows(f"t{table}", first + 1, first + 20, version[table]))
        events.append(Promise(first + 50))
    return events


def expected(count: int) -> set[int]:
    return {100 * n + 1 + k for n in range(count) for k in range(1, 21)}


def all_indexed(lake: Lake) -> list[int]:
    directories = {path.parent.parent.relative_to(lake.root).as_posix() for path in lake.root.rglob("CDC.index")}
    return [ts for directory in sorted(directories) for ts in lake.indexed(directory)]


def sample(lake: Lake, count: int) -> int:
    """Reads both checkpoints first and the files after: whatever they say must be there. Gives the checkpoint."""
    said = lake.reached()
    metadata = lake.root / "metadata"
    if metadata.exists():
        shown = int(json.loads(metadata.read_text())["checkpoint-ts"])
        assert shown <= max(said, lake.reached()), "the store never shows more than the state has"
        said = max(said, shown)
    there = set(all_indexed(lake))
    missing = {ts for ts in expected(count) if ts <= said} - there
    assert missing == set(), f"the checkpoint {said} is ahead of the files"
    return said


@pytest.mark.parametrize("slow", [False, True])
def test_the_checkpoint_is_never_ahead_at_any_sample(lake: Lake, monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    """Samples are taken between every two steps of the store: in its hook, while all else goes on."""
    samples: list[int] = []
    lock = threading.Lock()
    count = 60

    def hook(call: str, key: str, when: str) -> None:
        if call == "replace" and "CDC.index" in key and when == ("before" if slow else "after"):
            with lock:
                samples.append(sample(lake, count))

    with monkeypatch.context() as faults:
        faulty_store.install(faults, hook)
        report = lake.run(*load(count))
    assert len(samples) > 20
    assert len(set(samples)) > 3, "it moved while the run went on"
    assert sorted(all_indexed(lake)) == sorted(expected(count))
    assert report.checkpoints == {"log": 100 * (count - 1) + 51}


@pytest.mark.parametrize("dies_at", range(1, 18, 2))
def test_a_source_that_prunes_what_is_acknowledged_loses_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    """After the crash the source has only what was not acknowledged: all the rest must be in the store (I2)."""
    count = 80
    left = [dies_at]

    def hook(call: str, key: str, when: str) -> None:
        if call == "put_if_absent" and when == "before":
            left[0] -= 1
            if left[0] == 0:
                raise Crash(key)

    with monkeypatch.context() as faults:
        faulty_store.install(faults, hook)
        with pytest.raises((Crash, RunFailed, ExceptionGroup)):
            lake.run(*load(count))
    kept_from = max(ACKNOWLEDGED["s"], default=0)
    assert kept_from <= lake.reached(), "told to discard only what a durable checkpoint row covers"
    pruned = [
        (lambda out: None) if isinstance(event, Promise) and event.ts < kept_from else event for event in load(count)
    ]
    for number, event in enumerate(load(count)):
        if isinstance(event, Promise) and event.ts == kept_from:
            pruned[:number] = [_gone] * number
    lake.run(*pruned)
    assert sorted(all_indexed(lake)) == sorted(expected(count)), "nothing lost, nothing twice"


def _gone(out: Outlet) -> None:
    raise AssertionError("a pruned event was asked for again")


def test_an_enqueued_batch_never_moves_the_checkpoint(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credit comes back while the store is absent: the source goes on to its end, and the checkpoint stays at none."""
    sent_all, go = threading.Event(), threading.Event()

    def hook(call: str, key: str, when: str) -> None:
        if call == "put_if_absent" and when == "before" and key != "metadata":
            assert go.wait(30)

    def at_the_end(out: Outlet) -> None:
        sent_all.set()

    with monkeypatch.context() as faults:
        faulty_store.install(faults, hook)
        SCRIPTS["s"] = {"": [*load(30), at_the_end]}
        run = start(lake.plan())
        assert sent_all.wait(30), "the spool has taken everything; the source was never held up"
        run._state.flush()
        assert run.checkpoints() == {}
        assert read_status(lake.folder / "state").checkpoints == {}
        assert ACKNOWLEDGED["s"] == []
        go.set()
        report = run.wait(60)
    assert report is not None
    assert report.checkpoints == {"log": 2951}


def test_one_slow_table_does_not_stop_the_others(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store holds table t0; every other table's rows become files meanwhile (I9)."""
    others, go = threading.Event(), threading.Event()
    done: set[str] = set()

    def hook(call: str, key: str, when: str) -> None:
        if call == "put_if_absent" and "/t0/" in key and "CDC" in key and when == "before":
            assert go.wait(30)
        if call == "replace" and "CDC.index" in key and when == "after":
            done.add(key.split("/")[1])
            if done >= {"t1", "t2", "t3", "t4"}:
                others.set()

    lake.options["flush_interval"] = "100ms"
    with monkeypatch.context() as faults:
        faulty_store.install(faults, hook)
        SCRIPTS["s"] = {"": load(20)}
        run = start(lake.plan())
        assert others.wait(30)
        assert "t0" not in done
        go.set()
        assert run.wait(60) is not None
    assert sorted(all_indexed(lake)) == sorted(expected(20))


def test_a_graph_wide_ddl_with_a_quota_of_two_entries_and_a_slow_encoder(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two entries fill the spool, an encoder holds its first batch until others wait behind it: no deadlock (I9)."""
    from afterbay_nodes.encoders import encode_csv

    lake.spool.update(disk_quota="4KiB", segment="1KiB", memory="1KiB")
    lake.options["file_size"] = "64MiB"
    original = encode_csv.CsvEncoder.process
    second = threading.Event()
    first = [True]

    def slow(self: encode_csv.CsvEncoder, item: object) -> object:
        if first[0]:
            first[0] = False
            assert second.wait(30)
        else:
            second.set()
        return original(self, item)  # type: ignore[arg-type]

    monkeypatch.setattr(encode_csv.CsvEncoder, "process", slow)
    events = load(40)
    events.insert(50, Alter("x", 2430, graph=True))
    report = lake.run(*events)
    assert report.rows_stored == 800
    assert sorted(all_indexed(lake)) == sorted(expected(40))
    assert len(list((lake.root / "s/x_r/meta").glob("schema_2430_*.json"))) == 1
