"""The DDLs and schemas of the `demo` bank: which there are, in what order, and what each table looks like after any.

DDLs come in cycles of eight. Four concern one accounts table and travel in band; four concern side tables and are
graph-wide, but for the creation of a table. None of them touches a balance.
"""

from __future__ import annotations

from enum import IntEnum

from afterbay.messages import DdlKind, SchemaChange, TableChange
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.sources.bank import Bank, creation_ts

_ID = Column("id", "bigint", length=20, nullable=False, primary_key=True, id=1)
_ACCOUNT = (
    _ID,
    Column("owner", "varchar", length=64, nullable=False, id=2),
    Column("balance", "bigint", length=20, nullable=False, id=3),
)
_TIER = Column("tier", "int", length=11, nullable=False, default="1", id=4)
_AUDIT = (_ID, Column("message", "varchar", length=64, id=2))
_ACCOUNT_SQL = "(`id` BIGINT NOT NULL PRIMARY KEY, `owner` VARCHAR(64) NOT NULL, `balance` BIGINT NOT NULL)"
_AUDIT_SQL = "(`id` BIGINT NOT NULL PRIMARY KEY, `message` VARCHAR(64))"
_FIRST_AUDIT_ID = 1_000_000
_FIRST_NOTICE_ID = 2_000_000


class Turn(IntEnum):
    """The eight DDLs of a cycle."""

    ADD_COLUMN = 0
    CREATE_INDEX = 1
    RENAME_AUDIT = 2
    CREATE_NOTICE = 3
    DROP_COLUMN = 4
    TRUNCATE_AUDIT = 5
    DROP_NOTICE = 6
    DROP_INDEX = 7


_OF_ACCOUNTS = (Turn.DROP_INDEX, Turn.DROP_COLUMN, Turn.CREATE_INDEX, Turn.ADD_COLUMN)
_OF_AUDIT = (Turn.TRUNCATE_AUDIT, Turn.RENAME_AUDIT)
_CYCLE = len(Turn)


class BankDdl:
    """The schema history of one bank. Everything is a function of how many DDLs were done; nothing is remembered."""

    def __init__(self, bank: Bank, partition: str, database: str) -> None:
        self._bank = bank
        self._partition = partition
        self._database = database

    def commit_ts(self, ddl: int) -> int:
        """The commit-ts of the `ddl`-th DDL, counted from 1: right behind its stride."""
        return self._bank.stride_end_ts(ddl * self._bank.strides_per_ddl) + 1

    def creations(self) -> list[SchemaChange]:
        """The database and its first tables, before the opening."""
        database = self._quoted(self._database)
        out = [
            SchemaChange(
                self._partition,
                creation_ts(0),
                DdlKind.CREATE_SCHEMA,
                f"CREATE DATABASE {database}",
                database=self._database,
            )
        ]
        for table in range(self._bank.tables):
            schema = self.accounts(table, 0)
            out.append(self._created(schema, f"CREATE TABLE {self._named(schema)} {_ACCOUNT_SQL}"))
        audit = self.audit(0)
        out.append(self._created(audit, f"CREATE TABLE {self._named(audit)} {_AUDIT_SQL}"))
        return out

    def accounts(self, table: int, done: int) -> TableSchema:
        """An accounts table after `done` DDLs."""
        cycle, turn = self._last(done, _OF_ACCOUNTS, table)
        version = creation_ts(1 + table) if cycle is None else self.commit_ts(cycle * _CYCLE + turn + 1)
        tiered = cycle is not None and turn in (Turn.ADD_COLUMN, Turn.CREATE_INDEX)
        return TableSchema(
            TableName(self._database, f"accounts_{table}"),
            version,
            (*_ACCOUNT, _TIER) if tiered else _ACCOUNT,
            table_id=1 + table,
        )

    def audit(self, done: int) -> TableSchema:
        """The audit table after `done` DDLs. A rename gives it a new name, a truncate a new id."""
        cycle, turn = self._last(done, _OF_AUDIT)
        if cycle is None:
            version, renames, truncates = creation_ts(1 + self._bank.tables), 0, 0
        else:
            version = self.commit_ts(cycle * _CYCLE + turn + 1)
            renames = cycle + 1
            truncates = cycle + (turn == Turn.TRUNCATE_AUDIT)
        name = TableName(self._database, f"audit_{renames}" if renames else "audit")
        return TableSchema(name, version, _AUDIT, table_id=_FIRST_AUDIT_ID + truncates)

    def change(self, ddl: int) -> SchemaChange:
        """The `ddl`-th DDL, counted from 1."""
        cycle, turn = divmod(ddl - 1, _CYCLE)
        match Turn(turn):
            case Turn.RENAME_AUDIT:
                before, after = self.audit(ddl - 1), self.audit(ddl)
                query = f"RENAME TABLE {self._named(before)} TO {self._named(after)}"
                return self._changed(ddl, DdlKind.RENAME_TABLE, query, before, after)
            case Turn.TRUNCATE_AUDIT:
                before, after = self.audit(ddl - 1), self.audit(ddl)
                return self._changed(
                    ddl, DdlKind.TRUNCATE_TABLE, f"TRUNCATE TABLE {self._named(before)}", before, after
                )
            case Turn.CREATE_NOTICE:
                notice = self._notice(cycle)
                return self._created(notice, f"CREATE TABLE {self._named(notice)} {_AUDIT_SQL}")
            case Turn.DROP_NOTICE:
                notice = self._notice(cycle)
                return self._changed(ddl, DdlKind.DROP_TABLE, f"DROP TABLE {self._named(notice)}", notice, None)
            case of_accounts:
                return self._accounts_change(ddl, of_accounts, cycle % self._bank.tables)

    def _accounts_change(self, ddl: int, turn: Turn, table: int) -> SchemaChange:
        before, after = self.accounts(table, ddl - 1), self.accounts(table, ddl)
        kind, query = {
            Turn.ADD_COLUMN: (
                DdlKind.ADD_COLUMN,
                f"ALTER TABLE {self._named(before)} ADD COLUMN `tier` INT NOT NULL DEFAULT 1",
            ),
            Turn.CREATE_INDEX: (DdlKind.ADD_INDEX, f"CREATE INDEX `by_owner` ON {self._named(before)} (`owner`)"),
            Turn.DROP_COLUMN: (DdlKind.DROP_COLUMN, f"ALTER TABLE {self._named(before)} DROP COLUMN `tier`"),
            Turn.DROP_INDEX: (DdlKind.DROP_INDEX, f"DROP INDEX `by_owner` ON {self._named(before)}"),
        }[turn]
        return self._changed(ddl, kind, query, before, after)

    def _notice(self, cycle: int) -> TableSchema:
        version = self.commit_ts(cycle * _CYCLE + Turn.CREATE_NOTICE + 1)
        return TableSchema(
            TableName(self._database, f"notice_{cycle}"), version, _AUDIT, table_id=_FIRST_NOTICE_ID + cycle
        )

    def _last(self, done: int, turns: tuple[Turn, ...], table: int | None = None) -> tuple[int | None, int]:
        """(cycle, turn) of the latest of `turns` (latest first) among the first `done` DDLs, of `table` if given."""
        if done == 0:
            return None, 0
        cycle, reached = divmod(done - 1, _CYCLE)
        if table is not None and (behind := (cycle - table) % self._bank.tables):
            cycle, reached = cycle - behind, _CYCLE
        for back in (0, 1 if table is None else self._bank.tables):
            for turn in turns:
                if cycle - back >= 0 and (back or turn <= reached):
                    return cycle - back, turn
        return None, 0

    def _created(self, schema: TableSchema, query: str) -> SchemaChange:
        table = TableChange(None, None, str(schema.name), schema)
        return SchemaChange(self._partition, schema.version, DdlKind.CREATE_TABLE, query, (table,))

    def _changed(
        self, ddl: int, kind: DdlKind, query: str, before: TableSchema, after: TableSchema | None
    ) -> SchemaChange:
        table = TableChange(str(before.name), before, None if after is None else str(after.name), after)
        return SchemaChange(self._partition, self.commit_ts(ddl), kind, query, (table,))

    def _named(self, schema: TableSchema) -> str:
        return f"{self._quoted(schema.name.schema)}.{self._quoted(schema.name.table)}"

    @staticmethod
    def _quoted(name: str) -> str:
        return "`" + name.replace("`", "``") + "`"
