"""A target of temporary tables in a PostgreSQL session: what is applied there nobody else sees, and it ends with it."""

from __future__ import annotations

from dataclasses import replace

from afterbay.schema import TableName
from afterbay_nodes.apply.alteration import Alteration
from afterbay_nodes.apply.sql_dialect import quote
from afterbay_nodes.apply.states import REBUILT, TableState
from afterbay_nodes.apply.targets.postgres import PostgresTarget, cut
from afterbay_nodes.apply.type_table import Temporal


class TemporaryPostgres(PostgresTarget):
    """Every table is called `schema.table` in the session's own schema. The database's tables are read by `_there`."""

    def __init__(self, uri: str, display: str, temporal: Temporal) -> None:
        """Connects. Raises EnvironmentRefused if the server is out of reach, or the role may not make such tables."""
        super().__init__(uri, display, temporal)
        # Names without a schema, the target's own notes among them, are the session's.
        self.run("SET search_path = pg_temp")
        self.run("SET timezone = 'UTC'")
        self.run("CREATE TEMPORARY TABLE _afterbay_session ()")
        ((self._schema,),) = self.rows("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()")

    # -- the database's own tables

    def place_there(self, name: TableName) -> str:
        """A table of the database in SQL."""
        return super().place(name)

    def shape_there(self, name: TableName) -> dict[str, str] | None:
        """The columns of a table of the database. What it computes itself is no part of a copy."""
        computed = "SELECT a.attname FROM pg_attribute a WHERE a.attrelid = to_regclass(?) AND a.attgenerated <> ''"
        found = super().shape(name)
        left_out = {str(column) for (column,) in self.rows(computed, (self.place_there(name),))}
        return found and {column: kind for column, kind in found.items() if column not in left_out}

    # -- the session's

    def place(self, name: TableName) -> str:
        return super().place(self._here(name))

    def bare(self, name: TableName) -> str:
        return self._here(name).table

    def shape(self, name: TableName) -> dict[str, str] | None:
        return super().shape(self._here(name))

    def key_of(self, name: TableName) -> tuple[str, ...] | None:
        return super().key_of(self._here(name))

    def create_database(self, database: str) -> None:
        """All tables are in the session's one schema."""

    def drop_database(self, database: str) -> None:
        """All tables are in the session's one schema."""

    def rename(self, table: TableState, to: TableName) -> None:
        self.run(f"ALTER TABLE {self.place(table.name)} RENAME TO {quote(self.bare(to))}")

    def rebuild(self, change: Alteration) -> None:
        aside = f"{quote(self._schema)}.{REBUILT}"
        self.fill_anew(change, aside)
        self.drop(change.before.name)
        self.run(f"ALTER TABLE {aside} RENAME TO {quote(self.bare(change.after.name))}")

    def drop_key(self, change: Alteration) -> None:
        here = replace(change.before, name=self._here(change.before.name))
        super().drop_key(replace(change, before=here))

    def _here(self, name: TableName) -> TableName:
        """The name in the session's schema. No schema of a store is called like it: `pg_` is PostgreSQL's own."""
        if name.schema == self._schema:
            return name
        return TableName(self._schema, cut(f"{name.schema.replace('%', '%25').replace('.', '%2E')}.{name.table}"))
