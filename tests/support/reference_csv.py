"""CSV as §6 of the storage protocol says it, a row and a character at a time. Slow and plain on purpose."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from afterbay.messages import ChangeBatch
from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, Column
from tests.support.reference_floats import go_v
from tests.support.reference_refusal import Refused

_BARE = {*INTEGER_TYPES, "year", "bit", "float", "double"}


@dataclass(frozen=True)
class CsvOptions:
    """The options of §6, by their YAML keys."""

    delimiter: str = ","
    quote: str = '"'
    null: str = "\\N"
    terminator: str = "\r\n"
    include_commit_ts: bool = False
    binary_encoding_method: str = "base64"
    output_old_value: bool = False


def csv_bytes(batch: ChangeBatch, options: CsvOptions) -> bytes:
    """Every line of `batch`."""
    columns = batch.schema.stored_columns
    after = _rows(batch.rows)
    before = _rows(batch.before) if batch.before is not None else [()] * len(after)
    out = []
    for op, commit_ts, new, old in zip(batch.ops.to_pylist(), batch.commit_ts.to_pylist(), after, before, strict=True):
        letter = "IUD"[op]
        if options.output_old_value and letter == "U":
            lines = [("D", "true", old), ("I", "true", new)]
        else:
            lines = [(letter, "false", new)]
        for kind, is_update, values in lines:
            fields = [_text(word, options) for word in (kind, batch.schema.name.table, batch.schema.name.schema)]
            if options.include_commit_ts:
                fields.append(str(commit_ts).encode())
            if options.output_old_value:
                fields.append(is_update.encode())
            fields += [_field(column, value, options) for column, value in zip(columns, values, strict=True)]
            out.append(options.delimiter.encode().join(fields) + options.terminator.encode())
    return b"".join(out)


def _rows(image: Any) -> list[Sequence[Any]]:
    return list(zip(*(column.to_pylist() for column in image.columns), strict=True))


def cell(column: Column, value: Any, options: CsvOptions) -> str | None:
    """What a reader of the field is to find, None for NULL."""
    if value is None:
        return None
    if column.type in ("float", "double"):
        return go_v(value, single=column.type == "float")
    if column.type in BINARY_TYPES:
        return base64.b64encode(value).decode() if options.binary_encoding_method == "base64" else str(value.hex())
    if column.type == "enum":
        return column.elements[value - 1] if value else ""
    if column.type == "set":
        return ",".join(name for bit, name in enumerate(column.elements) if value & (1 << bit))
    return str(value)


def _field(column: Column, value: Any, options: CsvOptions) -> bytes:
    text = cell(column, value, options)
    if text is None:
        return options.null.encode()
    return text.encode() if column.type in _BARE else _text(text, options)


def _text(value: str, options: CsvOptions) -> bytes:
    if options.quote:
        return (options.quote + value.replace(options.quote, options.quote * 2) + options.quote).encode()
    field = b"".join(_escaped(character, options) for character in value)
    terminator = options.terminator.encode()
    hidden = b"\r" in terminator or b"\n" in terminator
    if field == options.null.encode() or (not hidden and (field + terminator).find(terminator) < len(field)):
        raise Refused(value)
    return field


def _escaped(character: str, options: CsvOptions) -> bytes:
    if character == "\r":
        return b"\\r"
    if character == "\n":
        return b"\\n"
    if character == "\\":
        return b"\\\\"
    if character in options.delimiter:
        return b"".join(b"\\" + bytes([byte]) for byte in character.encode())
    return character.encode()
