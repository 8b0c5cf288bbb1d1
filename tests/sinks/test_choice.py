"""Which directory and which number a flush takes (§2): one test for each branch, named for it, through the writer."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.messages import BatchHead, FileFormat
from afterbay.positions import StoredPosition
from afterbay.schema import Column, RowPosition, TableName, TableSchema
from afterbay.telemetry import FlushReason, Telemetry
from afterbay_nodes.sinks.file_body import FileBodies
from afterbay_nodes.sinks.flush_days import FlushDays
from afterbay_nodes.sinks.lane import FlushJob, Lane, Limits, Pending
from afterbay_nodes.sinks.scratch import Scratch
from afterbay_nodes.sinks.writer import Writer
from afterbay_nodes.storage.dates import DateSeparator
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.schema_file import SchemaFile
from afterbay_nodes.storage.store import Part
from tests.support import state
from tests.support.memory_store import MemoryStore
from tests.support.state import SINK, SOURCE, Run

LAYOUT = Layout(date_separator=DateSeparator.NONE, file_index_digit=6)
BODY = b'"I","orders","shop",1\r\n'


@pytest.fixture(autouse=True)
def _states_are_closed() -> Iterator[None]:
    yield
    state.close_all()


def orders(version: int, *extra: str) -> TableSchema:
    return TableSchema(TableName("shop", "orders"), version, tuple(Column(name, "int") for name in ("id", *extra)))


def schema_key(version: int, *extra: str) -> str:
    return LAYOUT.schema_file("shop/orders", version, SchemaFile.of(orders(version, *extra), version).checksum)


def schema_files(*versions: int) -> dict[str, bytes]:
    """The schema files of `orders` at `versions`, by key."""
    return {schema_key(version): SchemaFile.of(orders(version), version).to_bytes() for version in versions}


def data_key(version: int, number: int) -> str:
    return f"shop/orders/{version}/CDC{number:06d}.csv"


@dataclass
class Entry:
    """One row at `ts` in the spool; counts how often its bytes were read and given back."""

    ts: int
    schema: TableSchema
    reads: int = 0
    releases: int = 0
    oversized: bool = False
    in_memory: bool = True
    nbytes: int = len(BODY)
    head: BatchHead = field(init=False)

    def __post_init__(self) -> None:
        at = RowPosition(self.ts, 0)
        self.head = BatchHead(
            SOURCE, "d1", self.schema, FileFormat("csv"), 1, 1, 0, 0, at, at, False, len(BODY), zlib.crc32(BODY)
        )

    def read(self) -> list[memoryview]:
        self.reads += 1
        return [memoryview(BODY)]

    def share(self, more: int) -> None:
        self.releases -= more

    def release(self) -> None:
        self.releases += 1


class RacyStore(MemoryStore):
    """A store in which somebody else may take a name between the look and the write."""

    before_put: Callable[[str], None] = staticmethod(lambda key: None)

    def put_if_absent(self, key: str, parts: list[Part] | tuple[Part, ...], size: int) -> None:  # type: ignore[override]
        self.before_put(key)
        super().put_if_absent(key, parts, size)


class Desk:
    """A writer with a real state, and a store in memory that counts what it is asked."""

    def __init__(self, folder: Path, stored: StoredPosition | None = None, *, adopted: int | None = None) -> None:
        self.store = RacyStore()
        self.run = Run(folder, adopted=adopted)
        self.telemetry = Telemetry("test")
        self.writer = Writer(
            sink=SINK,
            store=self.store,
            layout=LAYOUT,
            bodies=FileBodies(Scratch(folder / "scratch"), 1 << 20, self.run.clock),
            zone=UTC,
            state=self.run.state,
            positions={} if stored is None else {(SOURCE, "d1"): stored},
            days=FlushDays("", {}),
            clock=self.run.clock,
            meter=self.telemetry.node(SINK),
        )

    def flush(self, ts: int, schema: TableSchema) -> Entry:
        """One row becomes one file, or is discarded."""
        entry = Entry(ts, schema)
        token = self.run.ledger.mint(ts, "d1")
        self.run.ledger.promise(ts, {})
        self.writer.perform(
            Lane(SOURCE, "d1", Limits(1, 1.0, 1)), FlushJob(FlushReason.SIZE, (Pending(entry, token, 0.0),), 0.0)
        )
        return entry

    def data(self) -> list[str]:
        """The data files there are."""
        return sorted(key for key in self.store.objects if key.endswith(".csv"))

    def schemas(self) -> list[str]:
        """The schema files there are."""
        return sorted(key for key in self.store.objects if key.endswith(".json"))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# --- the version


def test_cached_the_store_is_not_asked_again(desk: Desk) -> None:
    desk.flush(410, orders(400))
    desk.store.asked.clear()

    desk.flush(420, orders(400))

    assert desk.data() == [data_key(400, 1), data_key(400, 2)]
    index = "shop/orders/400/meta/CDC.index"
    assert desk.store.asked == [
        ("head", data_key(400, 2)),
        ("put_if_absent", data_key(400, 2)),
        ("replace", index),
    ]


def test_exact_file_exists_though_newer_ones_exist(desk: Desk) -> None:
    desk.store.objects = schema_files(400) | {schema_key(500): b"", schema_key(300): b""}

    desk.flush(410, orders(400))

    assert desk.data() == [data_key(400, 1)]
    assert len(desk.schemas()) == 3


@pytest.mark.parametrize("version", [400, 300])
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "unreadable"),
        (b"junk", "unreadable"),
        (SchemaFile.of(orders(400, "more"), 400).to_bytes(), "conflict"),
        (SchemaFile.of(orders(7), 7).to_bytes(), "conflict"),
    ],
    ids=["emptied", "garbled", "other columns", "another version"],
)
def test_a_schema_file_that_does_not_hold_what_its_name_says_is_refused(
    desk: Desk, version: int, content: bytes, code: str
) -> None:
    desk.store.objects = {schema_key(version): content}

    with pytest.raises(RunFailed, match=rf"schema_file\.{code}.*'{schema_key(version)}'"):
        desk.flush(410, orders(400))

    assert desk.data() == []
    desk.run.ledger.unhealthy()


def test_newer_of_the_same_columns_discards_rows_that_are_stored_and_never_loads_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(tmp_path, StoredPosition(RowPosition(420, 0), "shop/orders/500", 3))
    desk.store.objects = {schema_key(500): b""}

    with caplog.at_level(logging.WARNING):
        stale = [desk.flush(ts, orders(400)) for ts in (410, 420)]

    assert [(entry.reads, entry.releases) for entry in stale] == [(0, 1), (0, 1)]
    assert desk.data() == []
    assert desk.telemetry.node(SINK).totals.repeated == 2
    assert [schema_key(400) in found.getMessage() for found in caplog.records] == [True, True]
    assert schema_key(500) in caplog.text
    assert desk.run.ledger.settled_below(421), "their claims are settled: the checkpoint is not held"


@pytest.mark.parametrize("stored", [None, StoredPosition(RowPosition(409, 9), "shop/orders/500", 3)])
def test_newer_of_the_same_columns_is_an_error_that_names_both_files_for_rows_that_are_not_stored(
    tmp_path: Path, stored: StoredPosition | None
) -> None:
    desk = Desk(tmp_path, stored)
    desk.store.objects = {schema_key(500): b""}

    with pytest.raises(RunFailed, match=r"version\.stale") as caught:
        desk.flush(410, orders(400))

    assert schema_key(400) in str(caught.value)
    assert schema_key(500) in str(caught.value)
    assert list(desk.store.objects) == [schema_key(500)]
    desk.run.ledger.unhealthy()  # its claim stays open, and the run is over


def test_older_of_the_same_columns_is_the_directory_and_no_file_is_written(desk: Desk) -> None:
    desk.store.objects = schema_files(300) | {schema_key(200): b"", schema_key(350, "more"): b""}

    desk.flush(410, orders(400))

    assert desk.data() == [data_key(300, 1)]
    assert desk.schemas() == sorted([schema_key(200), schema_key(300), schema_key(350, "more")])


def test_none_a_file_of_our_own_without_query_and_type(desk: Desk) -> None:
    desk.flush(410, orders(400))

    (key,) = desk.schemas()
    file = SchemaFile.from_bytes(desk.store.objects[key], key)
    assert (key, file.version, file.query, file.type) == (schema_key(400), 400, "", 0)
    written = [key for call, key in desk.store.asked if call == "put_if_absent"]
    assert written == [schema_key(400), data_key(400, 1)], "the schema file is there before the first row"


def test_newer_of_other_columns_discards_nothing(desk: Desk) -> None:
    desk.store.objects = {schema_key(500, "more"): b""}

    desk.flush(410, orders(400))

    assert desk.data() == [data_key(400, 1)]
    assert schema_key(400) in desk.schemas()


@pytest.mark.parametrize("suffix", [".tmp.1", ".tmp.4294967295", "~", ".bak"])
def test_temporary_names_are_ignored(desk: Desk, suffix: str) -> None:
    desk.store.objects = {f"{schema_key(500)}{suffix}": b"", f"{schema_key(300)}{suffix}": b""}

    desk.flush(410, orders(400))

    assert desk.data() == [data_key(400, 1)]


# --- the number


INDEX = "shop/orders/400/meta/CDC.index"


def test_index_missing_the_first_number_is_one(desk: Desk) -> None:
    desk.flush(410, orders(400))

    assert desk.data() == [data_key(400, 1)]
    assert desk.store.objects[INDEX] == b"CDC000001.csv\n"


@pytest.mark.parametrize("content", [b"CDC000041.csv\n", b"CDC000041.csv"])
def test_index_there_that_the_state_knows_the_next_number_follows_it(desk: Desk, content: bytes) -> None:
    desk.run.state.note_directory(SINK, "shop/orders/400", 41)
    desk.store.objects[INDEX] = content

    desk.flush(410, orders(400))

    assert desk.data() == [data_key(400, 42)]


@pytest.mark.parametrize("known", [None, 40])
def test_index_beyond_what_the_state_has_given_out_is_refused(desk: Desk, known: int | None) -> None:
    """Its root was empty when it was taken: of a directory that it does not know nobody has a number (I6)."""
    if known is not None:
        desk.run.state.note_directory(SINK, "shop/orders/400", known)
    desk.store.objects[INDEX] = b"CDC000041.csv\n"

    with pytest.raises(RunFailed, match=rf"state_older.*'{INDEX}' names CDC000041\.csv.* above {known or 0} "):
        desk.flush(410, orders(400))

    assert desk.data() == []
    assert desk.store.objects[INDEX] == b"CDC000041.csv\n"
    desk.run.ledger.unhealthy()


def test_index_of_an_adopted_root_is_followed_where_the_state_knows_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, adopted=7)
    desk.store.objects = {INDEX: b"CDC000041.csv\n", data_key(400, 42): b"behind its index"}

    desk.flush(410, orders(400))

    assert desk.data() == [data_key(400, 42), data_key(400, 43)]


@pytest.mark.parametrize("content", [b"", b"CDC41.csv\n", b"CDC000041.json\n", b"nonsense\n", b"\xff\n"])
def test_index_unreadable_is_an_error_and_nothing_is_written(desk: Desk, content: bytes) -> None:
    desk.store.objects[INDEX] = content

    with pytest.raises(RunFailed, match=r"index\.unreadable"):
        desk.flush(410, orders(400))

    assert desk.data() == []
    assert desk.store.objects[INDEX] == content
    desk.run.ledger.unhealthy()


@pytest.mark.parametrize("adopted", [None, 7])
def test_a_name_that_the_state_has_not_given_out_ends_the_run(tmp_path: Path, adopted: int | None) -> None:
    """Somebody else goes on where this run does: no index is jumped to, and nothing passed over."""
    desk = Desk(tmp_path, adopted=adopted)
    desk.flush(410, orders(400))
    desk.store.objects |= {data_key(400, number): b"theirs" for number in range(2, 301)}
    desk.store.objects[INDEX] = b"CDC000300.csv\n"

    with pytest.raises(RunFailed, match=rf"state_older.*'{data_key(400, 2)}' exists"):
        desk.flush(420, orders(400))

    assert len(desk.data()) == 300
    desk.run.ledger.unhealthy()


def test_a_name_taken_at_the_first_look_is_refused(desk: Desk) -> None:
    desk.store.objects = {data_key(400, 1): b"theirs"}

    with pytest.raises(RunFailed, match=r"state_older"):
        desk.flush(410, orders(400))

    assert desk.store.objects[data_key(400, 1)] == b"theirs"
    desk.run.ledger.unhealthy()


def test_a_name_taken_between_the_look_and_the_write_is_never_overwritten(desk: Desk) -> None:
    def taken(key: str) -> None:
        if key == data_key(400, 1):
            desk.store.objects[key] = b"theirs"

    desk.store.before_put = taken

    with pytest.raises(RunFailed, match=rf"state_older.*'{data_key(400, 1)}' appeared"):
        desk.flush(410, orders(400))

    assert {key: desk.store.objects[key] for key in desk.data()} == {data_key(400, 1): b"theirs"}
    assert INDEX not in desk.store.objects
    assert desk.run.state.directory_number(SINK, "shop/orders/400") is None, "its intent is withdrawn"
    desk.run.ledger.unhealthy()
