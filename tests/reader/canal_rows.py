"""canal-json as §7 writes it: one object a line, each line checked key by key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.reader.findings import Damage
from tests.reader.rows import Row
from tests.reader.schema_file import SchemaColumn, SchemaFile

KEYS = [
    *("id", "database", "table", "pkNames", "isDdl", "type", "es", "ts", "sql", "sqlType", "mysqlType", "old", "data"),
    "_tidb",
]
_OPS = {"INSERT": "I", "UPDATE": "U", "DELETE": "D"}
_JAVA_NAMES = {
    -7: "BIT SET",
    -6: "TINYINT",
    -5: "BIGINT",
    1: "CHAR",
    3: "DECIMAL",
    4: "MEDIUMINT INT ENUM",
    5: "SMALLINT",
    7: "FLOAT",
    8: "DOUBLE",
    12: "VARCHAR YEAR JSON VECTOR",
    91: "DATE",
    92: "TIME",
    93: "DATETIME TIMESTAMP",
    2004: "BINARY VARBINARY TINYBLOB BLOB MEDIUMBLOB LONGBLOB",
    2005: "TINYTEXT TEXT MEDIUMTEXT LONGTEXT",
}
_JAVA = {name: number for number, names in _JAVA_NAMES.items() for name in names.split()}
_UNSIGNED_JAVA = {"TINYINT": (127, 5), "SMALLINT": (32767, 4), "INT": (2**31 - 1, -5), "BIGINT": (2**63 - 1, 3)}
_EXPONENT = re.compile(r"[eE]")


@dataclass(frozen=True, slots=True)
class CanalForm:
    """The options of §7 that shape a line."""

    terminator: str = "\r\n"
    tidb_extension: bool = True
    only_updated_columns: bool = False


def rows(data: bytes, form: CanalForm, schema: SchemaFile, path: str) -> Iterator[Row]:
    """The rows of a data file, each checked against its schema file. Raises Damage."""
    if not data:
        return
    lines = data.split(form.terminator.encode())
    if lines.pop() != b"":
        raise Damage("row.torn", "the last row has no terminator")
    for number, line in enumerate(lines, 1):
        place = f"{path}:{number}"
        try:
            message = json.loads(line.decode())
        except ValueError as error:
            raise Damage("row.torn", f"{place}: not JSON: {error}") from error
        yield _row(message, form, schema, place)


def _row(message: dict[str, Any], form: CanalForm, schema: SchemaFile, place: str) -> Row:
    wanted = KEYS if form.tidb_extension else KEYS[:-1]
    if list(message) != wanted:
        raise Damage("row.keys", f"{place}: keys are {list(message)}, not {wanted}")
    head = [message[key] for key in ("id", "isDdl", "sql", "type", "es")]
    if head[:3] != [0, False, ""] or message["type"] not in _OPS or not isinstance(message["es"], int):
        raise Damage("row.keys", f"{place}: id, isDdl, sql, type, es are {head}")
    if (message["table"], message["database"]) != (schema.table, schema.schema):
        raise Damage("row.names", f"{place}: a row of {message['database']}.{message['table']}")
    keys = [column.name for column in schema.columns if column.primary_key]
    if keys and message["pkNames"] != keys:
        raise Damage("row.keys", f"{place}: pkNames is {message['pkNames']}, not {keys}")
    values = _image(message["data"], schema, place)
    old = None
    if message["type"] == "UPDATE":
        before = _object(message["old"], place)
        complete = list(before) == [column.name for column in schema.columns]
        if not complete and not (form.only_updated_columns and set(before) <= {c.name for c in schema.columns}):
            raise Damage("row.width", f"{place}: old has the columns {list(before)}")
        old = tuple(before.items())
    elif message["old"] is not None:
        raise Damage("row.keys", f"{place}: old is {message['old']!r} in {message['type']}")
    for column, value in zip(schema.columns, values, strict=True):
        _check_types(message, column, value, place)
    commit_ts = None
    if form.tidb_extension:
        if list(message["_tidb"]) != ["commitTs"]:
            raise Damage("row.keys", f"{place}: _tidb is {message['_tidb']}")
        commit_ts = int(message["_tidb"]["commitTs"])
    return Row(_OPS[message["type"]], commit_ts, values, place, old=old)


def _image(data: Any, schema: SchemaFile, place: str) -> tuple[str | None, ...]:
    image = _object(data, place)
    if list(image) != [column.name for column in schema.columns]:
        raise Damage("row.width", f"{place}: data has the columns {list(image)}")
    return tuple(image.values())


def _object(images: Any, place: str) -> dict[str, str | None]:
    if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], dict):
        raise Damage("row.keys", f"{place}: an image is an array of one object")
    if not all(value is None or isinstance(value, str) for value in images[0].values()):
        raise Damage("row.value", f"{place}: values are strings or null")
    return dict(images[0])


def _check_types(message: dict[str, Any], column: SchemaColumn, value: str | None, place: str) -> None:
    stated = re.sub(r"\(.*?\)| zerofill", "", message["mysqlType"][column.name])
    if stated != column.type.lower() and column.type not in ("BIT", "YEAR"):
        raise Damage("row.types", f"{place}: mysqlType of {column.name} is {stated!r}, its column {column.type!r}")
    base, _, unsigned = column.type.partition(" ")
    java = _JAVA[base]
    if unsigned and value is not None and base in _UNSIGNED_JAVA and int(value) > _UNSIGNED_JAVA[base][0]:
        java = _UNSIGNED_JAVA[base][1]
    if message["sqlType"][column.name] != java:
        raise Damage("row.types", f"{place}: sqlType of {column.name} is {message['sqlType'][column.name]}, not {java}")
    if base in ("FLOAT", "DOUBLE") and value is not None and _EXPONENT.search(value):
        raise Damage("row.value", f"{place}: {column.name} has an exponent: {value}")
