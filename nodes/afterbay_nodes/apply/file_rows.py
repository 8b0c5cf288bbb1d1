"""The rows of one data file on their way into the target: cut at the limit, netted, in a bounded number of bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.errors import RunFailed
from afterbay.messages import Op
from afterbay_nodes.apply.netting import KeyMissing, net
from afterbay_nodes.apply.places import place_of
from afterbay_nodes.apply.states import TableState
from afterbay_nodes.apply.target import LogRows, Target
from afterbay_nodes.apply.values import Unfit, unreadable_json
from afterbay_nodes.bucket.steps import FileStep
from afterbay_nodes.constants import constants
from afterbay_nodes.decoders.stored_rows import StoredRows

MERGE_BYTES = 64 << 20
"""Rows of one file are merged this many Arrow bytes at a time (I8); all of a file are one transaction still."""

_LETTERS = constants("I", "U", "D")


@dataclass(slots=True)
class Applied:
    """What was taken of a file. `next_ts` is the commit-ts of the first row beyond the limit, None if there is none."""

    rows: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    next_ts: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbouring rows of a file that are to be applied, n of them; see `StoredRows`."""

    ops: pa.Array
    commit_ts: pa.Array | None
    rows: pa.RecordBatch
    before: pa.RecordBatch | None
    first_row: int

    @property
    def nbytes(self) -> int:
        """Bytes of the columns."""
        return int(self.rows.nbytes) + (int(self.before.nbytes) if self.before is not None else 0)


def apply_rows(
    target: Target,
    table: TableState,
    step: FileStep,
    chunks: Iterable[StoredRows],
    *,
    skip: int,
    limit: int | None,
) -> Applied:
    """Applies the rows of a file behind its first `skip` up to commit-ts `limit`, inside the caller's transaction.

    Raises RunFailed naming file and row.
    """
    done = Applied()
    held: list[Part] = []
    for part in _wanted(chunks, step, done, skip=skip, limit=limit):
        held.append(part)
        if sum(one.nbytes for one in held) >= MERGE_BYTES:
            _write(target, table, step, held)
            held = []
    if held:
        _write(target, table, step, held)
    return done


def _wanted(
    chunks: Iterable[StoredRows], step: FileStep, done: Applied, *, skip: int, limit: int | None
) -> Iterator[Part]:
    seen = 0
    for chunk in chunks:
        start = min(max(skip - seen, 0), chunk.num_rows)
        stop = chunk.num_rows
        if limit is not None and chunk.commit_ts is not None:
            beyond = pc.index(pc.greater(chunk.commit_ts, pa.scalar(limit, pa.uint64())), True).as_py()
            if beyond >= 0:
                stop, done.next_ts = beyond, chunk.commit_ts[beyond].as_py()
        if stop > start:
            yield _part(chunk, start, stop, done)
        if done.next_ts is not None:
            return
        seen += chunk.num_rows
    if seen < skip:
        raise RunFailed(
            "apply.changed",
            f"{skip} rows of the file were applied before, and it has {seen}",
            place=place_of(step.key, step.table),
            hint="a data file never changes once it is in the index: find out who wrote it",
        )


def _part(chunk: StoredRows, start: int, stop: int, done: Applied) -> Part:
    n = stop - start
    ops = chunk.ops.slice(start, n)
    deleted, updated = (pc.sum(pc.equal(ops, pa.scalar(int(op), pa.uint8()))).as_py() for op in (Op.DELETE, Op.UPDATE))
    done.rows += n
    done.deleted += deleted
    done.updated += updated
    done.inserted += n - deleted - updated
    return Part(
        ops,
        None if chunk.commit_ts is None else chunk.commit_ts.slice(start, n),
        chunk.rows.slice(start, n),
        None if chunk.before is None else chunk.before.slice(start, n),
        chunk.first_row + start,
    )


def _write(target: Target, table: TableState, step: FileStep, parts: list[Part]) -> None:
    """One merge or append. What the target cannot hold is told with its row."""
    rows = pa.Table.from_batches([part.rows for part in parts])
    ops = pa.concat_arrays([part.ops for part in parts])
    numbers = pa.concat_arrays([pa.arange(part.first_row, part.first_row + len(part.ops)) for part in parts])
    places, given = numbers, rows
    try:
        if table.is_log:
            stamps = [part.commit_ts for part in parts if part.commit_ts is not None]
            commit_ts = pa.concat_arrays(stamps) if len(stamps) == len(parts) else None
            target.append(table, LogRows(rows, _LETTERS.take(ops), commit_ts, step.series, step.number, numbers))
            return
        has_before = any(part.before is not None for part in parts)
        before = pa.Table.from_batches([part.before or _nulls(part.rows) for part in parts]) if has_before else None
        netted = net(rows, ops, table.keys, before)
        places, given = numbers.take(netted.stand_from), netted.stand
        target.merge(table, netted)
    except KeyMissing as error:
        raise _at_row(step, "apply.key_null", str(error), numbers[error.index].as_py(), None) from error
    except Unfit as error:
        row = None if error.index < 0 else places[error.index].as_py()
        raise _at_row(step, error.code, str(error), row, error.hint) from error
    except RunFailed as error:
        for column in table.columns:
            found = unreadable_json(column, given[column.name]) if column.type == "json" else None
            if found is not None:
                raise _at_row(step, found.code, str(found), places[found.index].as_py(), None) from error
        raise


def _nulls(rows: pa.RecordBatch) -> pa.RecordBatch:
    """As many rows, all null: the before-images of a part that has none."""
    return pa.RecordBatch.from_arrays([pa.nulls(rows.num_rows, kind) for kind in rows.schema.types], schema=rows.schema)


def _at_row(step: FileStep, code: str, message: str, row: int | None, hint: str | None) -> RunFailed:
    position = f"version {step.version}" if row is None else f"row {row}"
    return RunFailed(code, message, place=place_of(step.key, step.table, position), hint=hint)
