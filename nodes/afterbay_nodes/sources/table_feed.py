"""The rows of one dispatcher (a table, or a partition of it) on their way from log lines to change batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import itemgetter

import msgspec
import pyarrow as pa

from afterbay.messages import ChangeBatch, Op
from afterbay.schema import TableName, TableSchema
from afterbay_nodes.sources.canal_json import BadLine, Image, Message
from afterbay_nodes.sources.dispatcher import dispatcher_of
from afterbay_nodes.sources.row_columns import images

Values = tuple[str | None, ...]
# (op, commit-ts, ordinal, values, before-image or None, commit time in ms or None, file, line number, line): a plain
# tuple, because one is made for every row.
# The operation is a plain int: a tuple of plain values is none of the garbage collector's business.
PendingRow = tuple[int, int, int, Values, Values | None, int | None, str, int, bytes]
_Row = tuple[int, Values, Values | None]
_INSERT, _UPDATE, _DELETE = int(Op.INSERT), int(Op.UPDATE), int(Op.DELETE)
UNCHECKED = msgspec.Raw(b"")  # what no row says
_OPS = {"INSERT": _INSERT, "DELETE": _DELETE}


class TableFeed:
    """One dispatcher: its schema in force, its pending rows, and what tells a repeat from a new row.

    `last_ts` is its last commit-ts, of a row or a DDL. `mysql_type`, `pk_names` and `table_id` are those of the last
    row that was checked against the schema. Owned by its `LogTable`.
    """

    def __init__(self, name: TableName, partition: int | None) -> None:
        self.name = name
        self.partition = partition
        self.dispatcher = dispatcher_of(name, partition)
        self.last_ts = -1
        self.nbytes = 0
        self.mysql_type = UNCHECKED
        self.pk_names = UNCHECKED
        self.table_id: int | None = None
        self._next_ordinal = 0
        self._recount: int | None = None  # after a rewind: ordinals met again at `last_ts`
        self._pending: list[PendingRow] = []
        self._complete = 0  # pending rows before the last transaction
        self._schema: TableSchema | None = None
        self._names: tuple[str, ...] = ()
        self._width = 0
        self._pick: Callable[[Image], Values] = _picker(())
        self._key: Callable[[Values], object] | None = None

    @property
    def schema(self) -> TableSchema | None:
        """The schema in force, None before it is known."""
        return self._schema

    @property
    def pending(self) -> int:
        """How many rows wait."""
        return len(self._pending)

    @property
    def complete(self) -> int:
        """How many of them belong to transactions that a later one has followed."""
        return self._complete

    def set_schema(self, schema: TableSchema | None, *, split_keys: bool) -> None:
        """Puts the table's schema in force. Nothing may be pending under the old one."""
        assert not self._pending, "rows of the old schema are pending (I3)"
        if schema is not None and schema.partition_id != self.partition:
            schema = replace(schema, partition_id=self.partition)
        self._schema = schema
        self.mysql_type = UNCHECKED
        columns = schema.stored_columns if schema is not None else ()
        self._names = tuple(column.name for column in columns)
        self._width = len(self._names)
        self._pick = _picker(self._names)
        keys = [
            index
            for index, column in enumerate(columns)
            if column.primary_key or (column.unique_key and not column.nullable)
        ]
        self._key = itemgetter(*keys) if keys and split_keys else None

    def altered(self, commit_ts: int) -> None:
        """A DDL at `commit_ts` took effect: rows below it are repeats, ordinals at it begin at 0."""
        if commit_ts > self.last_ts:
            self.last_ts = commit_ts
            self._next_ordinal = 0
        self._recount = None

    def behind(self, commit_ts: int) -> bool:
        """True for a row below `last_ts`, a repeat: the table was rewound, and rows at `last_ts` are counted anew."""
        if commit_ts >= self.last_ts:
            return False
        self._recount = 0
        return True

    def add(self, message: Message, commit_ts: int, file: str, number: int, line: bytes) -> int:
        """Takes a line's rows; returns how many were repeats. Raises BadLine and then has taken none."""
        rows = self._rows(message)
        if commit_ts > self.last_ts:
            self.last_ts = commit_ts
            self._next_ordinal = 0
            self._recount = None
            self._complete = len(self._pending)
        elif self._recount is not None:
            self._recount += len(rows)
            if self._recount <= self._next_ordinal:
                return len(message.data or ())
            self._recount = None
        ordinal, es, pending = self._next_ordinal, message.es, self._pending
        for op, values, before in rows:
            pending.append((op, commit_ts, ordinal, values, before, es, file, number, line))
            ordinal += 1
        self._next_ordinal = ordinal
        self.nbytes += len(line) * len(rows)
        return 0

    def detach(self, count: int) -> list[PendingRow]:
        """Takes the first `count` pending rows away."""
        rows = self._pending[:count]
        del self._pending[:count]
        self._complete = max(0, self._complete - count)
        self.nbytes = sum(len(row[8]) for row in self._pending)
        return rows

    def batch(self, partition: str, rows: Sequence[PendingRow], *, open: bool) -> ChangeBatch:
        """A batch of detached rows. Raises BadValues; its `rows` count in `rows`."""
        assert self._schema is not None
        schema = self._schema
        ops, stamps, ordinals, values, befores, millis = (list(map(itemgetter(index), rows)) for index in range(6))
        before: pa.RecordBatch | None = None
        after = images(schema, values)
        if any(befores):
            blank = (None,) * len(self._names)
            before = images(schema, [image or blank for image in befores])
        return ChangeBatch.of(
            partition=partition,
            dispatcher=self.dispatcher,
            schema=schema,
            rows=after,
            ops=pa.array(ops, pa.uint8()),
            commit_ts=pa.array(stamps, pa.uint64()),
            ordinals=pa.array(ordinals, pa.uint32()),
            before=before,
            commit_ms=None if None in millis else pa.array(millis, pa.int64()),
            open=open,
        )

    def _rows(self, message: Message) -> list[_Row]:
        data = message.data or []
        kind = message.type
        if kind == "UPDATE":
            old = message.old or []
            if len(old) != len(data):
                raise BadLine("change_log.line", "an UPDATE needs an `old` for each row of `data`", self.name)
            return [row for image, was in zip(data, old, strict=True) for row in self._update(image, was)]
        op = _OPS.get(kind)
        if op is None:
            raise BadLine("change_log.line", f"the type {kind!r} is not known", self.name)
        return [(op, self._values(image), None) for image in data]

    def _update(self, image: Image, old: Image) -> tuple[_Row, ...]:
        values = self._values(image)
        # Only-updated columns: what `old` leaves out did not change.
        before = self._values(old if len(old) == len(image) else {**image, **old})
        key = self._key
        if key is not None and key(values) != key(before):
            return (_DELETE, before, None), (_INSERT, values, None)
        return ((_UPDATE, values, before),)

    def _values(self, image: Image) -> Values:
        if len(image) == self._width:
            try:
                return self._pick(image)
            except KeyError:
                pass  # one is missing and another is too much: named below
        odd = next((name for name in image if name not in self._names), None)
        if odd is not None:
            raise BadLine("change_log.column", f"column {odd!r} is none of the table's", self.name)
        odd = next(name for name in self._names if name not in image)
        raise BadLine("change_log.column", f"column {odd!r} is missing", self.name)


def _picker(names: tuple[str, ...]) -> Callable[[Image], Values]:
    """The values of an image in the order of `names`, as a tuple, in C where that is possible."""
    if len(names) == 1:
        only = names[0]
        return lambda image: (image[only],)
    return itemgetter(*names) if names else lambda _: ()
