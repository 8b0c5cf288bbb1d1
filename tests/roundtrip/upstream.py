"""A source database, small enough to be right by reading it: what its tables hold, and the change log that it sends.

Each step does two things that know nothing of each other: it changes rows that are kept here as plain values, and it
writes the lines that TiCDC would send. So what a copy must hold is known without any reader of a log or of a store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from afterbay.schema import Column
from tests.support import canal

START = 1_767_225_600_000 << 18
"""The first commit-ts: a TSO of January 2026, which no double holds."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Col:
    """A column: `sql` as its definition says it, `facts` as its values are to be compared."""

    name: str
    sql: str
    facts: Column

    @classmethod
    def of(cls, name: str, sql: str, elements: tuple[str, ...] = ()) -> Col:
        """By its definition: `BIGINT UNSIGNED NOT NULL`, say."""
        words = sql.lower().replace("(", " ").split()
        return cls(name, sql, Column(name, words[0], unsigned="unsigned" in words, elements=elements))

    def renamed(self, name: str) -> Col:
        """The same under another name."""
        return Col(name, self.sql, replace(self.facts, name=name))

    @property
    def is_virtual(self) -> bool:
        """True for a generated column that no row carries."""
        return self.sql.upper().endswith(" VIRTUAL")

    @property
    def short(self) -> str:
        """Its type as a row message says it."""
        return f"{self.facts.type}{' unsigned' if self.facts.unsigned else ''}"

    def told(self, value: Any) -> str | None:
        """A value as a row message carries it."""
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if isinstance(value, float):
            return _plain(value)
        return str(value)


def cols(text: str) -> list[Col]:
    """`id BIGINT NOT NULL, v VARCHAR(10)`: columns whose definitions have no comma."""
    return [Col.of(*one.strip().split(" ", 1)) for one in text.split(", ")]


@dataclass
class Table:
    """One table. A row's key is `key`; `log` has every change, which is what a copy keeps of a table without one.

    `parts` are the partitions by name, with their ids; `part_of` says in which a row is.
    """

    name: str
    columns: list[Col]
    key: tuple[str, ...]
    id: int
    rows: list[Row] = field(default_factory=list)
    log: list[tuple[str, int | None, Row]] = field(default_factory=list)
    parts: dict[str, int] = field(default_factory=dict)
    part_of: Callable[[Row], str] | None = None
    column_ids: dict[str, int] = field(default_factory=dict)

    @property
    def stored(self) -> list[Col]:
        """The columns that rows carry."""
        return [column for column in self.columns if not column.is_virtual]

    def all_rows(self) -> Iterator[Row]:
        """Every row that is kept here, of the log too."""
        yield from self.rows
        yield from (row for _, _, row in self.log)

    def find(self, key: Mapping[str, Any]) -> Row:
        """The one row that has these values."""
        (found,) = [row for row in self.rows if all(row[name] == value for name, value in key.items())]
        return found

    # -- what DDLs do to columns and rows

    def number_columns(self) -> None:
        """A new column gets the next id."""
        for column in self.columns:
            self.column_ids.setdefault(column.name, max(self.column_ids.values(), default=0) + 1)

    def add(self, column: Col, value: Any = None, at: int | None = None) -> None:
        """A new column, with what the rows that are there have in it."""
        self.columns.insert(len(self.columns) if at is None else at, column)
        for row in self.all_rows():
            row[column.name] = value

    def drop(self, name: str) -> None:
        """A column less."""
        self.columns = [column for column in self.columns if column.name != name]
        self.column_ids.pop(name, None)
        for row in self.all_rows():
            row.pop(name)

    def change(self, name: str, column: Col, convert: Callable[[Any], Any] = lambda value: value) -> None:
        """A column becomes another: its name, its type, its values."""
        self.columns = [column if old.name == name else old for old in self.columns]
        self.column_ids = {column.name if old == name else old: number for old, number in self.column_ids.items()}
        for row in self.all_rows():
            value = row.pop(name)
            row[column.name] = None if value is None else convert(value)

    def rekey(self, *key: str) -> None:
        """Another primary key. One that goes leaves the rows as the first of the log, one that comes ends the log."""
        self.key = key
        self.log = [] if key else [("I", None, dict(row)) for row in self.rows]

    def empty(self, *parts: str) -> None:
        """No rows, or none of some partitions."""
        assert self.part_of is not None or not parts
        self.rows = [row for row in self.rows if parts and self.part_of is not None and self.part_of(row) not in parts]
        self.log = []


class Upstream:
    """The database. `lines` is its change log so far; `tables` what it holds, by `schema.table`.

    `unheard` are tables that went with their database.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.tables: dict[str, Table] = {}
        self.unheard: dict[str, Table] = {}
        self._ts = START
        self._id = 100
        self._held = False
        self._updates = 0

    def table(self, name: str) -> Table:
        """A table that is there."""
        return self.tables[name]

    def next_id(self) -> int:
        """An id that no table and no partition has had."""
        self._id += 1
        return self._id

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes in it have one commit-ts."""
        self._tick()
        self._held = True
        yield
        self._held = False

    def watermark(self) -> None:
        """Nothing at or below this will come any more."""
        self._tick()
        self.lines.append(canal.watermark(self._ts))

    @property
    def middle(self) -> int:
        """A commit-ts in the middle of the log."""
        return (START + self._ts) // 2

    # -- rows

    def insert(self, name: str, *rows: Sequence[Any]) -> None:
        """Rows by the values of their stored columns."""
        table = self.table(name)
        for values in rows:
            row = dict(zip((column.name for column in table.stored), values, strict=True))
            self._tick()
            table.rows.append(row)
            self._say(table, "I", row)

    def update(self, name: str, key: Mapping[str, Any], **changes: Any) -> None:
        """One row changes; the log tells all old values, or only those that differ, in turn."""
        table = self.table(name)
        row = table.find(key)
        before = dict(row)
        self._tick()
        row |= changes
        if table.part_of is not None and table.part_of(row) != table.part_of(before):
            self._say(table, "D", before)
            self._say(table, "I", row)
        else:
            self._updates += 1
            old = before if self._updates % 2 else {name: before[name] for name in changes}
            self._say(table, "U", row, old)

    def delete(self, name: str, **key: Any) -> None:
        """One row goes."""
        table = self.table(name)
        row = table.find(key)
        self._tick()
        table.rows.remove(row)
        self._say(table, "D", row)

    # -- statements

    def ddl(self, sql: str, *told: str, effect: Callable[[], object] = lambda: None, database: str = "shop") -> None:
        """A statement. `told` are the tables whose ids the log tells, as they are after `effect`.

        Between any two statements a table that none of them concerns gets a row.
        """
        self._tick()
        effect()
        for name in told:
            self.table(name).number_columns()
        self.lines.append(canal.ddl(self._ts, sql, database=database, tables=[self._ids(name) for name in told]))
        if "live.steps" in self.tables:
            self.insert("live.steps", (len(self.table("live.steps").rows), sql))

    def create(
        self,
        name: str,
        columns: Sequence[Col] | str,
        *key: str,
        sql: str | None = None,
        parts: Sequence[str] = (),
        part_of: Callable[[Row], str] | None = None,
        division: str = "",
    ) -> None:
        """CREATE TABLE, with its statement from the columns unless `sql` is it."""
        made = cols(columns) if isinstance(columns, str) else list(columns)
        definitions = [f"{_quoted(column.name)} {column.sql}" for column in made]
        if key:
            definitions.append(f"PRIMARY KEY ({', '.join(map(_quoted, key))})")
        sql = sql or f"CREATE TABLE {_dotted(name)} ({', '.join(definitions)}) {division}".strip()
        self.ddl(sql, name, effect=lambda: self.make(name, made, key, parts, part_of))

    def make(
        self,
        name: str,
        columns: Sequence[Col],
        key: tuple[str, ...],
        parts: Sequence[str] = (),
        part_of: Callable[[Row], str] | None = None,
    ) -> None:
        """What any CREATE does."""
        assert name not in self.tables
        ids = {part: self.next_id() for part in parts}
        self.tables[name] = Table(name, list(columns), key, self.next_id(), parts=ids, part_of=part_of)

    def renew(self, name: str, *parts: str) -> None:
        """What a TRUNCATE does: no rows and new ids, of the table or of some partitions."""
        table = self.table(name)
        table.empty(*parts)
        for part in parts or table.parts:
            table.parts[part] = self.next_id()
        if not parts:
            table.id = self.next_id()

    def rename(self, *pairs: tuple[str, str]) -> None:
        """Tables under other names, one after the other."""
        for old, new in pairs:
            assert new not in self.tables
            self.tables[new] = self.tables.pop(old)
            self.tables[new].name = new

    def forget(self, *names: str) -> None:
        """Tables dropped."""
        for name in names:
            del self.tables[name]

    def forget_database(self, database: str) -> None:
        """A database dropped, with its tables."""
        for name in [name for name in self.tables if name.startswith(f"{database}.")]:
            self.unheard[name] = self.tables.pop(name)

    def exchange(self, parted: str, part: str, plain: str) -> None:
        """The rows of a partition and those of a table change places, and so do their ids."""
        one, other = self.table(parted), self.table(plain)
        assert one.part_of is not None
        mine = [row for row in one.rows if one.part_of(row) == part]
        one.rows = [row for row in one.rows if row not in mine] + other.rows
        other.rows = mine
        one.parts[part], other.id = other.id, one.parts[part]

    # -- lines

    def _tick(self) -> None:
        if not self._held:
            self._ts += 3

    def _ids(self, name: str) -> dict[str, Any]:
        table = self.table(name)
        schema, _, bare = name.partition(".")
        told = {"schema": schema, "table": bare, "tableId": table.id, "partitionIds": list(table.parts.values())}
        return told | {"columnIds": dict(table.column_ids)}

    def _say(self, table: Table, op: str, row: Row, old: Row | None = None) -> None:
        table.log.append((op, self._ts, dict(row)))
        schema, _, bare = table.name.partition(".")
        by_name = {column.name: column for column in table.stored}
        self.lines.append(
            canal.row(
                bare,
                self._ts,
                {name: column.told(row[name]) for name, column in by_name.items()},
                old=None if old is None else {name: by_name[name].told(value) for name, value in old.items()},
                kind={"I": "INSERT", "U": "UPDATE", "D": "DELETE"}[op],
                types={name: column.short for name, column in by_name.items()},
                key=list(table.key),
                database=schema,
                table_id=table.id,
                partition=None if table.part_of is None else table.parts[table.part_of(row)],
            )
        )


def _plain(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return format(Decimal(repr(value)), "f")


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _dotted(name: str) -> str:
    schema, _, bare = name.partition(".")
    return f"{_quoted(schema)}.{_quoted(bare)}"
