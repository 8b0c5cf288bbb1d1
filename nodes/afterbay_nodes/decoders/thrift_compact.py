"""Thrift's compact protocol, as far as Parquet's heads and footers need it: structs as fields by number.

Written for hostile bytes: it raises ValueError and nothing else, and takes work and memory in proportion to the bytes
that it reads.
"""

from __future__ import annotations

from typing import Any

Fields = dict[int, Any]

_DEEPEST = 32
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
_INTEGERS = frozenset({4, 5, 6})
_LONGEST_VARINT = 10


def read_struct(data: memoryview, at: int) -> tuple[Fields, int]:
    """(the fields of the struct that starts at `at`, where it ends). Texts and doubles are passed over: None.

    Raises ValueError where it is none, or is cut off.
    """
    return _struct(data, at, 0)


def _struct(data: memoryview, at: int, depth: int) -> tuple[Fields, int]:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    fields: Fields = {}
    number = 0
    while True:
        head, at = _byte(data, at)
        if head == 0:
            return fields, at
        if head >> 4:
            number += head >> 4
        else:
            number, at = _zigzag(data, at)
        kind = head & 0xF
        if kind in (_TRUE, _FALSE):
            fields[number] = kind == _TRUE
        else:
            fields[number], at = _value(data, at, kind, depth + 1)


def _value(data: memoryview, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in _INTEGERS:
        return _zigzag(data, at)
    if kind == _STRUCT:
        return _struct(data, at, depth)
    if kind in (_LIST, _SET):
        return _list(data, at, depth)
    if kind == _BINARY:
        size, at = _varint(data, at)
        return None, _passed(data, at, size)
    if kind in (_TRUE, _FALSE, _BYTE):  # in a list a truth value is a byte
        return _byte(data, at)
    if kind == _DOUBLE:
        return None, _passed(data, at, 8)
    if kind == _MAP:
        return _map(data, at, depth)
    raise ValueError(f"it has a value of the unknown kind {kind}")


def _list(data: memoryview, at: int, depth: int) -> tuple[list[Any], int]:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    head, at = _byte(data, at)
    size, kind = head >> 4, head & 0xF
    if size == 15:
        size, at = _varint(data, at)
    items: list[Any] = []
    for _ in range(size):  # each item has a byte at least, so that the bytes bound a size that lies
        item, at = _value(data, at, kind, depth + 1)
        items.append(item)
    return items, at


def _map(data: memoryview, at: int, depth: int) -> tuple[None, int]:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    size, at = _varint(data, at)
    if size:
        kinds, at = _byte(data, at)
        for _ in range(size):
            _, at = _value(data, at, kinds >> 4, depth + 1)
            _, at = _value(data, at, kinds & 0xF, depth + 1)
    return None, at


def _byte(data: memoryview, at: int) -> tuple[int, int]:
    if at >= data.nbytes:
        raise ValueError("it is cut off")
    return data[at], at + 1


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for count in range(_LONGEST_VARINT):
        byte, at = _byte(data, at)
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, at
    raise ValueError("a number in it does not end")


def _zigzag(data: memoryview, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _passed(data: memoryview, at: int, size: int) -> int:
    if size > data.nbytes - at:
        raise ValueError("it is cut off")
    return at + size
