"""Avro object container files -> rows: block by block, each checked to be whole and to be ended by its marker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from afterbay.errors import EnvironmentRefused, RunFailed
from afterbay.schema import TableSchema
from afterbay_nodes.decoders.avro_blocks import TooLarge, UnknownCodec, check_blocks
from afterbay_nodes.decoders.avro_values import AvroWay
from afterbay_nodes.decoders.described_check import NotAsDescribed, check_before, ops_of
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.decoders.stored_rows import StoredRows, bad_row, one_line
from afterbay_nodes.decoders.text_values import BadText
from afterbay_nodes.encoders.described import BEFORE, COMMIT_TS, OPERATION, ORDINAL

if TYPE_CHECKING:
    from types import ModuleType

T = TypeVar("T")

_ROWS = 8192
"""Rows of a chunk. A block is a batch, of which the runtime bounds the bytes."""


@dataclass(frozen=True, slots=True)
class DecodeAvro:
    """A `Decoder`. `before` is there if the file has `_before`. Needs fastavro: EnvironmentRefused without it."""

    form: StoredForm

    def __call__(self, data: pa.Buffer, schema: TableSchema, key: str) -> Iterator[StoredRows]:
        """See `Decoder`."""
        return _AvroFile(data, schema, key, library()).rows()


def library() -> ModuleType:
    """The package fastavro. Raises EnvironmentRefused `decode_avro.library` if it is not installed."""
    try:
        import fastavro
    except ImportError as error:
        raise EnvironmentRefused(
            "decode_avro.library",
            "Avro files need the package fastavro, which is not installed",
            hint="pip install 'afterbay[avro]'",
        ) from error
    return fastavro


class _AvroFile:
    """One file on its way. Used by one thread."""

    def __init__(self, data: pa.Buffer, schema: TableSchema, key: str, fastavro: ModuleType) -> None:
        self._data = data
        self._schema = schema
        self._key = key
        self._fastavro = fastavro
        self._row = 1  # the number of the next row

    def rows(self) -> Iterator[StoredRows]:
        blocks = self._sound(lambda: self._fastavro.block_reader(pa.BufferReader(self._data)))
        try:
            way = AvroWay.of(self._sound(lambda: json.loads(blocks.metadata["avro.schema"])), self._schema)
        except NotAsDescribed as error:
            raise bad_row("avro.columns", str(error), schema=self._schema, key=self._key) from None
        end = self._sound(blocks.fo.tell)
        try:
            check_blocks(self._data, end, self._codec(blocks))
        except (TooLarge, UnknownCodec) as error:
            code = "avro.large" if isinstance(error, TooLarge) else "avro.codec"
            raise self._bad(code, str(error), 0) from None
        while (block := self._sound(lambda: next(blocks, None))) is not None:
            yield from self._block(block, way)
            end = block.offset + block.size
        if end != self._data.size:  # fastavro without its C part ends quietly in a block's head
            raise self._bad("avro.damaged", "the last block is cut off", 0)

    def _codec(self, blocks: Any) -> str:
        return self._sound(lambda: str(blocks.metadata.get("avro.codec", "null")))

    def _block(self, block: Any, way: AvroWay) -> Iterator[StoredRows]:
        records, left = iter(block), block.num_records
        while left:
            some = self._sound(lambda: list(islice(records, _ROWS)))
            if not some:
                break
            left -= len(some)
            yield self._chunk(some, way)
        if left or block.bytes_.read(1):
            raise self._bad("avro.damaged", "a block has more bytes than its rows, or fewer", 0)

    def _chunk(self, records: list[dict[str, Any]], way: AvroWay) -> StoredRows:
        before = None
        try:
            letters, commit_ts, ordinals = zip(*map(itemgetter(OPERATION, COMMIT_TS, ORDINAL), records), strict=True)
            ops = ops_of(pa.array(letters, pa.utf8()))
            numbers = _unsigned(COMMIT_TS, commit_ts, pa.uint64()), _unsigned(ORDINAL, ordinals, pa.uint32())
            if way.before:
                olds = [record[BEFORE] for record in records]
                check_before(pa.array([old is not None for old in olds], pa.bool_()), ops)
                if any(olds):
                    before = self._image([old or dict.fromkeys(way.names) for old in olds], way)
            rows = self._image(records, way)
        except NotAsDescribed as error:
            raise self._bad("avro.row", str(error), error.row or 0) from None
        except BadText as error:
            raise self._bad("avro.value", str(error), error.row) from None
        first, self._row = self._row, self._row + len(records)
        return StoredRows(ops, *numbers, rows, before, None, first)

    def _image(self, records: Sequence[dict[str, Any]], way: AvroWay) -> pa.RecordBatch:
        columns = [of([record[name] for record in records]) for name, of in zip(way.names, way.values, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema.arrow_schema)

    def _sound(self, read: Callable[[], T]) -> T:
        """What `read`, a call into fastavro, gives; what it cannot read is a damaged file.

        It lets through whatever goes wrong under it: the codecs' errors, its own, even SystemError for a length < 0.
        """
        try:
            return read()
        except Exception as error:
            shown = f"{type(error).__name__}: {one_line(error)}" if str(error) else type(error).__name__
            raise self._bad("avro.damaged", f"the file cannot be read on from here: {shown}", 0) from None

    def _bad(self, code: str, message: str, at: int) -> RunFailed:
        return bad_row(code, message, schema=self._schema, key=self._key, row=self._row + at)


def _unsigned(name: str, values: Sequence[int], type_: pa.DataType) -> pa.Array:
    """`values` as numbers that are not negative. Raises NotAsDescribed."""
    for row, value in enumerate(values):
        if not 0 <= value < 1 << type_.bit_width:
            raise NotAsDescribed(f"`{name}` is {value}, no {type_}", row)
    return pa.array(values, type_)
