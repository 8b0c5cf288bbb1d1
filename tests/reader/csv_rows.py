"""CSV as §6 writes it, read back by a parser that knows only that section."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.reader.findings import Damage
from tests.reader.rows import Row
from tests.reader.schema_file import SchemaFile

_BARE_TYPES = frozenset(
    f"{name}{suffix}"
    for name in ("TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "YEAR", "FLOAT", "DOUBLE")
    for suffix in ("", " UNSIGNED")
)
_BARE_VALUE = re.compile(r"[-+0-9.eE]+|[-+]?Inf|NaN")
_UNESCAPED = {b"r": b"\r", b"n": b"\n"}


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """The options of §6 that shape the text."""

    delimiter: str = ","
    quote: str = '"'
    null: str = r"\N"
    terminator: str = "\r\n"
    commit_ts: bool = False
    old_value: bool = False
    header: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `text` is None for NULL."""

    text: str | None
    quoted: bool


def fields(data: bytes, dialect: CsvDialect) -> Iterator[list[Field]]:
    """The rows of a file as fields. Raises Damage at the first byte that no rule allows, torn last rows included."""
    pattern = _quoting(dialect) if dialect.quote else _escaping(dialect)
    terminator = dialect.terminator.encode()
    at, row = 0, list[Field]()
    while at < len(data):
        found = pattern.match(data, at)
        if found is None:
            raise Damage("row.torn", f"byte {at}: no field ends after {data[at : at + 40]!r}")
        try:
            row.append(_quoted_field(found, dialect) if dialect.quote else _escaped_field(found, dialect))
        except UnicodeDecodeError as error:
            raise Damage("row.text", f"byte {at}: not UTF-8: {error}") from error
        at = found.end()
        if found["end"] == terminator:
            yield row
            row = []
    if row:
        raise Damage("row.torn", f"the last row has {len(row)} fields and no terminator")


def rows(data: bytes, dialect: CsvDialect, schema: SchemaFile, path: str) -> Iterator[Row]:
    """The rows of a data file, each checked against its schema file. Raises Damage."""
    names = [column.name for column in schema.columns]
    extra = (["commit-ts"] if dialect.commit_ts else []) + (["is-update"] if dialect.old_value else [])
    width = 3 + len(extra) + len(names)
    numbered = enumerate(fields(data, dialect), 1)
    if dialect.header and data:
        wanted = [f"ticdc-meta${name}" for name in ("operation", "table", "schema", *extra)] + names
        found = [field.text for field in next(numbered)[1]]
        if found != wanted:
            raise Damage("row.header", f"the header is {found}, not {wanted}")
    for number, row in numbered:
        place = f"{path}:{number}"
        if len(row) != width:
            raise Damage("row.width", f"row {number} has {len(row)} fields, not {width}")
        yield _row(row, len(extra), dialect, schema, place)


def _row(row: list[Field], extra: int, dialect: CsvDialect, schema: SchemaFile, place: str) -> Row:
    op, table, database = (field.text for field in row[:3])
    if op not in ("I", "U", "D") or (table, database) != (schema.table, schema.schema):
        raise Damage(
            "row.names", f"{place}: {op} of {database}.{table} in the directory of {schema.schema}.{schema.table}"
        )
    if dialect.quote and not all(field.quoted for field in row[:3]):
        raise Damage("row.quoting", f"{place}: the first three columns are strings, so they are quoted")
    meta = [field.text or "" for field in row[3 : 3 + extra]]
    if any(field.quoted for field in row[3 : 3 + extra]):
        raise Damage("row.quoting", f"{place}: commit-ts and is-update are bare")
    commit_ts = int(meta.pop(0)) if dialect.commit_ts else None
    is_update = {"true": True, "false": False}[meta.pop(0)] if dialect.old_value else None
    for field, column in zip(row[3 + extra :], schema.columns, strict=True):
        if field.text is None or not dialect.quote:
            continue
        bare = column.type in _BARE_TYPES
        if bare == field.quoted and not column.type.startswith("BIT"):
            raise Damage(
                "row.quoting", f"{place}: {column.name} {column.type} is {'' if field.quoted else 'not '}quoted"
            )
        if bare and not _BARE_VALUE.fullmatch(field.text):
            raise Damage("row.value", f"{place}: {column.name} {column.type} is {field.text!r}")
    return Row(op, commit_ts, tuple(field.text for field in row[3 + extra :]), place, is_update)


def _ends(dialect: CsvDialect) -> bytes:
    return b"(?:" + re.escape(dialect.delimiter.encode()) + b"|" + re.escape(dialect.terminator.encode()) + b")"


def _quoting(dialect: CsvDialect) -> re.Pattern[bytes]:
    q, end = re.escape(dialect.quote.encode()), _ends(dialect)
    quoted = q + b"(?P<quoted>[^" + q + b"]*(?:" + q + q + b"[^" + q + b"]*)*)" + q
    bare = b"(?P<bare>(?:(?!" + end + b")[^" + q + b"])*)"
    return re.compile(b"(?:" + quoted + b"|" + bare + b")(?P<end>" + end + b")", re.DOTALL)


def _quoted_field(found: re.Match[bytes], dialect: CsvDialect) -> Field:
    if found["quoted"] is not None:
        text = found["quoted"].decode()
        return Field(text.replace(dialect.quote * 2, dialect.quote), quoted=True)
    text = found["bare"].decode()
    return Field(None if text == dialect.null else text, quoted=False)


def _escaping(dialect: CsvDialect) -> re.Pattern[bytes]:
    end = _ends(dialect)
    return re.compile(rb"(?P<bare>(?:\\.|(?!" + end + rb")[^\\])*)(?P<end>" + end + b")", re.DOTALL)


def _escaped_field(found: re.Match[bytes], dialect: CsvDialect) -> Field:
    raw = found["bare"]
    if raw == dialect.null.encode():
        return Field(None, quoted=False)
    escapable = dialect.delimiter.encode() + b"\\"

    def plain(escape: re.Match[bytes]) -> bytes:
        character = escape[1]
        if character in _UNESCAPED:
            return _UNESCAPED[character]
        if character not in escapable:
            raise Damage("row.escape", f"\\{character.decode(errors='replace')} is no escape of §6")
        return character

    return Field(re.sub(rb"\\(.)", plain, raw, flags=re.DOTALL).decode(), quoted=False)
