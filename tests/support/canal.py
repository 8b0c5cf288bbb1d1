"""Canal-json lines for tests, as TiCDC sends them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Values = Mapping[str, str | None]
TYPES = {"id": "bigint", "v": "varchar"}


def row(
    table: str,
    commit_ts: int,
    data: Values,
    *,
    old: Values | None = None,
    kind: str | None = None,
    types: Mapping[str, str] | None = None,
    key: list[str] | None = None,
    database: str = "shop",
    table_id: int | None = None,
    partition: int | None = None,
) -> bytes:
    """An INSERT, or with `old` an UPDATE, or what `kind` says. `types` default to id bigint, v varchar."""
    types = types or {name: TYPES.get(name, "varchar") for name in data}
    return message(
        database,
        table,
        kind or ("UPDATE" if old is not None else "INSERT"),
        commitTs=commit_ts,
        tableId=table_id,
        partitionId=partition,
        pkNames=["id"] if key is None else key,
        mysqlType=types,
        data=[dict(data)],
        old=None if old is None else [dict(old)],
    )


def ddl(
    commit_ts: int, sql: str, *, table: str = "", database: str = "shop", tables: Sequence[Mapping[str, Any]] = ()
) -> bytes:
    """A DDL message. `tables`: see `ids`."""
    more = {"tables": list(tables)} if tables else {}
    return message(database, table, "QUERY", commitTs=commit_ts, isDdl=True, sql=sql, **more)


def ids(
    table: str, table_id: int, *partitions: int, columns: Sequence[str] = (), database: str = "shop"
) -> dict[str, Any]:
    """What a DDL tells of a table as it is after it; its columns are numbered from 1."""
    told = {"schema": database, "table": table, "tableId": table_id, "partitionIds": list(partitions)}
    return told | {"columnIds": {name: number for number, name in enumerate(columns, 1)}}


def watermark(commit_ts: int) -> bytes:
    """A watermark message."""
    return message("", "", "TIDB_WATERMARK", watermarkTs=commit_ts)


def message(database: str, table: str, kind: str, **more: Any) -> bytes:
    """A line without its line feed."""
    named = ("commitTs", "watermarkTs", "tableId", "partitionId", "tables")
    extension = {name: value for name in named if (value := more.pop(name, None)) is not None}
    body = {"id": 0, "database": database, "table": table, "pkNames": None, "isDdl": False, "type": kind, "es": 7}
    body |= {"ts": 8, "sql": "", "sqlType": None, "mysqlType": None, "old": None, "data": None, "_tidb": extension}
    return json.dumps(body | more, ensure_ascii=False).encode()


def write(path: Path, *lines: bytes) -> Path:
    """A log file of these lines."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path
