"""`type: python`: a plain function as a node, typed by its annotations."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from afterbay.errors import AfterbayError, Place, RunFailed
from afterbay.messages import ChangeBatch, EncodedBatch
from afterbay.node import (
    BuildContext,
    Capabilities,
    PortTypes,
    Transform,
    TransformContext,
    TransformOperator,
)
from afterbay.printable import visible
from afterbay.schema import Json, RowPosition
from afterbay_nodes.transforms.function_call import REFERENCE, FunctionCall, function_call

Batch = ChangeBatch | EncodedBatch
_END = object()
_RULES = "for `type: python` rows keep their table, columns and order; return None where no row is left"


def _validated(value: object, info: ValidationInfo) -> FunctionCall:
    folder = info.context.folder if isinstance(info.context, BuildContext) else None
    return function_call(value, folder)


Call = Annotated[
    FunctionCall,
    PlainValidator(_validated),
    PlainSerializer(lambda call: call.name, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{REFERENCE}$", "examples": ["my_module:redact"]}),
]


class PythonFunction(Transform[Any, Any]):
    """Calls a function of yours for every batch: `call: my_module:redact`.

    The function takes a `ChangeBatch` and returns one, several (a list, or it yields them) or `None` (nothing goes on;
    the rows count as filtered). Its annotations say so, and the graph is checked against them::

        def redact(batch: ChangeBatch) -> ChangeBatch | None:
            ...

    It may drop rows and change values. It may not reorder rows, move them to another table or change the columns:
    `ops`, `commit_ts` and `ordinals` stay with their rows, `rows` keeps the schema. What breaks this fails the run. It
    may also take or give an `EncodedBatch` (an encoder of your own). What it yields is looked at one by one.

    The module is looked for beside the pipeline file first. With `parallelism`, several threads call it at a time.
    """

    type_name: ClassVar[str] = "python"
    summary: ClassVar[str] = "calls a function of yours for every batch"
    capabilities: ClassVar[Capabilities] = Capabilities(parallel=True, filters=True)

    call: Call = Field(description="The function, as module:function.")

    def port_types(self) -> PortTypes:
        """What the function's annotations say."""
        return PortTypes(self.call.takes, (("out", self.call.gives),))

    def identity(self) -> Mapping[str, Json]:
        """Another function would store other rows, from the middle of their history on."""
        return {"call": self.call.name}

    def facts(self) -> Mapping[str, str]:
        """The function's name."""
        return {"call": visible(self.call.name)}

    def open(self, context: TransformContext) -> TransformOperator[Batch, Batch]:
        """One instance; all share the function."""
        return FunctionOperator(self.call, context.node)


class FunctionOperator(TransformOperator[Batch, Batch]):
    """Calls the function and checks what it gives, so that no fault of it can reach the store (I4, I10)."""

    def __init__(self, call: FunctionCall, node: str) -> None:
        self._call = call
        self._node = node

    def process(self, item: Batch) -> list[Batch]:
        """What the function makes of `item`, checked. Raises RunFailed naming the function."""
        return list(self._checked(item))

    def _checked(self, item: Batch) -> Iterator[Batch]:
        """The results, each looked at before the next is asked for: what the function yields without end is not kept.

        Each is behind the one before it and has rows of `item` only, so there are no more than `item` has rows (I8).
        `open` is set to what follows from that.
        """
        first, end, still_open = _span(item)
        low = RowPosition(first.commit_ts, first.ordinal - 1)
        room = _rows(item)
        held: Batch | None = None
        for given in self._given(item):
            fits = isinstance(given, self._call.gives)
            fault = _fault_of(item, given) if fits else f"a {visible(type(given).__name__)}"
            if fault is not None:
                raise self._failed(item, "python.result", f"gave {fault}")
            start, last, _ = _span(given)
            if not low < start <= last <= end or not _has(item, start, last):
                raise self._failed(item, "python.result", "gave rows that were not in its input there, or come twice")
            low, room = last, room - _rows(given)
            if room < 0:
                raise self._failed(item, "python.result", "gave more rows than its input has")
            if held is not None:
                yield _opened(held, _span(held)[1].commit_ts == start.commit_ts)
            held = given
        if held is not None:
            yield _opened(held, still_open and low.commit_ts == end.commit_ts)

    def _given(self, item: Batch) -> Iterator[Any]:
        """What the function returns or yields, one by one."""
        try:
            result = self._call.function(item)
            several = None if result is None or isinstance(result, Batch) else result
            if several is not None and (isinstance(several, str | bytes) or not isinstance(several, Iterable)):
                wanted = f"{self._call.gives.__name__}, several of them, or None"
                raise self._failed(item, "python.result", f"returned {type(several).__name__}, not {wanted}")
            results = iter(()) if result is None else iter((result,) if several is None else several)
        except AfterbayError:
            raise
        except Exception as error:
            raise self._raised(item, error) from error
        while True:
            try:
                given = next(results, _END)
            except AfterbayError:
                raise
            except Exception as error:
                raise self._raised(item, error) from error
            if given is _END:
                return
            yield given

    def _raised(self, item: Batch, error: Exception) -> RunFailed:
        told = f"raised {type(error).__name__}: {error}"
        hint = "the trace shows the way there; nothing of this batch was stored"
        return self._failed(item, "python.raised", told, hint, _line_of(error, self._call))

    def _failed(
        self, item: Batch, code: str, what: str, hint: str = _RULES, line: tuple[str, int] | None = None
    ) -> RunFailed:
        schema = item.schema if isinstance(item, ChangeBatch) else item.head.schema
        first = item.first if isinstance(item, ChangeBatch) else item.head.first
        return RunFailed(
            code,
            f"the function {visible(self._call.name)} ({self._call.where}) {visible(what)}",
            place=Place(
                file=None if line is None else visible(line[0]),
                line=None if line is None else line[1],
                node=self._node,
                table=visible(str(schema.name)),
                position=f"{first.commit_ts}:{first.ordinal}",
            ),
            hint=hint,
        )


def _line_of(error: Exception, call: FunctionCall) -> tuple[str, int] | None:
    """The line that raised: the innermost one in the function's own file, else the innermost of all."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is ours
    own = [frame for frame in frames if call.where.startswith(f"{visible(frame.filename)}:")]
    found = (own or frames)[-1:]
    return (found[0].filename, found[0].lineno or 1) if found else None


def _fault_of(item: Batch, given: Batch) -> str | None:
    """What is wrong with one result, by itself."""
    before, after = _claims(item), _claims(given)
    if after[:2] != before[:2]:
        return "rows of another dispatcher or partition"
    if after[2] is not before[2] and after[2] != before[2]:
        return "another table schema"
    if isinstance(given, EncodedBatch):
        size = sum(buffer.size for buffer in given.body)
        if given.head.rows < 1:
            return "a batch without rows"
        return None if size == given.head.size else f"a body of {size} bytes whose head says {given.head.size}"
    if given is item:
        return None
    return _fault_of_columns(given) or (_fault_of_rows(item, given) if isinstance(item, ChangeBatch) else None)


def _claims(batch: Batch) -> tuple[str, str, object]:
    head = batch if isinstance(batch, ChangeBatch) else batch.head
    return head.partition, head.dispatcher, head.schema


def _fault_of_columns(given: ChangeBatch) -> str | None:
    n = given.num_rows
    if n == 0:
        return "a batch without rows"
    if given.rows.schema != given.schema.arrow_schema:
        return f"columns that are not its table's: {given.rows.schema.names}"
    columns: list[tuple[str, Any, pa.DataType]] = [
        ("ops", given.ops, pa.uint8()),
        ("commit_ts", given.commit_ts, pa.uint64()),
        ("ordinals", given.ordinals, pa.uint32()),
    ]
    if given.commit_ms is not None:
        columns.append(("commit_ms", given.commit_ms, pa.int64()))
    for name, column, wanted in columns:
        if column.type != wanted or column.null_count or len(column) != n:
            return f"{n} rows with `{name}` of {len(column)} x {column.type}, {column.null_count} of them null"
    if given.before is not None and (given.before.num_rows != n or given.before.schema != given.rows.schema):
        return "before-images that do not match its rows"
    if pc.max(given.ops).as_py() > 2:
        return "an unknown operation in `ops`"
    if given.first != _position(given, 0) or given.last != _position(given, n - 1):
        return "a `first` or `last` that is not its first or last row's (build it by ChangeBatch.of)"
    if n > 1:
        ts, later_ts = given.commit_ts.slice(0, n - 1), given.commit_ts.slice(1)
        ordinal, later_ordinal = given.ordinals.slice(0, n - 1), given.ordinals.slice(1)
        within = pc.and_(pc.equal(later_ts, ts), pc.greater(later_ordinal, ordinal))
        if not pc.all(pc.or_(pc.greater(later_ts, ts), within)).as_py():
            return "rows out of their commit order"
    return None


def _position(batch: ChangeBatch, row: int) -> RowPosition:
    return RowPosition(batch.commit_ts[row].as_py(), batch.ordinals[row].as_py())


def _opened(given: Batch, is_open: bool) -> Batch:
    """The same, with `open` as it follows from what is behind it."""
    if isinstance(given, ChangeBatch):
        return given if given.open == is_open else replace(given, open=is_open)
    return given if given.head.open == is_open else replace(given, head=replace(given.head, open=is_open))


def _fault_of_rows(item: ChangeBatch, given: ChangeBatch) -> str | None:
    """Rows keep what the order and the store go by: a dropped row changes nothing of the others (I4, I6)."""
    if (
        given.num_rows == item.num_rows
        and given.commit_ts.equals(item.commit_ts)
        and given.ordinals.equals(item.ordinals)
    ):
        return None if given.ops.equals(item.ops) else "rows with other `ops` than they had"
    known = pc.unique(item.commit_ts)
    places = pc.index_in(_keys(given, known), value_set=_keys(item, known))
    if places.null_count:
        return "rows with a `commit_ts` or `ordinals` that its input does not have"
    return None if item.ops.take(places).equals(given.ops) else "rows with other `ops` than they had"


def _keys(batch: ChangeBatch, known: pa.Array) -> pa.Array:
    """A number for each row: where its commit-ts is in `known` (null if it is not there), then its ordinal."""
    at = pc.index_in(batch.commit_ts, value_set=known).cast(pa.uint64())
    return pc.add(pc.shift_left(at, pa.scalar(32, pa.uint64())), batch.ordinals.cast(pa.uint64()))


def _has(item: Batch, *positions: RowPosition) -> bool:
    """Whether the input has changes there, as far as it can tell: an encoded one knows its ends only."""
    if isinstance(item, EncodedBatch):
        return True
    ends = (item.first, item.last)
    return all(
        at in ends
        or pc.any(pc.and_(pc.equal(item.commit_ts, _u64(at.commit_ts)), pc.equal(item.ordinals, at.ordinal))).as_py()
        for at in positions
    )


def _u64(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.uint64())


def _rows(batch: Batch) -> int:
    return batch.num_rows if isinstance(batch, ChangeBatch) else batch.head.rows


def _span(batch: Batch) -> tuple[RowPosition, RowPosition, bool]:
    head = batch if isinstance(batch, ChangeBatch) else batch.head
    return head.first, head.last, head.open
