"""The CSV options that shape a single value, checked, and the kernels that apply them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from afterbay_nodes.encoders.joining import Piece, constant, joined, replaced, text_of

# What a bare value can be made of: integers, floats with NaN and Inf, true and false.
_BARE = frozenset("0123456789+-.eNaInftruls")


@dataclass(frozen=True, slots=True)
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
            if name != "null" and value and set(value) <= _BARE:
                found.append(f"{name} {value!r} could stand inside a bare number")
        if shared := sorted(set(self.delimiter) & set(self.quote)):
            found.append(f"delimiter {self.delimiter!r} and quote {self.quote!r} share the character {shared[0]!r}")
        if self.quote and self.quote in self.null:
            found.append(f"null {self.null!r} contains the quote {self.quote!r}; it stands unquoted")
        if self.delimiter and self.delimiter in self.null:
            found.append(f"null {self.null!r} contains the delimiter {self.delimiter!r}")
        if not self.terminator:
            found.append("terminator is empty: rows could not be told apart")
        elif self.delimiter and self.delimiter in self.terminator:
            found.append(f"terminator {self.terminator!r} contains the delimiter {self.delimiter!r}")
        if not self.quote and (clash := sorted(set(self.delimiter) & set("\\rn"))):
            found.append(f"delimiter {self.delimiter!r} contains {clash[0]!r}, which has another meaning in escapes")
        return found

    @property
    def suits_arrow(self) -> bool:
        """True if `pyarrow.csv.write_csv` writes exactly these lines (floats in its short range)."""
        return self.quote == '"' and len(self.delimiter.encode()) == 1

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
