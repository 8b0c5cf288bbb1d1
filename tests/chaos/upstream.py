"""A database that writes a change log: rows, transactions over tables, partitions, and DDL of every kind."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.wanted import Change, Statement, Wanted
from tests.support.canal import ddl, ids, row, watermark

DATABASE = "shop"
PARTITIONS = (101, 102, 103)
_WORDS = ("", "plain", 'a "quoted" word', "comma, and\r\nline", "Jūlija Chloé", "\\N", "back\\slash", "x" * 120)


@dataclass
class _Table:
    name: str
    columns: list[str] = field(default_factory=lambda: ["id", "seq", "v"])
    partitions: tuple[int | None, ...] = (None,)
    rows: dict[int, dict[str, str | None]] = field(default_factory=dict)
    homes: dict[int, int | None] = field(default_factory=dict)

    @property
    def types(self) -> dict[str, str]:
        return {name: "varchar" if name == "v" else "bigint" for name in self.columns}


class Upstream:
    """Owns the folder of the log: it grows a file at a time, and whoever reads it prunes it. `wanted` is all of it.

    Every change has a number of its own (`seq`), so that no two changes of a table are equal.
    """

    def __init__(self, random: Random, folder: Path, *, tables: int, partitioned: bool, packed: bool) -> None:
        folder.mkdir(parents=True)
        self.wanted = Wanted()
        self._random = random
        self._folder = folder
        self._packed = packed
        self._ts = 1_000
        self._seq = 0
        self._parts = 0
        self._names = 0
        self._lines: list[bytes] = []
        self._tables: list[_Table] = []
        self._dropped: list[str] = []
        for _ in range(tables):
            self._create()
        if partitioned:
            self._create(PARTITIONS)

    @property
    def path(self) -> str:
        """What a `change_log` reads."""
        return str(self._folder / "part-*")

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder

    def grow(self, transactions: int, ddls: int) -> None:
        """One more file: that many transactions, with DDLs among them, and watermarks."""
        at = sorted(self._random.sample(range(transactions), min(ddls, transactions)))
        for number in range(transactions):
            if number in at:
                self._statement()
            self._transaction()
            if self._random.random() < 0.1:
                self._watermark()
        self._watermark()
        self._parts += 1
        name = f"part-{self._parts:06}-{self._ts:020}.jsonl"
        data = b"".join(line + b"\n" for line in self._lines)
        new = self._folder / f".{name}"
        new.write_bytes(gzip.compress(data, 1) if self._packed else data)
        new.rename(self._folder / name)
        self._lines.clear()

    def _next(self) -> int:
        self._ts += self._random.randrange(1, 9)
        self.wanted.last = self._ts
        return self._ts

    def _watermark(self) -> None:
        self._lines.append(watermark(self._next()))

    def _transaction(self) -> None:
        commit_ts = self._next()
        for table in self._random.sample(self._tables, self._random.randint(1, min(3, len(self._tables)))):
            touched: set[int] = set()
            for _ in range(self._random.randint(1, 8)):
                self._change(table, commit_ts, touched)

    def _change(self, table: _Table, commit_ts: int, touched: set[int]) -> None:
        """One change; a transaction touches a row once."""
        self._seq += 1
        free = [key for key in table.rows if key not in touched] if self._random.random() < 0.4 else []
        if not free:
            key = self._seq
            table.homes[key] = self._random.choice(table.partitions)
            table.rows[key] = self._values(table, key)
            self._write(table, commit_ts, "I", key, None)
        else:
            key = self._random.choice(free)
            if self._random.random() < 0.7:
                old, table.rows[key] = table.rows[key], self._values(table, key)
                self._write(table, commit_ts, "U", key, old)
            else:
                # A delete has a number too: nobody looks whether the row was so.
                table.rows[key] = table.rows[key] | {"seq": str(self._seq)}
                self._write(table, commit_ts, "D", key, None)
                del table.rows[key]
        touched.add(key)

    def _values(self, table: _Table, key: int) -> dict[str, str | None]:
        values: dict[str, str | None] = {"id": str(key), "seq": str(self._seq), "v": self._random.choice(_WORDS)}
        for name in table.columns[3:]:
            values[name] = self._random.choice((None, "7"))
        return values

    def _write(self, table: _Table, commit_ts: int, op: str, key: int, old: dict[str, str | None] | None) -> None:
        values, partition = table.rows[key], table.homes[key]
        old_now = None if old is None else {name: old.get(name) for name in table.columns}
        kind = {"I": "INSERT", "U": "UPDATE", "D": "DELETE"}[op]
        self._lines.append(
            row(table.name, commit_ts, values, old=old_now, kind=kind, types=table.types, partition=partition)
        )
        told = tuple(values.get(name) for name in table.columns)
        self.wanted.add((DATABASE, table.name), partition, Change(op, commit_ts, told))

    def _statement(self) -> None:
        """A DDL. Tables with partitions have none but their first: the log would have to tell new ids."""
        plain = [table for table in self._tables if table.partitions == (None,)]
        table = self._random.choice(plain)
        kinds = ["alter", "alter", "alter", "truncate", "rename", "create"]
        if len(plain) > 1:
            kinds.append("drop")
        match self._random.choice(kinds):
            case "alter":
                name = f"c{len(table.columns)}"
                self._tell(f"ALTER TABLE {table.name} ADD COLUMN {name} BIGINT", table.name)
                table.columns.append(name)
                for values in table.rows.values():
                    values[name] = None
            case "truncate":
                self._tell(f"TRUNCATE TABLE {table.name}", table.name)
                table.rows.clear()
            case "rename":
                self._names += 1
                new = f"t{self._names}"
                self._tell(f"RENAME TABLE {table.name} TO {new}", table.name, new)
                table.name = new
            case "drop":
                self._tell(f"DROP TABLE {table.name}", table.name)
                self._tables.remove(table)
                self._dropped.append(table.name)
            case "create":
                self._create()

    def _create(self, partitions: tuple[int | None, ...] = (None,)) -> None:
        if self._dropped and partitions == (None,):
            name = self._dropped.pop()
        else:
            self._names += 1
            name = f"t{self._names}"
        sql = f"CREATE TABLE {name} (id BIGINT PRIMARY KEY, seq BIGINT, v VARCHAR(200))"
        if partitions == (None,):
            self._tell(sql, name)
        else:
            told = ids(name, 100, *PARTITIONS, columns=("id", "seq", "v"))
            self._tell(f"{sql} PARTITION BY HASH (id) PARTITIONS 3", name, told=[told])
        self._tables.append(_Table(name, partitions=partitions))

    def _tell(self, sql: str, *names: str, told: Sequence[Mapping[str, Any]] = ()) -> None:
        commit_ts = self._next()
        self._lines.append(ddl(commit_ts, sql, tables=told))
        self.wanted.statements.append(Statement(commit_ts, sql, tuple((DATABASE, name) for name in names)))
