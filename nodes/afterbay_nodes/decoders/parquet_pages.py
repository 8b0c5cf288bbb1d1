"""How large a Parquet file is when it is unpacked, told from the heads of its pages before anything is unpacked.

Arrow takes the memory that a page's head asks for, and a page of some kilobytes may hold gigabytes. The footer's own
sums bind nobody, so the heads are walked as Arrow walks them: by the offsets in the footer, page after page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from afterbay_nodes.decoders.thrift_compact import Fields, read_struct

LARGEST_GROUP = 1 << 30
"""Bytes that the pages of a row group may have unpacked, whatever the file's size."""

MOST_TIMES = 32
"""A row group may have more if the whole file is large: so many times its bytes."""

_MAGIC = b"PAR1"
_TAIL = len(_MAGIC) + 4  # the footer's length stands before the magic


class TooLarge(ValueError):
    """A row group that is larger unpacked than is allowed."""


def unpacked_groups(data: pa.Buffer) -> list[int]:
    """The bytes of each row group's pages when unpacked.

    Raises TooLarge for a group above the limit, ValueError where the file is damaged.
    """
    view = memoryview(data).cast("B")
    limit = max(LARGEST_GROUP, MOST_TIMES * view.nbytes)
    groups = []
    for number, group in enumerate(_list(_footer(view), 4), 1):
        size = 0
        for chunk in _list(group, 1):
            for page in _pages(view, chunk):
                size += page
                if size > limit:
                    raise TooLarge(
                        f"row group {number} has more than {limit} bytes when unpacked, in a file of {view.nbytes}"
                    )
        groups.append(size)
    return groups


def _footer(view: memoryview) -> Fields:
    if view.nbytes < _TAIL + len(_MAGIC) or view[-len(_MAGIC) :] != _MAGIC:
        raise ValueError("it does not end as a Parquet file does")
    end = view.nbytes - _TAIL
    size = int.from_bytes(view[end : end + 4], "little")
    if size > end:
        raise ValueError(f"its footer has {size} bytes, and it has {end} before it")
    return read_struct(view[end - size : end], 0)[0]


def _pages(view: memoryview, chunk: Fields) -> Iterator[int]:
    """The unpacked size of each page of one column in one row group."""
    facts = chunk.get(3)
    if not isinstance(facts, dict):
        raise ValueError("a column says nothing of its pages")
    at, dictionary, length = _number(facts, 9), _number(facts, 11), _number(facts, 7)
    if 0 < dictionary < at:
        at = dictionary
    end = at + length
    if not 0 < at <= end <= view.nbytes:
        raise ValueError(f"a column's pages lie from {at} to {end}, in a file of {view.nbytes} bytes")
    while at < end:
        head, at = read_struct(view[:end], at)
        unpacked, packed = _number(head, 2), _number(head, 3)
        if unpacked < 0 or packed < 0:
            raise ValueError(f"a page has {unpacked} bytes, {packed} packed")
        at += packed
        yield unpacked


def _list(fields: Fields, number: int) -> list[Any]:
    value = fields.get(number, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"field {number} of its footer is no list of structs")
    return value


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number, 0)
    if type(value) is not int:
        raise ValueError(f"field {number} of a page or a column is no number")
    return value
