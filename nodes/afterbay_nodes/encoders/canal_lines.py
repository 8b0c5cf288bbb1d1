"""Rows become canal-json lines, by kernels."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from afterbay_nodes.encoders.canal_table import CanalColumn, CanalTable
from afterbay_nodes.encoders.joining import Piece, joined, text_of
from afterbay_nodes.encoders.json_object import json_object, null_but


@dataclass(frozen=True, slots=True)
class CanalRows:
    """The rows to write, in columns. `before` is None where no row is an update; `updates` (bool) says which are."""

    ops: pa.Array
    es: pa.Array
    commit_ts: pa.Array
    image: pa.RecordBatch
    updates: pa.Array
    before: pa.RecordBatch | None

    def where(self, mask: pa.Array) -> CanalRows:
        """The rows where `mask` holds."""
        return CanalRows(
            self.ops.filter(mask),
            self.es.filter(mask),
            self.commit_ts.filter(mask),
            self.image.filter(mask),
            self.updates.filter(mask),
            None if self.before is None else self.before.filter(mask),
        )


@dataclass(frozen=True, slots=True)
class CanalForm:
    """The options that shape a line."""

    tidb_extension: bool
    only_updated: bool
    terminator: bytes


def canal_lines(rows: CanalRows, table: CanalTable, form: CanalForm, ts: int) -> pa.Array:
    """One line a row, `ts` (ms) being the time of encoding."""
    pieces: list[Piece] = [table.heads.take(rows.ops), text_of(rows.es), b',"ts":%d,"sql":"","sqlType":{' % ts]
    for number, column in enumerate(table.columns):
        pieces += [b"," if number else b"", column.key, column.java_types(rows.image)]
    pieces += [b'},"mysqlType":{', table.mysql_types, b'},"old":', *canal_images(rows, table, form)]
    return joined([*pieces, form.terminator], len(rows.ops))


def canal_images(rows: CanalRows, table: CanalTable, form: CanalForm) -> list[Piece]:
    """What is behind `"old":` of each line, without the terminator: all of a line that tells a row's values."""
    pieces: list[Piece] = [b"null"] if rows.before is None else [_old(rows, rows.before, table, form)]
    pieces += [b',"data":[', *json_object(rows.image, table.columns), b"]"]
    if form.tidb_extension:
        pieces += [b',"_tidb":{"commitTs":', text_of(rows.commit_ts), b"}"]
    return [*pieces, b"}"]


def _old(rows: CanalRows, before: pa.RecordBatch, table: CanalTable, form: CanalForm) -> pa.Array:
    """The before-image of each update, `null` for the other rows."""
    old, new = before.filter(rows.updates), rows.image.filter(rows.updates)
    members = _changed(old, new, table.columns) if form.only_updated else json_object(old, table.columns)
    return null_but(joined([b"[", *members, b"]"], old.num_rows), rows.updates)


def _changed(old: pa.RecordBatch, new: pa.RecordBatch, columns: tuple[CanalColumn, ...]) -> list[Piece]:
    """The old values that differ from the new ones as they are written; nulls are equal to nulls."""
    n = old.num_rows
    pieces: list[Piece] = [b"{"]
    any_before = pa.repeat(False, n)
    for column in columns:
        value = joined(column.value(old), n)
        differs = pc.not_equal(value, joined(column.value(new), n))
        entries = joined([column.key, value], n)
        nothing = pa.scalar(b"", entries.type)
        comma = pc.if_else(pc.and_(any_before, differs), pa.scalar(b",", entries.type), nothing)
        pieces += [comma, pc.if_else(differs, entries, nothing)]
        any_before = pc.or_(any_before, differs)
    return [*pieces, b"}"]


def interleaved(first: pa.Array, second: pa.Array, in_second: pa.Array) -> pa.Array:
    """The values of both in the order that the mask `in_second` says."""
    numbers = pa.arange(0, len(in_second))
    origin = pa.concat_arrays([numbers.filter(pc.invert(in_second)), numbers.filter(in_second)])
    wide = pa.large_binary() if pa.large_binary() in (first.type, second.type) else pa.binary()
    # Sorting the origins gives the inverse permutation: where in the concatenation each row's line lies.
    return pa.concat_arrays([first.cast(wide), second.cast(wide)]).take(pc.sort_indices(origin))
