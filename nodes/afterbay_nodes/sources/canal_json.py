"""The lines of a canal-json change log, as TiCDC sends them to Kafka, decoded into typed messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import msgspec

from afterbay.schema import Column, TableName
from afterbay_nodes.decoders.json_keys import find_double_key, key_told_twice
from afterbay_nodes.sources.ddl.columns import parse_type
from afterbay_nodes.sources.ddl.tokenizer import Cursor, SqlError

Image = dict[str, str | None]
CommitTs = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
WatermarkTs = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Millis = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Id = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
WATERMARK = "TIDB_WATERMARK"


class TableIds(msgspec.Struct, frozen=True, rename="camel"):
    """What a DDL message tells of one table as it is after the DDL. `partition_ids` None: not told."""

    schema: str
    table: str
    table_id: Id | None = None
    partition_ids: tuple[Id, ...] | None = None
    column_ids: dict[str, Id] = {}


class Extension(msgspec.Struct, frozen=True, rename="camel"):
    """The `_tidb` object. TiCDC sends the first two; rows may tell their ids, and DDLs those of their tables."""

    commit_ts: CommitTs | None = None
    watermark_ts: WatermarkTs | None = None
    table_id: Id | None = None
    partition_id: Id | None = None
    tables: tuple[TableIds, ...] = ()


class Message(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"is_ddl": "isDdl", "pk_names": "pkNames", "mysql_type": "mysqlType", "tidb": "_tidb"},
):
    """One line. `data` and `old` hold one object a row; `mysql_type` and `pk_names` stay raw: they rarely change."""

    type: str
    database: str = ""
    table: str = ""
    is_ddl: bool = False
    es: Millis | None = None
    sql: str = ""
    pk_names: msgspec.Raw = msgspec.Raw(b"null")
    mysql_type: msgspec.Raw = msgspec.Raw(b"null")
    old: list[Image] | None = None
    data: list[Image] | None = None
    tidb: Extension | None = None

    @property
    def name(self) -> TableName:
        """The table's two names."""
        return TableName(self.database, self.table)


class WholeMessage(Message, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    """A row's line as TiCDC sends it: each key that it has, and no other. How many they are tells if one is twice."""

    id: int
    type: str
    database: str
    table: str
    pk_names: msgspec.Raw
    is_ddl: bool
    es: Millis | None
    ts: int | None
    sql: str
    sql_type: msgspec.Raw = msgspec.field(name="sqlType")
    mysql_type: msgspec.Raw
    old: list[Image] | None
    data: list[Image]
    tidb: Extension


class BadLine(ValueError):
    """A line that is refused. `code` is the error's code, `table` the table it speaks of, if that is known."""

    def __init__(self, code: str, reason: str, table: TableName | None = None, hint: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.table = table
        self.hint = hint


class NotAMessage(BadLine):
    """A line that is none of the format: not JSON, or not of its shape. So is the start of one that goes on."""


_decode = msgspec.json.Decoder(Message).decode
_decode_whole = msgspec.json.Decoder(WholeMessage).decode
_KEYS = 15  # of a row's line, that of its commit-ts included
_decode_types = msgspec.json.Decoder(dict[str, str] | None).decode
_decode_names = msgspec.json.Decoder(list[str] | None).decode


def decode(line: bytes) -> Message:
    """The message of a line. Raises BadLine, also for a line in which an object has a key twice."""
    try:
        message = _decode_whole(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_other(line)
    images, old = message.data, message.old
    if len(images) == 1:
        keys = _KEYS + 3 * len(images[0])  # of `data`, `sqlType` and `mysqlType`
        if old:
            keys += len(old[0])
        # A line has at least so many: with no more, none is there twice.
        if line.count(b'":') == keys:
            return message
    twice = key_told_twice(line, _key_count(message))
    if twice is not None:
        raise _twice(twice, message)
    return message


def _key_count(message: WholeMessage) -> int:
    """How many keys were read from a line."""
    images, tidb = message.data, message.tidb
    ids = (tidb.table_id is not None) + (tidb.partition_id is not None)
    types = 2 * len(images[0]) if images else 0
    return _KEYS + ids + types + sum(map(len, images)) + sum(map(len, message.old or ()))


def _decode_other(line: bytes) -> Message:
    """A line with other keys than a row's of TiCDC, such as a DDL's or a watermark's."""
    try:
        message = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAMessage(
            "change_log.line",
            f"this is not a canal-json message: {error}",
            hint="a line is one JSON object; `on_bad_line: reject` puts bad lines aside",
        ) from error
    twice = find_double_key(line)
    if twice is not None:
        raise _twice(twice, message)
    return message


def _twice(key: str, message: Message) -> BadLine:
    return BadLine(
        "change_log.twice",
        f"the key {key!r} is there twice in an object",
        message.name,
        hint="only one of the two can be meant: whoever wrote the log has to mend it",
    )


def commit_ts_of(message: Message) -> int:
    """The commit-ts of a row or DDL message. Raises BadLine if it has none."""
    tidb = message.tidb
    if tidb is None or tidb.commit_ts is None:
        raise BadLine(
            "change_log.line",
            f"a message of type {message.type!r} has no `_tidb.commitTs`",
            message.name,
            hint="let TiCDC send it with `enable-tidb-extension=true`",
        )
    return tidb.commit_ts


def row_columns(message: Message) -> tuple[tuple[Column, ...], tuple[str, ...] | None]:
    """(columns in the order of the row's `data`, names of the handle key or None) as a row message tells them.

    Lengths, scales and elements are known only where `mysqlType` spells them out. Raises BadLine.
    """
    try:
        types = _decode_types(message.mysql_type)
        names = _decode_names(message.pk_names)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # a raw field was not looked into before
        raise BadLine("change_log.line", f"bad `mysqlType` or `pkNames`: {error}", message.name) from error
    if not message.data or not types:
        raise BadLine("change_log.line", "a row message needs `data` and `mysqlType`", message.name)
    if types.keys() != message.data[0].keys():
        odd = min(types.keys() ^ message.data[0].keys())
        raise BadLine("change_log.column", f"column {odd!r} is in only one of `data` and `mysqlType`", message.name)
    key = frozenset(names or ())
    return tuple(_column(message, name, types[name], name in key) for name in message.data[0]), (
        None if names is None else tuple(names)
    )


def _column(message: Message, name: str, text: str, key: bool) -> Column:
    try:
        cursor = Cursor(text)
        column = parse_type(cursor)
        if not cursor.ended:
            raise cursor.error("wanted the end of the type")
    except SqlError as error:
        raise BadLine(
            "change_log.column", f"column {name!r} has the type {text!r}, which is not known: {error}", message.name
        ) from error
    return replace(column, name=name, primary_key=key, nullable=not key)
