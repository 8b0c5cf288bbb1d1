"""What a store tells of the state that wrote it: the sink's part of `afterbay state rebuild`.

::

    metadata ----------------------------> checkpoint (never ahead of what is stored, I1)
    index files -------------------------> the last number of each directory
    whole files above their index -------> finished: the index names them from now on
    the last rows of each table ---------> its position: with the ordinal where the format has it, else counted

Every data file is read once: its rows are counted, and a store with a damaged file is refused before anything is
claimed of it. Memory: one file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
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
        if snapshot.orphans:
            _finish(store, layout, reading, snapshot.orphans, context)
            snapshot = bucket.snapshot()
            snapshot.raise_for_faults()
        files = [step for step in snapshot.steps if isinstance(step, FileStep)]
        tables = tuple(reading.tables(files))
        return Recollected(
            checkpoint=snapshot.checkpoint or None,  # 0 is what a root shows that was taken, and has no checkpoint yet
            tables=tables,
            directories=_numbers(layout, files),
            files=sum(step.size > 0 for step in files),
            changes=reading.changes,
            bytes=sum(step.size for step in files),
            ddls=sum(isinstance(step, SchemaStep) and step.is_ddl for step in snapshot.steps),
            unknown=tuple(_unknown(node, store, snapshot)),
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


def _finish(
    store: ObjectStore, layout: Layout, reading: _Reading, orphans: Iterable[FileStep], context: RecollectContext
) -> None:
    """Files that a dead run made durable and had no time to index: they are whole, and their rows count (I6)."""
    for step in orphans:
        for rows in reading.rows(step):
            _Tail().add(rows, step)
        key = key_of(layout, step)
        directory = step.key.rpartition("/")[0]
        write_index(store, layout, directory, key.stem, key.number, key.extension, UNSEEN)
        context.say(f"'{step.key}' was whole and in no index: it is in its index now")


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


def _unknown(node: CloudStorage, store: ObjectStore, snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.checkpoint:
        yield "the store shows no checkpoint: the source sends everything again, and what is stored is recognised"
    if store.late_writers:
        yield (
            "a write of the dead run that was under way may arrive until its time is over (15 minutes): do not run "
            "the pipeline before that"
        )
    if node.file_expiration_days:
        yield "the day up to which files were removed: totals count what is still there"


def _unclear(why: str, step: FileStep | None = None) -> RunFailed:
    place = None if step is None else Place(file=step.key, table=str(step.table))
    return RunFailed("rebuild.store", why, place=place, hint=_WAY_OUT)
