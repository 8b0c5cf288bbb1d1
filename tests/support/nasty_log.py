"""A change log made to be hard to carry: 40 000 rows of 8 tables with 18 DDLs, and what must arrive of it.

Canal-json lines as TiCDC sends them to Kafka: transactions of many rows and several tables, tables out of step between
two watermarks, key updates, only-updated and full before-images, rows and DDLs sent again after a rewind. The expected
result is kept beside it while the log is made: per stored table its versions, and per version its rows in order.
Deterministic for a seed. Nothing of afterbay is used.
"""

from __future__ import annotations

import gzip
import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.support.nasty_kinds import KINDS, NULL, Cell, Kind, plain, text

ROWS = 40_000
START_MS = 1_767_225_600_000
Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Col:
    """A column of a table at one version."""

    name: str
    kind: Kind
    key: bool = False
    nullable: bool = True
    default: Cell = NULL

    @property
    def ddl(self) -> str:
        """The column's definition in SQL."""
        quoted = self.name.replace("`", "``")
        default = "" if self.default is NULL else f" DEFAULT '{self.default.csv}'"
        return f"`{quoted}` {self.kind.ddl}{'' if self.nullable else ' NOT NULL'}{default}"


@dataclass(frozen=True, slots=True)
class WantedRow:
    """A row that must arrive. `old` is an update's before-image."""

    op: str
    commit_ts: int
    cells: tuple[Cell, ...]
    old: tuple[Cell, ...] | None = None


@dataclass(slots=True)
class WantedVersion:
    """A version of a stored table. `version` is None where the protocol leaves it open: a table that no DDL made."""

    version: int | None
    query: str
    type: int
    columns: tuple[Col, ...]
    rows: list[WantedRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NastyLog:
    """The lines, and what must be stored of them.

    `databases` lists (name, version, query, type); `renamed` maps new to old names; `repeats` counts the row lines that
    were sent a second time. `live` has what every table holds at the end: its columns and its rows.
    """

    lines: tuple[bytes, ...]
    tables: dict[Name, list[WantedVersion]]
    databases: tuple[tuple[str, int, str, int], ...]
    renamed: dict[Name, Name]
    row_lines: int
    repeats: int
    ddls: int
    last_commit_ts: int
    live: dict[Name, tuple[tuple[Col, ...], tuple[tuple[Cell, ...], ...]]]

    @property
    def stored_rows(self) -> int:
        """How many rows must arrive: a key update counts twice."""
        return sum(len(version.rows) for versions in self.tables.values() for version in versions)

    def commit_ts(self) -> dict[Name, list[int]]:
        """The commit-ts of each row, per stored table."""
        return {name: [row.commit_ts for v in versions for row in v.rows] for name, versions in self.tables.items()}

    def write(self, path: Path) -> Path:
        """All lines into one file."""
        path.write_bytes(b"".join(self.lines))
        return path

    def write_parts(self, folder: Path) -> str:
        """Three files in name order, the second gzip, the third zstd. Returns the glob."""
        import pyarrow as pa

        third = len(self.lines) // 3
        parts = [b"".join(self.lines[at : at + third]) for at in (0, third)]
        parts.append(b"".join(self.lines[2 * third :]))
        (folder / "events-1.jsonl").write_bytes(parts[0])
        (folder / "events-2.jsonl.gz").write_bytes(gzip.compress(parts[1]))
        with pa.output_stream(str(folder / "events-3.jsonl.zst"), compression="zstd") as out:
            out.write(parts[2])
        return str(folder / "events-*")


@cache
def nasty_log(rows: int = ROWS, seed: int = 20260102) -> NastyLog:
    """The log of `rows` row messages. Made once a process for each seed."""
    return _Maker(rows, seed, _STEPS).make()


@cache
def small_log(rows: int, seed: int) -> NastyLog:
    """A log of a few tables with a DDL of each way to travel: for tests that run it many times."""
    return _Maker(rows, seed, _SMALL_STEPS).make()


@dataclass(slots=True)
class _Table:
    """A table at the upstream: its columns and live rows by key."""

    name: Name
    columns: tuple[Col, ...]
    live: dict[tuple[str | None, ...], tuple[Cell, ...]] = field(default_factory=dict)
    keys: int = 0

    def key(self, cells: tuple[Cell, ...]) -> tuple[str | None, ...]:
        return tuple(cell.canal for cell, column in zip(cells, self.columns, strict=True) if column.key)


def _cols(*specs: tuple[str, str] | tuple[str, str, str]) -> tuple[Col, ...]:
    """(name, kind[, "key" | "required"]) each."""
    made = []
    for name, kind, *mark in specs:
        made.append(Col(name, KINDS[kind], key=mark == ["key"], nullable=not mark))
    return tuple(made)


CUSTOMERS, ORDERS, ITEMS = ("shop", "customers"), ("shop", "orders"), ("shop", "items")
OLD, COPY = ("shop", "old_table"), ("shop", "copy")
EVENTS, HISTORY, BLOBS, WEIRD = ("log", "events"), ("log", "history"), ("log", "blobs"), ("log", 'we"ird, näme')

COLUMNS = {
    CUSTOMERS: _cols(
        *(("id", "bigint", "key"), ("name", "varchar", "required"), ("bio", "text"), ("city", "varchar")),
        *(("joined", "datetime6"), ("grade", "enum"), ("age", "utinyint")),
    ),
    ORDERS: _cols(
        *(("order_no", "uint", "key"), ("line", "smallint", "key"), ("amount", "decimal", "required")),
        *(("paid", "tinyint"), ("note", "text"), ("due", "date")),
    ),
    ITEMS: _cols(("sku", "varchar", "key"), ("price", "double"), ("flags", "set"), ("bits", "bit"), ("code", "char")),
    OLD: _cols(("id", "int", "key"), ("v", "varchar"), ("d", "date"), ("t", "time"), ("y", "year"), ("n", "ubigint")),
    EVENTS: _cols(("id", "ubigint", "key"), ("at", "timestamp3"), ("doc", "json"), ("lev", "float"), ("msg", "text")),
    BLOBS: _cols(("id", "int", "key"), ("body", "blob"), ("hash", "binary"), ("made", "datetime"), ("mime", "varchar")),
    WEIRD: _cols(("k `1`", "bigint", "key"), ('va"l,ue', "text"), ("empty", "varchar"), ("select", "json")),
}
RECREATED = _cols(("id", "bigint", "key"), ("again", "varchar"))


def _quoted(name: Name) -> str:
    return ".".join(f"`{part}`" for part in name)


class _Maker:
    """Makes one log. Owns the upstream's state, the lines, and the expectation."""

    def __init__(self, rows: int, seed: int, steps: Sequence[tuple[Any, ...]]) -> None:
        self._rng = Random(seed)
        self._rows = rows
        self._todo = steps
        self._lines: list[bytes] = []
        self._tables: dict[Name, _Table] = {}
        self._wanted: dict[Name, list[WantedVersion]] = {}
        self._databases: list[tuple[str, int, str, int]] = []
        self._window: dict[Name, list[tuple[int, bytes]]] = {}
        self._sent_ddls: list[bytes] = []
        self._ms, self._ts = START_MS, START_MS << 18
        self._made = self._repeats = self._ddls = 0
        self._watermarked: deque[bytes] = deque(maxlen=200)

    def make(self) -> NastyLog:
        steps = self._steps()
        creates = sum(kind in ("create", "create_database") for kind, *_ in self._todo[:7])
        self._tables[OLD] = _Table(OLD, COLUMNS[OLD])
        self._wanted[OLD] = [WantedVersion(None, "", 0, COLUMNS[OLD])]
        count = len(self._todo)
        for number in range(count + 1):
            # The first steps create the tables: a few rows of the table that was there before lie between them.
            until = self._rows * number // count if number >= creates else 3 * number
            self._rows_until(min(until, self._rows))
            if number < count:
                next(steps)
        self._watermark()
        return NastyLog(
            tuple(self._lines),
            self._wanted,
            tuple(self._databases),
            {step[2]: step[1] for step in self._todo if step[0] == "rename"},
            self._made,
            self._repeats,
            self._ddls,
            self._ts,
            {name: (table.columns, tuple(table.live.values())) for name, table in self._tables.items()},
        )

    # -- rows

    def _rows_until(self, count: int) -> None:
        while self._made < count:
            for _ in range(self._rng.randint(5, 40)):
                if self._made < count:
                    self._transaction(count - self._made)
            self._close_window(watermark=self._rng.random() < 0.7)

    def _tick(self) -> int:
        """The next commit-ts: often the same millisecond, never the same number."""
        if self._rng.random() < 0.4:
            self._ms += self._rng.randint(1, 20)
        self._ts = max(self._ts + self._rng.randint(1, 3), self._ms << 18)
        return self._ts

    def _transaction(self, most: int) -> None:
        commit_ts = self._tick()
        names = self._rng.sample(sorted(self._tables), k=min(len(self._tables), self._rng.choice((1, 1, 2, 3))))
        for name in names:
            size = 60 if self._rng.random() < 0.01 else self._rng.randint(1, 6)
            for _ in range(min(size, most)):
                self._change(self._tables[name], commit_ts)
                most -= 1

    def _change(self, table: _Table, commit_ts: int) -> None:
        roll = self._rng.random()
        before = self._rng.choice(list(table.live.values())[-50:]) if table.live and roll > 0.5 else None
        if before is None:
            self._row(table, commit_ts, None, self._image(table, None))
        elif roll < 0.65:
            self._row(table, commit_ts, before, None)
        elif roll < 0.72:
            self._row(table, commit_ts, before, self._image(table, None))
        else:
            self._row(table, commit_ts, before, self._image(table, before))

    def _image(self, table: _Table, before: tuple[Cell, ...] | None) -> tuple[Cell, ...]:
        """A new row with a new key, or the row `before` with some other values."""
        table.keys += before is None
        cells = []
        for index, column in enumerate(table.columns):
            if column.key:
                cells.append(before[index] if before is not None else self._key(table, column))
            elif before is not None and self._rng.random() < 0.5:
                cells.append(before[index])
            elif column.nullable and self._rng.random() < 0.15:
                cells.append(NULL)
            else:
                cells.append(column.kind.make(self._rng))
        return tuple(cells)

    def _key(self, table: _Table, column: Col) -> Cell:
        if column.kind is KINDS["varchar"]:
            return plain(f"{text(self._rng).canal}#{table.keys}")
        if column.kind is KINDS["ubigint"]:
            return plain(str(2**64 - table.keys if table.keys % 3 == 0 else table.keys))
        return plain(str(table.keys if column.name != "line" else table.keys % 7))

    def _row(
        self, table: _Table, commit_ts: int, before: tuple[Cell, ...] | None, after: tuple[Cell, ...] | None
    ) -> None:
        if before is not None:
            table.live.pop(table.key(before), None)
        if after is not None:
            table.live[table.key(after)] = after
        rows = self._wanted[table.name][-1].rows
        if before is not None and after is not None and table.key(before) == table.key(after):
            rows.append(WantedRow("U", commit_ts, after, before))
        else:
            if before is not None:
                rows.append(WantedRow("D", commit_ts, before))
            if after is not None:
                rows.append(WantedRow("I", commit_ts, after))
        self._made += 1
        line = self._row_line(table, commit_ts, before, after)
        self._window.setdefault(table.name, []).append((commit_ts, line))

    def _row_line(
        self, table: _Table, commit_ts: int, before: tuple[Cell, ...] | None, after: tuple[Cell, ...] | None
    ) -> bytes:
        kind = "UPDATE" if before and after else "INSERT" if after else "DELETE"
        data = after or before or ()
        old = None
        if before is not None and after is not None:
            changed_only = self._rng.random() < 0.5
            pairs = zip(table.columns, before, after, strict=True)
            old = [{c.name: b.canal for c, b, a in pairs if not changed_only or b != a}]
        columns = table.columns
        return self._message(
            table.name,
            commit_ts,
            kind,
            pkNames=[column.name for column in columns if column.key],
            sqlType={c.name: c.kind.java_type(cell) for c, cell in zip(columns, data, strict=True)},
            mysqlType={column.name: column.kind.mysql_type for column in columns},
            old=old,
            data=[{c.name: cell.canal for c, cell in zip(columns, data, strict=True)}],
        )

    def _message(self, name: Name, commit_ts: int, kind: str, **more: Any) -> bytes:
        message: dict[str, Any] = {"id": 0, "database": name[0], "table": name[1], "pkNames": None, "isDdl": False}
        message |= {"type": kind, "es": commit_ts >> 18, "ts": (commit_ts >> 18) + 7, "sql": "", "sqlType": None}
        message |= {"mysqlType": None, "old": None, "data": None, "_tidb": {"commitTs": commit_ts}}
        return json.dumps(message | more, ensure_ascii=self._rng.random() < 0.5).encode() + b"\n"

    # -- what stands between rows

    def _close_window(self, *, watermark: bool) -> None:
        """Sends the window's rows: each table in order, the tables out of step; some of them once more."""
        queues = {name: deque(rows) for name, rows in self._window.items()}
        while queues:
            name = self._rng.choice(sorted(queues))
            for _ in range(min(len(queues[name]), self._rng.randint(1, 25))):
                self._lines.append(queues[name].popleft()[1])
            if not queues[name]:
                del queues[name]
        for rows in self._window.values():
            if self._rng.random() < 0.1:
                self._rewind(rows)
        self._watermarked.extend(line for rows in self._window.values() for _, line in rows[-5:])
        self._window = {}
        if watermark:
            self._watermark()

    def _rewind(self, rows: Sequence[tuple[int, bytes]]) -> None:
        """A consumer that resumes is sent a table's last transactions again, from the start of one, to the end."""
        starts = sorted({commit_ts for commit_ts, _ in rows})[-4:-1]
        if starts:
            again = [line for commit_ts, line in rows if commit_ts >= self._rng.choice(starts[:1])]
            self._lines.extend(again)
            self._repeats += len(again)

    def _watermark(self) -> None:
        line = self._message(("", ""), self._ts, "TIDB_WATERMARK", _tidb={"watermarkTs": self._ts})
        self._lines.append(line)
        if self._watermarked and self._rng.random() < 0.2:
            again = self._rng.sample(list(self._watermarked), k=min(5, len(self._watermarked)))
            self._lines.extend(again)
            self._repeats += len(again)
        if self._sent_ddls and self._rng.random() < 0.05:
            self._lines.append(self._rng.choice(self._sent_ddls))

    def _ddl(self, name: Name, kind: str, sql: str) -> int:
        commit_ts = self._tick()
        line = self._message(name, commit_ts, kind, isDdl=True, sql=sql)
        self._lines += [line, line] if self._rng.random() < 0.3 else [line]
        self._sent_ddls.append(line)
        self._ddls += 1
        return commit_ts

    # -- the DDLs

    def _steps(self) -> Iterator[None]:
        for kind, name, *more in self._todo:
            getattr(self, f"_step_{kind}")(name, *more)
            yield

    def _step_create_database(self, name: Name) -> None:
        sql = f"CREATE DATABASE `{name[0]}`"
        self._databases.append((name[0], self._ddl(name, "QUERY", sql), sql, 1))

    def _step_create(self, name: Name, columns: tuple[Col, ...]) -> None:
        keys = ", ".join(f"`{c.name.replace('`', '``')}`" for c in columns if c.key)
        body = ",\n  ".join(column.ddl for column in columns)
        comment = "semi; 'colon' and ) -- no comment"
        sql = f'CREATE TABLE {_quoted(name)} (\n  {body},\n  PRIMARY KEY ({keys}) /* it\'s */\n) COMMENT = "{comment}"'
        self._new_version(name, "CREATE", sql, 3, _Table(name, columns))

    def _step_create_like(self, name: Name, model: Name) -> None:
        sql = f"create table {_quoted(name)} like {_quoted(model)}"
        self._new_version(name, "CREATE", sql, 3, _Table(name, self._tables[model].columns))

    def _step_alter(self, name: Name, spec: str, number: int, columns: tuple[Col, ...]) -> None:
        """`columns` is the table after it: a column that stays keeps its values, a new one has its default."""
        table = self._tables[name]
        kept = {column.name: index for index, column in enumerate(table.columns)}
        origin = {c.name: c.name if c.name in kept else _RENAMED.get(c.name) for c in columns}

        def moved(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
            return tuple(cells[kept[old]] if (old := origin[c.name]) in kept else c.default for c in columns)

        live = {key: moved(cells) for key, cells in table.live.items()}
        kind = "CINDEX" if number == 7 else "ALTER"
        sql = f"ALTER TABLE {_quoted(name)} {spec}"
        self._new_version(name, kind, sql, number, _Table(name, columns, live, table.keys))

    def _step_truncate(self, name: Name) -> None:
        table = self._tables[name]
        sql = f"TRUNCATE TABLE {_quoted(name)}"
        self._new_version(name, "TRUNCATE", sql, 11, _Table(name, table.columns, keys=table.keys))

    def _step_rename(self, name: Name, to: Name) -> None:
        table = self._tables.pop(name)
        sql = f"RENAME TABLE {_quoted(name)} TO {_quoted(to)}"
        self._new_version(to, "RENAME", sql, 14, _Table(to, table.columns, table.live, table.keys))

    def _step_drop(self, name: Name) -> None:
        self._new_version(name, "ERASE", f"DROP TABLE {_quoted(name)}", 4, self._tables[name])
        del self._tables[name]

    def _new_version(self, name: Name, kind: str, sql: str, number: int, table: _Table) -> None:
        commit_ts = self._ddl(name, kind, sql)
        self._tables[name] = table
        self._wanted.setdefault(name, []).append(WantedVersion(commit_ts, sql, number, table.columns))


_RENAMED = {"town": "city", "level": "lev"}
_EMAIL = Col("email", KINDS["varchar"], nullable=False, default=plain("none"))
_C, _O, _I, _E = (COLUMNS[name] for name in (CUSTOMERS, ORDERS, ITEMS, EVENTS))
_WITH_EMAIL = (*_C[:2], _EMAIL, *_C[2:])
_WITH_TOWN = tuple(Col("town", c.kind) if c.name == "city" else c for c in _WITH_EMAIL)
_STEPS: tuple[tuple[Any, ...], ...] = (
    ("create_database", ("shop", "")),
    *(("create", name, COLUMNS[name]) for name in (CUSTOMERS, ORDERS, ITEMS, EVENTS, BLOBS, WEIRD)),
    ("alter", CUSTOMERS, "ADD COLUMN `email` VARCHAR(2000) NOT NULL DEFAULT 'none' AFTER `name`", 5, _WITH_EMAIL),
    ("create_like", COPY, ORDERS),
    (
        *("alter", ORDERS, "MODIFY COLUMN note MEDIUMTEXT", 12),
        tuple(Col("note", KINDS["mediumtext"]) if c.name == "note" else c for c in _O),
    ),
    ("alter", ITEMS, "DROP COLUMN `flags`", 6, tuple(c for c in _I if c.name != "flags")),
    ("truncate", BLOBS),
    ("alter", CUSTOMERS, "RENAME COLUMN city TO town", 12, _WITH_TOWN),
    ("rename", EVENTS, HISTORY),
    ("alter", CUSTOMERS, "ADD INDEX by_town (town(10))", 7, _WITH_TOWN),
    (
        *("alter", HISTORY, "CHANGE COLUMN `lev` `level` DOUBLE", 12),
        tuple(Col("level", KINDS["double"]) if c.name == "lev" else c for c in _E),
    ),
    ("drop", COPY),
    ("create", COPY, RECREATED),
)
_SMALL_STEPS = (
    *(("create", name, COLUMNS[name]) for name in (ORDERS, BLOBS)),
    next(step for step in _STEPS if step[:2] == ("alter", ORDERS)),
    ("truncate", BLOBS),
    ("rename", ORDERS, COPY),
)
