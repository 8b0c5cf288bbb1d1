"""The target's own tables: how far each series was applied, and what each table looks like.

Versions are text there: a commit-ts has up to 64 bits, which not every database's integers have.
"""

from __future__ import annotations

from collections.abc import Mapping

from afterbay.errors import RunFailed
from afterbay.printable import visible
from afterbay.schema import TableName
from afterbay_nodes.apply.partitions import Partitioning
from afterbay_nodes.apply.sql_dialect import SqlDialect
from afterbay_nodes.apply.states import APPLIED, DDLS, TABLES, SeriesMark, TableState, columns_of

_COLUMNS = {
    APPLIED: "source {text} NOT NULL, series {text} NOT NULL, number BIGINT NOT NULL, cut_rows BIGINT NOT NULL, "
    "PRIMARY KEY (source, series)",
    DDLS: "source {text} NOT NULL, owner {text} NOT NULL, version {text} NOT NULL, PRIMARY KEY (source, owner)",
    TABLES: "schema_name {text} NOT NULL, table_name {text} NOT NULL, source {text} NOT NULL, version {text} NOT NULL, "
    "target_name {text} NOT NULL, columns_json {text}, partitions_json {text}, PRIMARY KEY (schema_name, table_name)",
}


class SqlNotes(SqlDialect):
    """Reads and writes the target's own tables, inside whatever transaction is open."""

    def prepare(self) -> None:
        """Makes the own tables if they are not there."""
        for name, columns in _COLUMNS.items():
            self.run(f"CREATE TABLE IF NOT EXISTS {name} ({columns.format(text=self.text_type)})")

    def series(self, source: str) -> Mapping[str, SeriesMark]:
        """How far each series of `source` was applied."""
        found = self.rows(f"SELECT series, number, cut_rows FROM {APPLIED} WHERE source = ?", (source,))
        return {series: SeriesMark(number, rows) for series, number, rows in found}

    def ddls(self, source: str) -> Mapping[str, int]:
        """The last schema version of each owner of `source`."""
        found = self.rows(f"SELECT owner, version FROM {DDLS} WHERE source = ?", (source,))
        return {owner: int(version) for owner, version in found}

    def tables(self) -> Mapping[TableName, TableState]:
        """Every table that was made here, dropped ones included, of all sources."""
        found = self.rows(
            f"SELECT schema_name, table_name, source, version, columns_json, partitions_json FROM {TABLES}"
        )
        states = (
            TableState(
                TableName(schema, table), source, int(version), columns_of(columns), Partitioning.from_json(parts)
            )
            for schema, table, source, version, columns, parts in found
        )
        return {state.name: state for state in states}

    def advance(self, source: str, series: str, before: SeriesMark, after: SeriesMark) -> None:
        """Moves a series' mark; refuses if it is not where it was read (two at work on one target)."""
        place = (source, series)
        if not self.rows(f"SELECT 1 FROM {APPLIED} WHERE source = ? AND series = ?", place):
            self.run(f"INSERT INTO {APPLIED} VALUES (?, ?, 0, 0)", place)
        touched = self.run(
            f"UPDATE {APPLIED} SET number = ?, cut_rows = ? "
            "WHERE source = ? AND series = ? AND number = ? AND cut_rows = ?",
            (after.number, after.rows, *place, before.number, before.rows),
        )
        if touched != 1:
            raise self._moved(f"series '{visible(series)}'")

    def raise_ddls(self, source: str, owners: Mapping[str, int | None], version: int) -> None:
        """The DDLs of `owners`, each at the version that was read before (None: none), are applied up to `version`.

        Refuses if one is elsewhere: a TRUNCATE that another one at work has done would take the rows behind it.
        """
        for owner, before in owners.items():
            place = (source, owner)
            noted = self.rows(f"SELECT version FROM {DDLS} WHERE source = ? AND owner = ?", place)
            if before is None and not noted:
                self.run(f"INSERT INTO {DDLS} VALUES (?, ?, ?)", (*place, str(version)))
                continue
            touched = self.run(
                f"UPDATE {DDLS} SET version = ? WHERE source = ? AND owner = ? AND version = ?",
                (str(version), *place, str(before)),
            )
            if touched != 1:
                raise self._moved(f"'{visible(owner)}'")

    def _moved(self, what: str) -> RunFailed:
        return RunFailed(
            "apply.concurrent",
            f"{what} moved in {self.display} while it was being applied",
            hint="let one `afterbay apply` at a time work on a target",
        )

    def forget(self, name: TableName) -> None:
        """A name was never a table's."""
        self.run(f"DELETE FROM {TABLES} WHERE schema_name = ? AND table_name = ?", tuple(name))

    def remember(self, state: TableState) -> None:
        """What a table looks like from now on. `target_name` is for people: the name that it has here."""
        name = state.name
        parts = None if state.partitions is None else state.partitions.to_json()
        values = (name.schema, name.table, state.source, str(state.version), self.bare(name))
        self.forget(name)
        self.run(f"INSERT INTO {TABLES} VALUES (?, ?, ?, ?, ?, ?, ?)", (*values, state.columns_json(), parts))
