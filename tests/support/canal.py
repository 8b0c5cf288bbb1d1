"""Canal-json lines for tests, as TiCDC sends them."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
) -> bytes:
    """An INSERT, or with `old` an UPDATE, or what `kind` says. `types` default to id bigint, v varchar."""
    types = types or {name: TYPES.get(name, "varchar") for name in data}
    return message(
        database,
        table,
        kind or ("UPDATE" if old is not None else "INSERT"),
        commitTs=commit_ts,
        pkNames=["id"] if key is None else key,
        mysqlType=types,
        data=[dict(data)],
        old=None if old is None else [dict(old)],
    )


def ddl(commit_ts: int, sql: str, *, table: str = "", database: str = "shop") -> bytes:
    """A DDL message."""
    return message(database, table, "QUERY", commitTs=commit_ts, isDdl=True, sql=sql)


def watermark(commit_ts: int) -> bytes:
    """A watermark message."""
    return message("", "", "TIDB_WATERMARK", watermarkTs=commit_ts)


def message(database: str, table: str, kind: str, **more: Any) -> bytes:
    """A line without its line feed."""
    extension = {name: more.pop(name) for name in ("commitTs", "watermarkTs") if name in more}
    body = {"id": 0, "database": database, "table": table, "pkNames": None, "isDdl": False, "type": kind, "es": 7}
    body |= {"ts": 8, "sql": "", "sqlType": None, "mysqlType": None, "old": None, "data": None, "_tidb": extension}
    return json.dumps(body | more, ensure_ascii=False).encode()


def write(path: Path, *lines: bytes) -> Path:
    """A log file of these lines."""
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path
