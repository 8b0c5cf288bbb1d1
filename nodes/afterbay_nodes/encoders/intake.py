"""What an encoder checks of a batch before it writes a byte: refused, not mangled (I10).

A batch whose columns are not its schema's, text that is not UTF-8, or an enum index that its column does not have
would become a file that no reader can trust. The checks are kernels over whole columns; only a batch that fails
is searched for the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.errors import Place, RunFailed
from afterbay.messages import ChangeBatch, Op
from afterbay.printable import visible
from afterbay.schema import Column, TableSchema

# Up to here no kernel can outgrow 32-bit offsets: the worst text is Latin-1 bytes (x2) that are JSON escapes (x6).
NARROW_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class Intake:
    """The checks of one table at one schema version: its columns that can hold a value out of range, by index."""

    schema: TableSchema
    indexed: tuple[tuple[int, Column, int], ...]  # enum and set columns with the largest value allowed

    @classmethod
    def of(cls, schema: TableSchema, node: str, *, by_name: bool = True) -> Intake:
        """The checks that `schema` asks for. Raises RunFailed if one of its names is not Unicode text.

        `by_name` says that enum and set values are written as names, so that they need some; numbers do not, where
        the source told no elements.
        """
        _check_names(schema, node)
        limits = {"enum": lambda n: n, "set": lambda n: (1 << min(n, 64)) - 1}
        return cls(
            schema,
            tuple(
                (index, column, limits[column.type](len(column.elements)))
                for index, column in enumerate(schema.stored_columns)
                if column.type in limits and (column.elements or by_name)
            ),
        )

    def check(self, batch: ChangeBatch, node: str, *, before: bool) -> None:
        """Raises RunFailed naming table, column and position if `batch` is not what its schema says.

        `before` says that the before-images are to be written, too.
        """
        n = batch.num_rows
        for name, values in (("ops", batch.ops), ("commit_ts", batch.commit_ts), ("commit_ms", batch.commit_ms)):
            if values is not None and (len(values) != n or values.null_count):
                raise refused(batch, node, "encode.shape", f"{name} has {len(values)} values for {n} rows, or nulls")
        if sum(op_counts(batch)) != n:
            highest = pc.max(batch.ops).as_py()
            raise refused(batch, node, "encode.op", f"operation {highest} is none of insert, update, delete")
        self._check_image(batch, batch.rows, node)
        if before and batch.before is not None:
            if batch.before.num_rows != n:
                raise refused(batch, node, "encode.shape", f"{batch.before.num_rows} before-images for {n} rows")
            self._check_image(batch, batch.before, node)
        if len(batch.ordinals) != n or batch.ordinals.null_count:
            raise refused(
                batch, node, "encode.shape", f"ordinals has {len(batch.ordinals)} values for {n} rows, or nulls"
            )

    def _check_image(self, batch: ChangeBatch, image: pa.RecordBatch, node: str) -> None:
        expected = self.schema.arrow_schema
        if not image.schema.equals(expected):
            _check_columns(batch, image.schema, expected, node)
        try:
            image.validate(full=True)
        except pa.ArrowInvalid as error:
            raise _invalid(batch, image, node) from error
        for index, column, largest in self.indexed:
            highest = pc.max(image.column(index)).as_py()
            if highest is not None and highest > largest:
                row = pc.index(pc.greater(image.column(index), pa.scalar(largest, column.arrow_type)), True).as_py()
                raise refused(
                    batch,
                    node,
                    f"encode.{column.type}",
                    f"column '{visible(column.name)}' holds {column.type} value {highest}; "
                    f"its {len(column.elements)} elements allow 0 to {largest}",
                    row=row,
                    hint="the rows are of another schema version than the batch says: check the source's DDL order"
                    if column.elements
                    else "the source told no names: let it see the table's DDL, or full types (`content-compatible`)",
                )


def op_counts(batch: ChangeBatch) -> tuple[int, int, int]:
    """How many inserts, updates and deletes. memchr over one byte a row: a fifth of a grouping kernel's time."""
    ops = batch.ops.buffers()[1].slice(batch.ops.offset, batch.num_rows).to_pybytes()
    return ops.count(Op.INSERT), ops.count(Op.UPDATE), ops.count(Op.DELETE)


def is_wide(batch: ChangeBatch) -> bool:
    """True if the text of `batch` could outgrow 32-bit offsets while it is encoded: then its images are `widened`."""
    return batch.nbytes > NARROW_BYTES


def widened(image: pa.RecordBatch) -> pa.RecordBatch:
    """`image` with 64-bit offsets."""
    wide = {pa.utf8(): pa.large_utf8(), pa.binary(): pa.large_binary()}
    columns = [column.cast(wide.get(column.type, column.type)) for column in image.columns]
    return pa.RecordBatch.from_arrays(columns, names=image.schema.names)


def before_images(batch: ChangeBatch, node: str) -> pa.RecordBatch:
    """The before-images of a batch that has updates. Raises RunFailed if the source gave none."""
    if batch.before is None:
        raise refused(
            batch,
            node,
            "encode.no_before",
            "the encoder is to write old values, but the source gave none for the updates of this batch",
            hint="let the source send before-images, or turn the old values off",
        )
    return batch.before


def _check_names(schema: TableSchema, node: str) -> None:
    names = [*schema.name, *(text for column in schema.columns for text in (column.name, *column.elements))]
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise RunFailed(
                "encode.name",
                f"the name '{visible(name)}' is not valid Unicode text: {error.reason}",
                place=Place(node=node, table=visible(str(schema.name)), position=str(schema.version)),
                hint="rename it in the source, or leave it out by a filter or select_columns",
            ) from error


def _check_columns(batch: ChangeBatch, found: pa.Schema, expected: pa.Schema, node: str) -> None:
    if len(found) != len(expected):
        raise refused(
            batch, node, "encode.columns", f"rows have {len(found)} columns, the schema stores {len(expected)}"
        )
    for index, (have, want) in enumerate(zip(found, expected, strict=True)):
        # Nullability and metadata of a field do not change a byte, so they may differ.
        if have.name != want.name or have.type != want.type:
            raise refused(
                batch,
                node,
                "encode.columns",
                f"column {index + 1} of the rows is '{visible(have.name)}' {have.type}, "
                f"the schema says '{visible(want.name)}' {want.type}",
            )


def _invalid(batch: ChangeBatch, image: pa.RecordBatch, node: str) -> RunFailed:
    """Where an image that does not validate is wrong."""
    for field, column in zip(image.schema, image.columns, strict=True):
        row = first_failing(column, lambda part: part.validate(full=True))
        if row is None:
            continue
        return refused(
            batch,
            node,
            "encode.text",
            f"column '{visible(field.name)}' holds a value that is not valid UTF-8 text",
            row=row,
            hint="a column of bytes is to be declared binary or blob",
        )
    return refused(batch, node, "encode.shape", "the rows are not a valid Arrow record batch")


def first_failing(column: pa.Array, try_: Callable[[pa.Array], object]) -> int | None:
    """The first row for which `try_` raises ValueError, found by halving; None if it takes the whole column."""
    if not _fails(column, try_):
        return None
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        if _fails(column.slice(low, middle - low), try_):
            high = middle
        else:
            low = middle
    return low


def _fails(column: pa.Array, try_: Callable[[pa.Array], object]) -> bool:
    try:
        try_(column)
    except ValueError:
        return True
    return False


def refused(
    batch: ChangeBatch, node: str, code: str, message: str, *, row: int = 0, hint: str | None = None
) -> RunFailed:
    """The error that names node, table and the position of `row`."""
    ordinal = batch.ordinals[row].as_py()
    place = Place(
        node=node,
        table=visible(str(batch.schema.name)),
        position=f"{batch.commit_ts[row]}/{ordinal}",
    )
    return RunFailed(code, message, place=place, hint=hint)
