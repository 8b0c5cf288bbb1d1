"""Files that are assembled at flush: what lands, in which order, and after a crash at each step (I1, I5-I8)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from afterbay.compile.plan import Plan
from afterbay.errors import RunFailed
from afterbay.spool.files import SystemFiles
from afterbay.state.store import Intent, State
from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from afterbay_nodes.encoders.parquet_file import ParquetAssembler
from afterbay_nodes.sinks import file_body
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sinks.scratch import Scratch, ScratchFile
from afterbay_nodes.transforms.spool import Spool
from tests.sinks.test_storage_sink import Crash, Lake, crash_at, rows
from tests.support import faulty_store
from tests.support.flow import SCRIPTS, Alter, Event, Promise, Scripted, plan

FIRST = "s/a/0/CDC00000000000000000001.parquet"


class ParquetLake(Lake):
    """A lake whose files are assembled."""

    def plan(self) -> Plan:
        return plan(
            self.folder / "state",
            ("log", Scripted(script="s"), ()),
            ("parquet", EncodeParquet(), ("log",)),
            ("spool", Spool(**self.spool), ("parquet",)),  # type: ignore[arg-type]
            ("lake", CloudStorage(uri=str(self.root), **self.options), ("spool",)),  # type: ignore[arg-type]
            parallelism={"parquet": 2},
        )

    @property
    def scratch(self) -> Path:
        return self.folder / "state" / "nodes" / "lake" / "scratch"

    def files(self, directory: str) -> list[str]:
        index = self.root / directory / "meta" / "CDC.index"
        last = int(index.read_text().removeprefix("CDC").removesuffix(".parquet\n"))
        names = [f"CDC{number:020d}.parquet" for number in range(1, last + 1)]
        there = sorted(path.name for path in (self.root / directory).glob("CDC*.parquet"))
        assert there == names, "contiguous, and nothing that is not indexed"
        return names

    def indexed(self, directory: str) -> list[int]:
        index = self.root / directory / "meta" / "CDC.index"
        last = index.read_text().strip() if index.exists() else ""
        found: list[int] = []
        for path in sorted((self.root / directory).glob("CDC*.parquet")):
            # A file of no bytes holds no rows: a fence.
            if path.name <= last and path.stat().st_size:
                found.extend(pq.read_table(path, columns=["_commit_ts"]).column(0).to_pylist())
        return found


@pytest.fixture
def lake(tmp_path: Path) -> ParquetLake:
    SCRIPTS.clear()
    return ParquetLake(tmp_path)


def test_one_flush_is_one_file_and_nothing_stays_beside_it(lake: ParquetLake) -> None:
    report = lake.run(rows("a", 1, 5), rows("a", 6, 10), rows("b", 5, 6), Promise(10))
    assert lake.stored("s/a/0") == list(range(1, 11))
    assert lake.stored("s/b/0") == [5, 6]
    assert (report.rows_stored, report.files) == (12, 2)
    names = {path.relative_to(lake.root).as_posix() for path in lake.root.rglob("*") if path.is_file()}
    assert {name for name in names if "/a/" in name and "schema_" not in name} == {FIRST, "s/a/0/meta/CDC.index"}
    assert list(lake.scratch.iterdir()) == []
    assert lake.root.resolve() not in lake.scratch.resolve().parents


def test_file_size_counts_the_columns_in_the_spool(lake: ParquetLake) -> None:
    lake.options["file_size"] = "8KiB"
    events: list[Event] = [rows("a", ts, ts + 99) for ts in range(1, 3000, 100)]
    report = lake.run(*events, Promise(3000))
    assert lake.stored("s/a/0") == list(range(1, 3001))
    assert 5 < report.flushes["size"] < 29, "more than one batch a file, more than one file"


def test_the_intent_is_of_the_file_that_is_put(lake: ParquetLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Size and CRC-32 are those of the assembled bytes, and known before the first of them travels (I6)."""
    intents: list[Intent] = []
    begin = State.begin

    def noting(state: State, intent: Intent) -> int:
        assert not (lake.root / intent.path).exists()
        intents.append(intent)
        return begin(state, intent)

    monkeypatch.setattr(State, "begin", noting)
    lake.run(rows("a", 1, 10), Promise(10))
    (intent,) = intents
    data = (lake.root / FIRST).read_bytes()
    assert (intent.path, intent.size, intent.crc, intent.header) == (FIRST, len(data), zlib.crc32(data), 0)


Faults = Callable[[pytest.MonkeyPatch, int], None]


def _wrapped(owner: type, method: str, when: str) -> Faults:
    """The process ends before or after the n-th call of `method`."""

    def install(faults: pytest.MonkeyPatch, on: int) -> None:
        original = getattr(owner, method)
        left = [on]

        def dies(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if when == "before" and left[0] == 0:
                raise Crash(method)
            result = original(*arguments, **named)
            if when == "after" and left[0] == 0:
                if isinstance(result, ScratchFile):
                    result.close()  # As the end of a process does; here nobody ever holds it.
                raise Crash(method)
            return result

        faults.setattr(owner, method, dies)

    return install


def _at_the_store(call: str, part: str, when: str) -> Faults:
    return lambda faults, on: faulty_store.install(faults, crash_at(call, part, when, on))


STEPS: dict[str, Faults] = {
    "before the scratch file is made": _wrapped(Scratch, "create", "before"),
    "after the scratch file is made": _wrapped(Scratch, "create", "after"),
    "in the middle of the scratch file": _wrapped(ScratchFile, "write", "after"),
    "before it is assembled": _wrapped(ParquetAssembler, "assemble", "before"),
    "after it is assembled": _wrapped(ParquetAssembler, "assemble", "after"),
    "before the intent": _wrapped(State, "begin", "before"),
    "after the intent": _wrapped(State, "begin", "after"),
    "before the put": _at_the_store("put_if_absent", "CDC", "before"),
    "after the put": _at_the_store("put_if_absent", "CDC", "after"),
    "before the index": _at_the_store("replace", "CDC.index", "before"),
    "after the index": _at_the_store("replace", "CDC.index", "after"),
    "before the commit": _wrapped(State, "finish", "before"),
    "after the commit": _wrapped(State, "finish", "after"),
}


@pytest.mark.parametrize("on", [1, 3])
@pytest.mark.parametrize("step", STEPS)
def test_crash_at_each_step_then_restart_is_exactly_once(
    lake: ParquetLake, monkeypatch: pytest.MonkeyPatch, step: str, on: int
) -> None:
    lake.options["file_size"] = "1KiB"
    events: list[Event] = [
        *(event for ts in range(1, 200, 20) for event in (rows("a", ts, ts + 19), Promise(ts + 19))),
        Alter("a", 201),
        rows("a", 202, 220, 201),
        Promise(220),
    ]
    with monkeypatch.context() as faults:
        STEPS[step](faults, on)
        with pytest.raises((RunFailed, ExceptionGroup), match=r"Crash|failed"):
            lake.run(*events)
        assert lake.reached() <= len(lake.indexed("s/a/0")) + len(lake.indexed("s/a/201")) + 1, "I1: never ahead"
    report = lake.run(*events)
    assert lake.stored("s/a/0") == list(range(1, 201)), "nothing lost, nothing twice"
    assert lake.stored("s/a/201") == list(range(202, 221))
    assert lake.checkpoint() == 220
    assert report.checkpoints == {"log": 220}
    assert list(lake.scratch.iterdir()) == []


def test_a_file_that_was_put_is_recognised_though_it_could_not_be_made_again(
    lake: ParquetLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intent holds the CRC of what was put; the rows are not assembled anew, with whatever library there is now."""
    with monkeypatch.context() as faults:
        faulty_store.install(faults, crash_at("put_if_absent", "CDC", "after"))
        with pytest.raises(RunFailed, match="Crash"):
            lake.run(rows("a", 1, 3), Promise(3))
    before = (lake.root / FIRST).read_bytes()
    with monkeypatch.context() as faults:
        faults.setattr(ParquetAssembler, "assemble", _never)
        report = lake.run(rows("a", 1, 3), Promise(3))
    assert report.rows_stored == 0
    assert (lake.root / FIRST).read_bytes() == before
    assert lake.stored("s/a/0") == [1, 2, 3]


def test_a_withdrawn_intent_s_rows_are_assembled_anew(lake: ParquetLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other bytes under the same name, as another library would make them: the first ones were never visible."""
    with monkeypatch.context() as faults:
        faulty_store.install(faults, crash_at("put_if_absent", "CDC", "before"))
        with pytest.raises(RunFailed, match="Crash"):
            lake.run(rows("a", 1, 3), Promise(3))
    with monkeypatch.context() as other:
        other.setattr(pq.ParquetWriter, "__init__", _otherwise(pq.ParquetWriter.__init__))
        lake.run(rows("a", 1, 3), Promise(3))
    assert lake.stored("s/a/0") == [1, 2, 3]
    assert pq.ParquetFile(lake.root / FIRST).metadata.row_group(0).column(0).compression == "GZIP"


def test_a_put_that_did_not_come_is_fenced_by_a_file_of_no_bytes(
    lake: ParquetLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers: a file of no bytes holds no rows, whatever its extension."""
    with monkeypatch.context() as faults:
        faulty_store.install(faults, crash_at("put_if_absent", "CDC", "before"), late_writers=True)
        with pytest.raises(RunFailed, match="Crash"):
            lake.run(rows("a", 1, 3), Promise(3))
    with monkeypatch.context() as faults:
        faulty_store.install(faults, lambda *_: None, late_writers=True)
        lake.run(rows("a", 1, 3), Promise(3))
    assert (lake.root / FIRST).read_bytes() == b""
    assert lake.files("s/a/0") == ["CDC00000000000000000001.parquet", "CDC00000000000000000002.parquet"]
    assert lake.stored("s/a/0") == [1, 2, 3]


def test_a_file_that_fits_no_case_is_refused_by_name(lake: ParquetLake, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as faults:
        faulty_store.install(faults, crash_at("replace", "CDC.index", "before"))
        with pytest.raises(RunFailed, match="Crash"):
            lake.run(rows("a", 1, 3), Promise(3))
    path = lake.root / FIRST
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunFailed, match=r"CDC00000000000000000001\.parquet.*is not the file"):
        lake.run(rows("a", 1, 3), Promise(3))


def test_a_name_that_is_taken_after_all_ends_the_run_and_leaves_no_assembled_file(
    lake: ParquetLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(call: str, key: str, when: str) -> None:
        if call == "put_if_absent" and key == FIRST and when == "before":
            (lake.root / FIRST).parent.mkdir(parents=True, exist_ok=True)
            (lake.root / FIRST).write_bytes(b"")

    with monkeypatch.context() as faults:
        faulty_store.install(faults, taken)
        with pytest.raises((RunFailed, ExceptionGroup), match="state_older"):
            lake.run(rows("a", 1, 3), Promise(3))
    assert (lake.root / FIRST).read_bytes() == b""
    assert list(lake.scratch.iterdir()) == []


def test_a_start_sweeps_what_a_killed_run_left(lake: ParquetLake) -> None:
    lake.run(rows("a", 1, 3), Promise(3))
    (lake.scratch / "flush-abandoned").write_bytes(b"half a file")
    lake.run(rows("a", 1, 3), Promise(3))
    assert list(lake.scratch.iterdir()) == []


def test_damage_in_the_spool_is_seen_before_anything_is_put(lake: ParquetLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment's byte changes on the disk: the flush fails with its place, and no file has the wrong rows (I7)."""
    lake.spool.update(disk_quota="1MiB", memory="1KiB", segment="64KiB")
    read = SystemFiles.read

    def damaged(self: SystemFiles, path: Path, offset: int, length: int) -> bytes:
        data = bytearray(read(self, path, offset, length))
        data[-1] ^= 1
        return bytes(data)

    with monkeypatch.context() as faults:
        faults.setattr(SystemFiles, "read", damaged)
        with pytest.raises(RunFailed, match=r"\[spool\.damaged\].*segment-"):
            lake.run(*(rows("a", ts, ts + 99) for ts in range(1, 1000, 100)), Promise(1000))
    assert not (lake.root / "s").exists() or not list(lake.root.rglob("CDC*"))
    assert list(lake.scratch.iterdir()) == []
    lake.run(*(rows("a", ts, ts + 99) for ts in range(1, 1000, 100)), Promise(1000))
    assert lake.stored("s/a/0") == list(range(1, 1001))


def test_a_batch_larger_than_the_spool_is_flushed_at_once(lake: ParquetLake) -> None:
    lake.spool.update(disk_quota="2KiB", segment="1KiB", memory="1KiB")
    lake.options["file_size"] = "64MiB"
    report = lake.run(rows("a", 1, 1000), rows("a", 1001, 1002), Promise(1002))
    assert lake.stored("s/a/0") == list(range(1, 1003))
    assert report.flushes["oversized"] >= 1


def test_a_tiny_quota_with_many_tables_neither_deadlocks_nor_loses(lake: ParquetLake) -> None:
    """Every flush waits for room in the windows, memory and disk, of one file at most (I8, I9)."""
    lake.spool.update(disk_quota="16KiB", segment="4KiB", memory="4KiB")
    lake.options.update(file_size="64MiB", flush_interval="10m", shards=4)
    events: list[Event] = []
    for n in range(40):
        events.append(rows(f"t{n % 5}", 100 * n + 1, 100 * n + 60))
        if n == 20:
            events.append(Alter("t0", 100 * n + 61, graph=True))
        events.append(Promise(100 * n + 62))
    report = lake.run(*events)
    assert report.rows_stored == 40 * 60
    for n in range(1, 5):
        expected = [ts for k in range(40) if k % 5 == n for ts in range(100 * k + 1, 100 * k + 61)]
        assert lake.stored(f"s/t{n}/0") == expected


def test_a_full_disk_under_the_state_fails_the_run_and_a_later_one_goes_on(
    lake: ParquetLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Scratch) -> ScratchFile:
        return ScratchFile(Path("/dev/full").open("wb", buffering=0), lake.scratch)

    with monkeypatch.context() as faults:
        faults.setattr(Scratch, "create", full)
        with pytest.raises(RunFailed, match="No space left on device") as failed:
            lake.run(rows("a", 1, 3), Promise(3))
    assert str(lake.scratch) in str(failed.value)
    assert lake.reached() == 0
    lake.run(rows("a", 1, 3), Promise(3))
    assert lake.stored("s/a/0") == [1, 2, 3]


def test_the_store_gets_mapped_bytes_and_no_copy(lake: ParquetLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a put holds of a file is the mapping, not the heap (I8)."""
    made: list[list[str]] = []
    body = file_body.FileBody

    def noting(*arguments: Any) -> file_body.FileBody:
        body_made = body(*arguments)
        made.append([type(part.obj).__name__ for part in body_made.parts if isinstance(part, memoryview)])
        return body_made

    with monkeypatch.context() as faults:
        faults.setattr(file_body, "FileBody", noting)
        lake.run(rows("a", 1, 1000), Promise(1000))
    assert made == [["mmap"]]


@pytest.mark.parametrize("second", [EncodeCsv(include_commit_ts=True), EncodeAvro()])
def test_formats_side_by_side_in_one_pipeline(lake: ParquetLake, second: EncodeCsv | EncodeAvro) -> None:
    """One source, two encoders, two roots: the checkpoint waits for both."""
    SCRIPTS["s"] = {"": [rows("a", 1, 10), Alter("a", 11), rows("a", 12, 13, 11), Promise(13)]}
    from afterbay.runtime.run import start

    forked = plan(
        lake.folder / "state",
        ("log", Scripted(script="s"), ()),
        ("parquet", EncodeParquet(), ("log",)),
        ("spool", Spool(), ("parquet",)),
        ("lake", CloudStorage(uri=str(lake.root), date_separator="none"), ("spool",)),
        ("other", second, ("log",)),
        ("pool", Spool(), ("other",)),
        ("pond", CloudStorage(uri=str(lake.folder / "pond"), date_separator="none"), ("pool",)),
    )
    report = start(forked).wait(60)
    assert report is not None
    assert report.checkpoints == {"log": 13}
    assert lake.stored("s/a/0") == list(range(1, 11))
    assert lake.stored("s/a/11") == [12, 13]
    assert len(list((lake.folder / "pond/s/a").rglob("CDC*0001.*"))) == 2


def _never(*_: object) -> None:
    raise AssertionError("nothing is to be assembled")


def _otherwise(init: Callable[..., None]) -> Callable[..., None]:
    def made(self: pq.ParquetWriter, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **{**named, "compression": "gzip"})

    return made
