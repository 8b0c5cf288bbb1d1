"""CSV of any dialect, a field at a time: exact, and slow. Kernels read what they can; this reads the rest.

It also says what is wrong: every byte belongs to a field that a rule allows, or the row is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa

from afterbay_nodes.encoders.csv_dialect import CsvDialect

_LINE_ENDS = {b"r": b"\r", b"n": b"\n"}
_ESCAPE = re.compile(rb"\\(.?)", re.DOTALL)


class Field(NamedTuple):
    """One field, unquoted or unescaped. `text` is None for NULL."""

    text: bytes | None
    quoted: bool


class BadField(ValueError):
    """Bytes that are no field. `row` counts from 0 where reading began."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row


def lines(data: pa.Buffer, start: int, stop: int, dialect: CsvDialect) -> Iterator[list[Field]]:
    """The rows in bytes [start, stop). Raises BadField; a last row without its terminator is one."""
    read = _quoted if dialect.quote else _escaped
    pattern = _pattern(dialect)
    terminator = dialect.terminator.encode()
    view = memoryview(data)
    at, row, fields = start, 0, list[Field]()
    while at < stop:
        found = pattern.match(view, at, stop)
        if found is None:
            shown = bytes(view[at : min(at + 40, stop)])
            raise BadField(row, f"no field ends after {shown!r}: a quote is not doubled, or the file is cut off")
        try:
            fields.append(read(found, dialect))
        except ValueError as error:
            raise BadField(row, str(error)) from None
        at = found.end()
        if found["end"] == terminator:
            yield fields
            row, fields = row + 1, []
    if fields:
        raise BadField(row, f"the last row ends after {len(fields)} fields without its terminator {terminator!r}")


@lru_cache(maxsize=8)
def _pattern(dialect: CsvDialect) -> re.Pattern[bytes]:
    """One field and what ends it. Possessive throughout: what a byte is, is never decided twice."""
    delimiter, terminator = dialect.delimiter.encode(), dialect.terminator.encode()
    end = rb"(?:" + re.escape(delimiter) + rb"|" + re.escape(terminator) + rb")"
    # Most bytes can begin neither delimiter nor terminator; the others are looked at twice.
    ends = b"".join(b"\\x%02x" % byte for byte in sorted({delimiter[0], terminator[0]}))
    special = b"\\x%02x" % (dialect.quote.encode() or b"\\")[0]
    plain = rb"[^" + special + ends + rb"]++|(?!" + end + rb")[^" + special + rb"]"
    if not dialect.quote:
        return re.compile(rb"(?P<bare>(?:" + plain + rb"|\\.)*+)(?P<end>" + end + rb")", re.DOTALL)
    inside = rb"[^" + special + rb"]*+"
    quoted = special + rb"(?P<quoted>" + inside + rb"(?:" + special + special + inside + rb")*+)" + special
    return re.compile(rb"(?:" + quoted + rb"|(?P<bare>(?:" + plain + rb")*+))(?P<end>" + end + rb")", re.DOTALL)


def _quoted(found: re.Match[bytes], dialect: CsvDialect) -> Field:
    text = found["quoted"]
    if text is not None:
        quote = dialect.quote.encode()
        return Field(text.replace(quote * 2, quote), True)
    bare = found["bare"]
    return Field(None if bare == dialect.null.encode() else bare, False)


def _escaped(found: re.Match[bytes], dialect: CsvDialect) -> Field:
    bare = found["bare"]
    if bare == dialect.null.encode():
        return Field(None, False)
    if b"\\" not in bare:
        return Field(bare, False)
    special = dialect.delimiter.encode() + b"\\"

    def plain(escape: re.Match[bytes]) -> bytes:
        byte = escape[1]
        if byte in _LINE_ENDS:
            return _LINE_ENDS[byte]
        if not byte or byte not in special:
            raise ValueError(f"\\{byte.decode(errors='replace')} is no escape of this dialect")
        return byte

    return Field(_ESCAPE.sub(plain, bare), False)
