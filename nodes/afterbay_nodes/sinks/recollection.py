"""What a store tells of the state that wrote it: the sink's part of `afterbay state rebuild`.

::

    metadata ----------------------------> checkpoint (never ahead of what is stored, I1)
    index files -------------------------> the last number of each directory
    whole files above their index -------> finished: the index names them from now on
    where a dead run's write may be late -> fences: an empty file in its place
    the last rows of each table ---------> its position: with the ordinal where the format has it, else counted

Every data file is read once: its rows are counted, and a store with a damaged file is refused before anything is
claimed of it. Memory: one file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.errors import Place, RunFailed
from afterbay.node import Node
from afterbay.recollect import RecollectContext, Recollected, StoredTable
from afterbay.schema import RowPosition, TableName
from afterbay_nodes.bucket.bucket import Bucket, Tally
from afterbay_nodes.bucket.snapshot import Snapshot
from afterbay_nodes.bucket.steps import FileStep, SchemaStep
from afterbay_nodes.decoders.csv_form import CsvForm
from afterbay_nodes.decoders.debezium_form import DebeziumReading
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.decoders.stored_rows import StoredRows
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.sinks.fences import fence, newest_of_series, place
from afterbay_nodes.sinks.layout_of import layout_of
from afterbay_nodes.sinks.writer import series_directory
from afterbay_nodes.storage.advance import UNSEEN
from afterbay_nodes.storage.layout import DataKey, Layout
from afterbay_nodes.storage.numbering import write_index
from afterbay_nodes.storage.open import open_store
from afterbay_nodes.storage.store import ObjectStore, StoreOptions
from afterbay_nodes.verify.changes import of_stored

if TYPE_CHECKING:
    from afterbay_nodes.sinks.cloud_storage import CloudStorage

_ROUNDS = 4
"""A dead run has one file under way in a directory: after two rounds nothing new can have come."""

_PARTITION = re.compile(r"\bPARTITION(S|ED)?\b", re.IGNORECASE | re.ASCII)
_WAY_OUT = "restore checkpoint.db from a backup, or start anew with another state directory and an empty root"

_Table = tuple[TableName, int | None]


def recollect(node: CloudStorage, context: RecollectContext) -> Recollected:
    """See `afterbay.recollect.Recollects.recollect`."""
    layout = layout_of(node)
    if not node.store_uri.keeps:
        raise _unclear(f"{node.store_uri.display} keeps nothing")
    if node.use_table_id_as_path:
        raise _unclear("`use_table_id_as_path` names directories by ids, and the source's tables have names")
    store = open_store(
        node.store_uri,
        StoreOptions(tries_deadline=120.0),
        clock=context.clock,
        meter=Tally(),
        cancel=None,
    )
    with Bucket(store) as bucket:
        store.check()
        snapshot = bucket.snapshot()
        snapshot.raise_for_faults()
        if not node.enable_partition_separator:
            _refuse_shared(snapshot)
        reading = _Reading(bucket, Decoders(form_of(context.upstream)), layout, context)
        snapshot, stale = _settled(store, bucket, layout, reading, snapshot, context)
        files = _files(snapshot)
        tables = tuple(reading.tables(files))
        return Recollected(
            checkpoint=snapshot.checkpoint or None,  # 0 is what a root shows that was taken, and has no checkpoint yet
            tables=tables,
            directories=_numbers(layout, files),
            files=sum(step.size > 0 for step in files),
            changes=reading.changes,
            bytes=sum(step.size for step in files),
            ddls=sum(isinstance(step, SchemaStep) and step.is_ddl for step in snapshot.steps),
            unknown=tuple(_unknown(node, snapshot, stale)),
        )


@dataclass(slots=True)
class _Tail:
    """The end of what is stored of a table: how many changes have the last commit-ts, and the last one's ordinal."""

    commit_ts: int = -1
    count: int = 0
    ordinal: int | None = None
    changes: int = 0

    def add(self, rows: StoredRows, step: FileStep) -> None:
        """The next rows of the table. Raises RunFailed for rows that tell no commit-ts, or one that falls."""
        found = of_stored(rows)
        if not found.count:
            return
        if found.commit_ts is None:
            raise _unclear(
                f"the rows of '{step.key}' do not carry their commit-ts: which of them the source sends again, nobody "
                "can tell (I5, I6)",
                step,
            )
        first, last = found.commit_ts[0].as_py(), found.commit_ts[found.count - 1].as_py()
        if first < self.commit_ts:
            raise _unclear(f"commit-ts {first} in '{step.key}' comes after {self.commit_ts} (I4)", step)
        here = int(pc.sum(pc.equal(found.commit_ts, pa.scalar(last, pa.uint64()))).as_py() or 0)
        self.count = self.count + here if last == self.commit_ts else here
        self.commit_ts = last
        self.ordinal = None if rows.ordinals is None else rows.ordinals[rows.num_rows - 1].as_py()
        self.changes += found.count


class _Reading:
    """Reads the files of one store. Used by one thread."""

    def __init__(self, bucket: Bucket, decoders: Decoders, layout: Layout, context: RecollectContext) -> None:
        self._bucket = bucket
        self._decoders = decoders
        self._layout = layout
        self._context = context
        self.changes = 0

    def tables(self, files: Iterable[FileStep]) -> Iterator[StoredTable]:
        """The last change of each table. Raises RunFailed for a file that cannot be read, or of another layout."""
        placed = sorted(((*self._place(step), step) for step in files), key=lambda item: item[:2])
        for (name, partition), of_table in groupby(((key, step) for key, _, step in placed), key=lambda item: item[0]):
            tail, last = _Tail(), None
            for _, step in of_table:
                for rows in self.rows(step):
                    tail.add(rows, step)
                if step.size:
                    last = step
            self.changes += tail.changes
            if last is None or tail.commit_ts < 0:
                continue
            self._context.say(f"{name}: {tail.changes} changes, the last at {tail.commit_ts}")
            key = key_of(self._layout, last)
            ordinal = tail.count - 1 if tail.ordinal is None else tail.ordinal
            yield StoredTable(
                name,
                None if partition < 0 else partition,
                RowPosition(tail.commit_ts, ordinal),
                tail.ordinal is None,
                series_directory(last.key.rpartition("/")[0], key.stem),
                last.number,
                last.size,
            )

    def rows(self, step: FileStep) -> Iterator[StoredRows]:
        """The rows of one file; none of a fence."""
        if step.size:
            yield from self._decoders.rows(self._bucket.load(step), step.extension, step.schema, step.key)

    def _place(self, step: FileStep) -> tuple[tuple[TableName, int], tuple[int, str, str, int]]:
        """(table and partition, -1 for none; order within it)."""
        key = key_of(self._layout, step)
        return (step.table, int(key.partition or -1)), (key.version, key.day, key.stem, key.number)


def key_of(layout: Layout, step: FileStep) -> DataKey:
    """The parts of a data file's key. Raises RunFailed for a key that the options do not make."""
    key = layout.parse(step.key)
    if not isinstance(key, DataKey):
        raise _unclear(
            f"'{step.key}' is not where the sink's options would have put it: the store was written with others", step
        )
    return key


def _settled(
    store: ObjectStore,
    bucket: Bucket,
    layout: Layout,
    reading: _Reading,
    snapshot: Snapshot,
    context: RecollectContext,
) -> tuple[Snapshot, list[str]]:
    """(what is there when nothing of the dead run can come any more, the files of it that came too late to count).

    A file above its index is whole: it gets its index entry, unless newer ones of its table are stored. Where writes
    may be late, fences are put then; one that is refused met such a file, which is looked at like the others.
    """
    for _ in range(_ROUNDS):
        stale = _finish(store, layout, reading, snapshot, context)
        if len(stale) < len(snapshot.orphans):
            snapshot = _again(bucket)
        if not store.late_writers:
            return snapshot, stale
        placed = [(step.key.rpartition("/")[0], key_of(layout, step)) for step in _files(snapshot)]
        refused = fence(store, layout, newest_of_series(placed))
        snapshot = _again(bucket)
        if not refused:
            return snapshot, stale
        context.say(f"a file arrived late in '{refused[0]}'")
    raise _unclear(f"new files go on appearing in {store.display}: a run of this pipeline is at work")


def _again(bucket: Bucket) -> Snapshot:
    snapshot = bucket.snapshot()
    snapshot.raise_for_faults()
    return snapshot


def _files(snapshot: Snapshot) -> list[FileStep]:
    return [step for step in snapshot.steps if isinstance(step, FileStep)]


def _finish(
    store: ObjectStore, layout: Layout, reading: _Reading, snapshot: Snapshot, context: RecollectContext
) -> list[str]:
    """Files that a dead run made durable and had no time to index: they are whole, and their rows count (I6).

    Gives those that are left as they are: with newer files of the table stored, their rows are in these already.
    """
    placed = [(step.key.rpartition("/")[0], key_of(layout, step)) for step in _files(snapshot)]
    newest = {(key.table, key.partition, key.stem): place(key) for _, key in newest_of_series(placed)}
    stale = []
    for step in snapshot.orphans:
        key = key_of(layout, step)
        if place(key) < newest.get((key.table, key.partition, key.stem), (-1, "", 0)):
            stale.append(step.key)
            continue
        for rows in reading.rows(step):
            _Tail().add(rows, step)
        directory = step.key.rpartition("/")[0]
        write_index(store, layout, directory, key.stem, key.number, key.extension, UNSEEN)
        context.say(f"'{step.key}' was whole and in no index: it is in its index now")
    return stale


def _numbers(layout: Layout, files: Iterable[FileStep]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for step in files:
        key = key_of(layout, step)
        series = series_directory(step.key.rpartition("/")[0], key.stem)
        numbers[series] = max(numbers.get(series, 0), key.number)
    return numbers


def _refuse_shared(snapshot: Snapshot) -> None:
    for step in snapshot.steps:
        if isinstance(step, SchemaStep) and step.is_ddl and _PARTITION.search(step.query):
            raise _unclear(
                f"table {step.table} has partitions, and without `enable_partition_separator` their rows are mixed"
            )


def form_of(upstream: Iterable[Node]) -> StoredForm:
    """What the encoders on the way to a sink say of its files."""
    csv, debezium = CsvForm(), DebeziumReading()
    for node in upstream:
        if isinstance(node, EncodeCsv):
            csv = CsvForm(node.dialect, node.binary_encoding_method, node.include_commit_ts)
        elif isinstance(node, EncodeDebeziumJson):
            debezium = DebeziumReading(node.decimal_mode, node.time_zone)
    return StoredForm(csv, debezium)


def _unknown(node: CloudStorage, snapshot: Snapshot, stale: Sequence[str]) -> Iterator[str]:
    if not snapshot.checkpoint:
        yield "the store shows no checkpoint: the source sends everything again, and what is stored is recognised"
    if stale:
        yield (
            f"whether the rows of '{stale[0]}' ({len(stale)} such) are stored elsewhere: it came late, newer files of "
            "its table are there, and it stays in no index"
        )
    if node.file_expiration_days:
        yield "the day up to which files were removed: totals count what is still there"


def _unclear(why: str, step: FileStep | None = None) -> RunFailed:
    place = None if step is None else Place(file=step.key, table=str(step.table))
    return RunFailed("rebuild.store", why, place=place, hint=_WAY_OUT)
