"""Column definitions: types and attributes as MySQL, MariaDB and TiDB write them -> `Column`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from afterbay.schema import LOGICAL_TYPES, Column
from afterbay_nodes.column_limits import limit_passed
from afterbay_nodes.sources.ddl.tokenizer import Cursor, TokenKind

_ALIASES: Mapping[str, str] = {
    "INTEGER": "int",
    "INT1": "tinyint",
    "INT2": "smallint",
    "INT3": "mediumint",
    "INT4": "int",
    "INT8": "bigint",
    "MIDDLEINT": "mediumint",
    "BOOL": "tinyint",
    "BOOLEAN": "tinyint",
    "DEC": "decimal",
    "NUMERIC": "decimal",
    "FIXED": "decimal",
    "REAL": "double",
    "FLOAT4": "float",
    "FLOAT8": "double",
    "CHARACTER": "char",
    "NCHAR": "char",
    "NVARCHAR": "varchar",
    "VARCHARACTER": "varchar",
}
_BINARY_FORMS: Mapping[str, str] = {
    "char": "binary",
    "varchar": "varbinary",
    "tinytext": "tinyblob",
    "text": "blob",
    "mediumtext": "mediumblob",
    "longtext": "longblob",
}
_FRACTIONAL = frozenset({"datetime", "timestamp", "time"})
# Words that end a column's attributes where the grammar gives no comma: its place in the table.
_PLACES = frozenset({"FIRST", "AFTER"})


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """A column as defined. `after`: None at the end, "" first, else the name of the column before it."""

    column: Column
    after: str | None = None


def parse_definition(cursor: Cursor) -> ColumnDefinition:
    """``name type attributes [FIRST | AFTER other]``. Stops at a comma, a closing parenthesis or the end."""
    name = cursor.name()
    if cursor.takes("SERIAL"):
        column = Column(name, "bigint", unsigned=True, nullable=False, unique_key=True)
    else:
        column = replace(parse_type(cursor), name=name)
    column = _attributes(cursor, column)
    if cursor.takes("FIRST"):
        return ColumnDefinition(column, "")
    if cursor.takes("AFTER"):
        return ColumnDefinition(column, cursor.name())
    return ColumnDefinition(column)


def parse_type(cursor: Cursor) -> Column:
    """A type with its width, sign and character set, as a column without a name. Raises SqlError."""
    token = cursor.token
    if token.kind is not TokenKind.WORD:
        raise cursor.error("wanted a column type")
    word = cursor.next().upper
    if word == "LONG":
        kind = "mediumblob" if cursor.takes("VARBINARY") else "mediumtext"
        cursor.takes_any("VARCHAR", "VARCHARACTER")
    elif word == "NATIONAL":
        kind = "varchar" if cursor.takes_any("VARCHAR", "VARCHARACTER") else "char"
        cursor.takes_any("CHAR", "CHARACTER")
    else:
        kind = _ALIASES.get(word, word.lower())
    if word == "DOUBLE":
        cursor.takes("PRECISION")
    if kind == "char" and cursor.takes("VARYING"):
        kind = "varchar"
    if kind not in LOGICAL_TYPES:
        raise cursor.error(f"the column type {word} is not known")
    column = Column("", kind, length=1 if word in ("BOOL", "BOOLEAN") else None)
    if cursor.sees("("):
        column = _arguments(cursor, column)
        if (passed := limit_passed(column)) is not None:
            raise cursor.error(passed)
    return _sign_and_charset(cursor, column)


def as_binary(column: Column) -> Column:
    """The column under the character set `binary`: text becomes bytes."""
    return replace(column, type=_BINARY_FORMS.get(column.type, column.type))


def _arguments(cursor: Cursor, column: Column) -> Column:
    if column.type in ("enum", "set"):
        return replace(column, elements=_elements(cursor))
    cursor.expect("(")
    numbers: list[int] = []
    while not cursor.takes(")"):
        token = cursor.next()
        if token.kind is not TokenKind.NUMBER or not token.text.isdecimal() or len(token.text) > 10:
            raise cursor.error("wanted a number")
        numbers.append(int(token.text))
        cursor.takes(",")
    if not 1 <= len(numbers) <= 2:
        raise cursor.error(f"a {column.type} has one or two numbers")
    if column.type in _FRACTIONAL:
        return replace(column, scale=numbers[0])
    return replace(column, length=numbers[0], scale=numbers[1] if len(numbers) == 2 else None)


def _elements(cursor: Cursor) -> tuple[str, ...]:
    cursor.expect("(")
    found: list[str] = []
    while not cursor.takes(")"):
        token = cursor.next()
        if token.kind is not TokenKind.STRING:
            raise cursor.error("wanted the text of an element")
        found.append(token.text)
        if not cursor.takes(",") and not cursor.sees(")"):
            raise cursor.error("wanted a comma or a closing parenthesis")
    return tuple(found)


def _sign_and_charset(cursor: Cursor, column: Column) -> Column:
    while True:
        if cursor.takes("UNSIGNED"):
            column = replace(column, unsigned=True)
        elif cursor.takes("ZEROFILL"):
            column = replace(column, unsigned=True, zerofill=True)
        elif cursor.takes("CHARACTER", "SET") or cursor.takes("CHARSET"):
            cursor.takes("=")
            if cursor.next().text.lower() == "binary":
                column = as_binary(column)
        elif cursor.takes("BYTE"):
            column = as_binary(column)
        elif not cursor.takes_any("SIGNED", "ASCII", "UNICODE", "BINARY"):
            return column


def _attributes(cursor: Cursor, column: Column) -> Column:
    while not (cursor.ended or cursor.sees(",") or cursor.sees(")") or cursor.token.upper in _PLACES):
        if cursor.takes("NOT", "NULL"):
            column = replace(column, nullable=False)
        elif cursor.takes("NULL"):
            column = replace(column, nullable=True)
        elif cursor.takes("DEFAULT"):
            column = replace(column, default=_default(cursor))
        elif cursor.takes("PRIMARY", "KEY") or cursor.takes("PRIMARY"):
            column = replace(column, primary_key=True, nullable=False)
        elif cursor.takes("UNIQUE", "KEY") or cursor.takes("UNIQUE"):
            column = replace(column, unique_key=True)
        elif cursor.takes("KEY"):
            column = replace(column, primary_key=True, nullable=False)
        elif cursor.takes("GENERATED", "ALWAYS", "AS") or cursor.takes("AS"):
            cursor.skip_parentheses()
            column = replace(column, virtual=cursor.takes_any("STORED", "PERSISTENT") is None)
            cursor.takes("VIRTUAL")
        elif cursor.takes_any("COMMENT", "COLLATE", "COLUMN_FORMAT", "STORAGE", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE"):
            cursor.takes("=")
            cursor.next()
        elif cursor.takes("ON", "UPDATE"):
            _default(cursor)
        elif cursor.takes("REFERENCES"):
            _references(cursor)
        elif cursor.sees("("):
            cursor.skip_parentheses()  # AUTO_RANDOM(5), CHECK (…)
        else:
            cursor.next()  # AUTO_INCREMENT, VISIBLE, CONSTRAINT name, …: no effect on the rows
    return column


def _references(cursor: Cursor) -> None:
    cursor.name()
    if cursor.takes("."):
        cursor.name()
    if cursor.sees("("):
        cursor.skip_parentheses()
    while cursor.takes_any("MATCH", "FULL", "PARTIAL", "SIMPLE") or cursor.takes("ON"):
        if cursor.takes_any("DELETE", "UPDATE"):
            if cursor.takes("SET"):
                cursor.takes_any("NULL", "DEFAULT")
            elif not cursor.takes_any("RESTRICT", "CASCADE"):
                cursor.takes("NO", "ACTION")


def _default(cursor: Cursor) -> str | None:
    """The text of a default value: a literal unquoted, an expression as written, None for NULL."""
    if cursor.takes("NULL"):
        return None
    start = cursor.token.start
    if cursor.sees("("):
        cursor.skip_parentheses()
        return cursor.sql[start : cursor.token.start].strip()
    sign = "-" if cursor.takes("-") else ""
    cursor.takes("+")
    token = cursor.next()
    if token.kind in (TokenKind.STRING, TokenKind.NUMBER):
        return sign + token.text
    if token.kind is not TokenKind.WORD:
        raise cursor.error("wanted a default value")
    if token.upper in ("TRUE", "FALSE"):
        return "1" if token.upper == "TRUE" else "0"
    if cursor.token.kind is TokenKind.STRING and cursor.token.start == token.end:  # b'01', x'FF'
        return _bits(token.upper, cursor.next().text) or token.text
    if cursor.token.kind is TokenKind.STRING and token.text.startswith("_"):  # _utf8mb4'text'
        return cursor.next().text
    if cursor.sees("("):
        cursor.skip_parentheses()
        return cursor.sql[start : cursor.token.start].strip().upper()
    return token.upper


def _bits(prefix: str, digits: str) -> str | None:
    if prefix == "B" and set(digits) <= set("01"):
        return str(int(digits or "0", 2))
    return f"0x{digits}" if prefix == "X" else None
