"""A block of an Avro file: how many rows, how many bytes, the rows compressed, and the marker that ends it."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pyarrow as pa

from afterbay_nodes.encoders.avro_rows import number
from afterbay_nodes.encoders.avro_schema import Codec

_RAW = -15  # no zlib header: what Avro calls deflate

try:
    from isal.isal_zlib import compress as _isal

    def _deflated(data: pa.Buffer) -> bytes:
        return _isal(data, wbits=_RAW)  # several times as fast as zlib, and a few percent larger
except ImportError:  # no wheel for this processor

    def _deflated(data: pa.Buffer) -> bytes:
        return zlib.compress(data, wbits=_RAW)


_COMPRESSED: dict[Codec, Callable[[pa.Buffer], pa.Buffer]] = {
    "none": lambda data: data,
    "deflate": lambda data: pa.py_buffer(_deflated(data)),
    "zstandard": lambda data: pa.compress(data, codec="zstd"),
}


def block(rows: int, data: pa.Buffer, codec: Codec, marker: bytes) -> tuple[pa.Buffer, ...]:
    """One block as buffers; `data` is not copied without a codec."""
    body = _COMPRESSED[codec](data)
    return (pa.py_buffer(number(rows) + number(body.size)), body, pa.py_buffer(marker))
