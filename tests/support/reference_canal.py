"""canal-json as §7 of the storage protocol says it, a row and a character at a time. Slow and plain on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from afterbay.messages import ChangeBatch
from afterbay.schema import BINARY_TYPES, TEXT_TYPES, Column
from tests.support.reference_floats import plain

_JAVA = {
    "tinyint": -6, "smallint": 5, "mediumint": 4, "int": 4, "bigint": -5, "float": 7, "double": 8, "decimal": 3,
    "bit": -7, "char": 1, "varchar": 12, "enum": 4, "set": -7, "date": 91, "datetime": 93, "timestamp": 93,
    "time": 92, "year": 12, "json": 12, "vector": 12,
}  # fmt: skip
_JAVA_ABOVE = {"tinyint": (127, 5), "smallint": (32767, 4), "int": (2**31 - 1, -5), "bigint": (2**63 - 1, 3)}
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


@dataclass(frozen=True)
class CanalOptions:
    """The options of §7, by their YAML keys."""

    terminator: str = "\r\n"
    enable_tidb_extension: bool = True
    content_compatible: bool = False
    only_output_updated_columns: bool = False
    delete_only_output_handle_key_columns: bool = False


def canal_bytes(batch: ChangeBatch, options: CanalOptions, now_ms: int) -> bytes:
    """Every line of `batch`, encoded at `now_ms`."""
    n = batch.num_rows
    after = _rows(batch.rows)
    before = _rows(batch.before) if batch.before is not None else [()] * n
    times = [ts >> 18 for ts in batch.commit_ts.to_pylist()] if batch.commit_ms is None else batch.commit_ms.to_pylist()
    out = []
    for op, commit_ts, es, new, old in zip(
        batch.ops.to_pylist(), batch.commit_ts.to_pylist(), times, after, before, strict=True
    ):
        type_ = ("INSERT", "UPDATE", "DELETE")[op]
        columns = list(batch.schema.stored_columns)
        kept = columns
        if type_ == "DELETE" and options.delete_only_output_handle_key_columns:
            kept = [column for column in columns if column in batch.schema.key_columns] or columns
        data = [(column, _value(column, value)) for column, value in zip(columns, new, strict=True) if column in kept]
        was = [(column, _value(column, value)) for column, value in zip(columns, old, strict=True)] if old else []
        if options.only_output_updated_columns or options.content_compatible:
            was = [pair for pair, now in zip(was, data, strict=False) if pair != now]
        java = [(c, str(_java(c, v))) for c, v in zip(columns, new, strict=True) if c in kept]
        mysql = [(column, json_string(_mysql(column, full=options.content_compatible))) for column in kept]
        keys = [json_string(column.name) for column in batch.schema.columns if column.primary_key]
        members = [
            ("id", "0"),
            ("database", json_string(batch.schema.name.schema)),
            ("table", json_string(batch.schema.name.table)),
            ("pkNames", f"[{','.join(keys)}]" if keys else "null"),
            ("isDdl", "false"),
            ("type", json_string(type_)),
            ("es", str(es)),
            ("ts", str(now_ms)),
            ("sql", '""'),
            ("sqlType", _object(java)),
            ("mysqlType", _object(mysql)),
            ("old", f"[{_object(was)}]" if type_ == "UPDATE" else "null"),
            ("data", f"[{_object(data)}]"),
        ]
        if options.enable_tidb_extension:
            members.append(("_tidb", f'{{"commitTs":{commit_ts}}}'))
        out.append("{" + ",".join(f'"{key}":{value}' for key, value in members) + "}" + options.terminator)
    return "".join(out).encode()


def _rows(image: Any) -> list[Sequence[Any]]:
    return list(zip(*(column.to_pylist() for column in image.columns), strict=True))


def _object(pairs: Sequence[tuple[Column, str]]) -> str:
    return "{" + ",".join(f"{json_string(column.name)}:{value}" for column, value in pairs) + "}"


def _value(column: Column, value: Any) -> str:
    if value is None:
        return "null"
    if column.type in ("float", "double"):
        return json_string(plain(value, single=column.type == "float"))
    if column.type in BINARY_TYPES:
        return json_string("".join(chr(byte) for byte in value))
    return json_string(str(value))


def _java(column: Column, value: Any) -> int:
    if column.type in BINARY_TYPES:
        return 2004
    if column.type in TEXT_TYPES - {"char", "varchar"}:
        return 2005
    if column.unsigned and value is not None and column.type in _JAVA_ABOVE:
        limit, above = _JAVA_ABOVE[column.type]
        if value > limit:
            return above
    return _JAVA[column.type]


def _mysql(column: Column, *, full: bool) -> str:
    text = column.type
    if full and column.elements:
        text += "(" + ",".join(f"'{_sql(name)}'" for name in column.elements) + ")"
    elif full and column.type in ("datetime", "timestamp", "time") and column.scale:
        text += f"({column.scale})"
    elif full and column.type == "decimal" and column.length is not None:
        text += f"({column.length},{column.scale or 0})"
    elif full and column.type in ("float", "double") and column.scale:
        text += f"({column.length},{column.scale})"
    elif full and column.type.endswith(("int", "char", "binary", "bit", "year", "vector")) and column.length:
        text += f"({column.length})"
    if column.type not in ("bit", "year"):
        text += " unsigned" if column.unsigned else ""
        text += " zerofill" if column.zerofill else ""
    return text


def _sql(text: str) -> str:
    """As between quotes in SQL."""
    for character, escape in (("\\", "\\\\"), ("'", "''"), ("\0", "\\0"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(character, escape)
    return text


def json_string(text: str) -> str:
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    return f"\\u{ord(character):04x}" if character < " " or character in "<>&" else character
