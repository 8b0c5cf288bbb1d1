"""How large an Avro file's blocks are when they are unpacked, found out without keeping what is unpacked.

fastavro unpacks a block whole, and some kilobytes may hold gigabytes; only unpacking tells. It costs little beside the
reading of the records.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from afterbay_nodes.zstd_module import zstd_module

LARGEST_BLOCK = 256 << 20
"""Bytes that a block may have unpacked, whatever the file's size."""

MOST_TIMES = 32
"""A block may have more if the whole file is large: so many times its bytes."""

_STEP = 1 << 20
_MARKER = 16
_LONGEST_VARINT = 10
_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
    "zstandard": lambda: zstd_module().ZstdDecompressor(),
}


class TooLarge(ValueError):
    """A block that is larger unpacked than is allowed."""


class UnknownCodec(ValueError):
    """A codec of which the unpacked size cannot be told."""


def check_blocks(data: pa.Buffer, start: int, codec: str) -> None:
    """Looks at all blocks from `start` on.

    Raises TooLarge, UnknownCodec. What is damaged is passed over: whoever reads the blocks will tell of it.
    """
    if codec == "null":
        return
    if codec != "deflate" and codec not in _DECOMPRESSORS:
        raise UnknownCodec(f"its codec is {codec!r}; known are null, deflate, {', '.join(_DECOMPRESSORS)}")
    view = memoryview(data).cast("B")
    limit = max(LARGEST_BLOCK, MOST_TIMES * view.nbytes)
    at, number = start, 1
    while at < view.nbytes:
        _, at = _varint(view, at)
        size, at = _varint(view, at)
        if not 0 <= size <= view.nbytes - at:
            return
        if not _fits(view[at : at + size], codec, limit):
            raise TooLarge(f"block {number} has more than {limit} bytes when unpacked, in a file of {view.nbytes}")
        at += size + _MARKER
        number += 1


def _fits(packed: memoryview, codec: str, limit: int) -> bool:
    """False if the block has more than `limit` bytes. Holds `_STEP` bytes of it."""
    try:
        return _deflated(packed, limit) if codec == "deflate" else _streams(packed, _DECOMPRESSORS[codec], limit)
    except (zlib.error, OSError, EOFError, lzma.LZMAError, zstd_module().ZstdError):
        return True  # damaged: reading it tells so


def _deflated(packed: memoryview, limit: int) -> bool:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    size, rest = len(unpacker.decompress(packed, _STEP)), unpacker.unconsumed_tail
    while rest and not unpacker.eof and size <= limit:
        size, rest = size + len(unpacker.decompress(rest, _STEP)), unpacker.unconsumed_tail
    return size <= limit


def _streams(packed: memoryview, new: Callable[[], Any], limit: int) -> bool:
    """The same for the codecs that may have several streams in a block."""
    size, rest = 0, bytes(packed)
    while rest and size <= limit:
        unpacker = new()
        given = rest
        while not unpacker.eof and size <= limit:
            piece = unpacker.decompress(given, _STEP)
            size += len(piece)
            if not piece and unpacker.needs_input:
                return size <= limit  # cut off
            given = b""
        rest = unpacker.unused_data
    return size <= limit


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """A number of Avro; -1 where there is none."""
    value = 0
    for count, byte in enumerate(view[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + count + 1
    return -1, view.nbytes
