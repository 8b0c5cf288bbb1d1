"""The CSV options that shape a single value, checked, and the kernels that apply them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from afterbay_nodes.encoders.joining import Piece, constant, joined, replaced, text_of

# What a bare value can be made of: integers, floats with NaN and Inf, true and false.
_BARE = frozenset("0123456789+-.eNaInftruls")
_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?(e[-+][0-9]+)?|NaN|[-+]Inf")
_OPERATIONS = ("I", "U", "D")


@dataclass(frozen=True, slots=True)
class Clash:
    """A text that a reader would take for something else: the first `row` of a column, and `why`, in words."""

    row: int
    why: str


@dataclass(frozen=True)
class CsvDialect:
    """How values become fields and fields become lines."""

    delimiter: str
    quote: str
    null: str
    terminator: str

    def faults(self) -> list[str]:
        """Why these options could not be read back, in words; empty if they can."""
        found = []
        if not 1 <= len(self.delimiter.encode()) <= 3:
            found.append(f"delimiter {self.delimiter!r} has {len(self.delimiter.encode())} bytes; it is to have 1 to 3")
        if len(self.quote.encode()) > 1:
            found.append(f"quote {self.quote!r} has {len(self.quote.encode())} bytes; it is to have 1, or none")
        for name, value in (("delimiter", self.delimiter), ("quote", self.quote), ("null", self.null)):
            if "\r" in value or "\n" in value:
                found.append(f"{name} {value!r} contains CR or LF, which end lines")
        for name, value in (("delimiter", self.delimiter), ("quote", self.quote), ("terminator", self.terminator)):
            if value and set(value) <= _BARE:
                found.append(f"{name} {value!r} could stand inside a bare number")
        if shared := sorted(set(self.delimiter) & set(self.quote)):
            found.append(f"delimiter {self.delimiter!r} and quote {self.quote!r} share the character {shared[0]!r}")
        return [*found, *self._null_faults(), *self._terminator_faults(), *self._escape_faults()]

    def _null_faults(self) -> Iterator[str]:
        if self.quote and self.quote in self.null:
            yield f"null {self.null!r} contains the quote {self.quote!r}; it stands unquoted"
        if _NUMBER.fullmatch(self.null):
            yield f"null {self.null!r} could be a number"
        for name, end in (("delimiter", self.delimiter), ("terminator", self.terminator)):
            if end and end in self.null:
                yield f"null {self.null!r} contains the {name} {end!r}"
            elif end and runs_into(self.null, end):
                yield f"null {self.null!r} runs into the {name} {end!r} behind it"

    def _terminator_faults(self) -> Iterator[str]:
        if not self.terminator:
            yield "terminator is empty: rows could not be told apart"
        elif self.delimiter and self.delimiter in self.terminator:
            yield f"terminator {self.terminator!r} contains the delimiter {self.delimiter!r}"
        elif shared := sorted(set(self.delimiter) & set(self.terminator)):
            yield f"terminator {self.terminator!r} and delimiter {self.delimiter!r} share the character {shared[0]!r}"
        if self.quote and self.quote in self.terminator:
            yield f"terminator {self.terminator!r} contains the quote {self.quote!r}"

    def _escape_faults(self) -> Iterator[str]:
        """What goes wrong only where text is escaped instead of quoted."""
        if self.quote:
            return
        if clash := sorted(set(self.delimiter) & set("\\rn")):
            yield f"delimiter {self.delimiter!r} contains {clash[0]!r}, which has another meaning in escapes"
        if "\\" in self.terminator:
            yield f"terminator {self.terminator!r} contains the backslash of escapes"
        if (len(self.null) - len(self.null.rstrip("\\"))) % 2:
            yield f"null {self.null!r} ends in a backslash, which would escape the delimiter behind it"
        if self.null in _OPERATIONS:
            yield f"null {self.null!r} is also an operation"

    @property
    def suits_arrow(self) -> bool:
        """True if `pyarrow.csv.write_csv` writes exactly these lines (floats in its short range)."""
        return self.quote == '"' and len(self.delimiter.encode()) == 1

    @cached_property
    def may_clash(self) -> bool:
        """True if some text could not be told from NULL or from a line's end: then `clash` is to be asked."""
        plain = "[^\\\\\r\n" + re.escape(self.delimiter) + "]"
        escape = "\\\\[\\\\rn" + re.escape(self.delimiter) + "]"
        is_text = re.fullmatch(f"(?:{plain}|{escape})*", self.null) is not None
        return not self.quote and (is_text or self._raw_terminator)

    def clash(self, text: pa.Array) -> Clash | None:
        """The first of `text` that reads back as NULL, or as the end of its line; None if none does.

        Quotes tell text from NULL, and hide line ends. Escapes do not: a text may be the `null` string, or hold a
        terminator that has neither CR nor LF, which no escape is for.
        """
        fields = self._escaped(text_of(text))
        if (row := pc.index(fields, constant(self.null.encode(), fields)).as_py()) >= 0:
            return Clash(row, f"is the null string {self.null!r}")
        if self._raw_terminator:
            end = self.terminator.encode()
            behind = joined([pc.fill_null(fields, constant(b"", fields)), end], len(fields))
            early = pc.less(pc.find_substring(behind, end), pc.subtract(pc.binary_length(behind), len(end)))
            if (row := pc.index(early, pa.scalar(True)).as_py()) >= 0:
                return Clash(row, f"holds, or runs into, the terminator {self.terminator!r}")
        return None

    @property
    def _raw_terminator(self) -> bool:
        return not {"\r", "\n"} & set(self.terminator)

    def quoted(self, text: pa.Array) -> list[Piece]:
        """Text as fields: quoted (the quote doubled) or, where quoting is off, escaped; null as `null`, bare."""
        raw = text_of(text)
        if not self.quote:
            return [self.or_null(self._escaped(raw))]
        quote = self.quote.encode()
        doubled = replaced(raw, {quote: quote * 2})
        if not doubled.null_count:
            return [quote, doubled, quote]
        return [self.or_null(joined([quote, doubled, quote], len(text)))]

    def or_null(self, fields: pa.Array) -> pa.Array:
        """`fields` with the null string where they are null."""
        return pc.fill_null(fields, constant(self.null.encode(), fields)) if fields.null_count else fields

    def fields(self, texts: Sequence[str]) -> list[bytes]:
        """Some names as fields."""
        fields = joined(self.quoted(pa.array([text.encode() for text in texts], pa.binary())), len(texts))
        return [bytes(field) for field in fields.to_pylist()]

    def _escaped(self, raw: pa.Array) -> pa.Array:
        # The backslash first and CR and LF last: no escape is escaped again, and no letter of `\r` is taken for
        # a delimiter's. Each byte of the delimiter is escaped wherever its character stands, not only in a whole
        # delimiter: `a|` before the delimiter `||` would else be read as a field `a` and a field that starts with `|`.
        escapes = {b"\\": b"\\\\"}
        for character in self.delimiter:
            escapes[character.encode()] = b"".join(b"\\%c" % byte for byte in character.encode())
        escapes |= {b"\r": b"\\r", b"\n": b"\\n"}
        return replaced(raw, escapes)


def runs_into(text: str, end: str) -> bool:
    """True if `end`, behind `text`, would be found before the end of `text`."""
    return (text + end).find(end) < len(text)
