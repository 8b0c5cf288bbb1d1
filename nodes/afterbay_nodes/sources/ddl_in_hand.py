"""A DDL of the log between its line and the schema change that is sent for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from afterbay.messages import DdlKind, TableChange
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.sources.canal_json import TableIds
from afterbay_nodes.sources.ddl.classify import qualified_names
from afterbay_nodes.sources.dispatcher import dispatcher_of


@dataclass(frozen=True, slots=True)
class Ddl:
    """A DDL line. `database` is the default of its names, or what a schema-level statement is about.

    `ids`: what the line tells of its tables as they are after it.
    """

    commit_ts: int
    query: str
    database: str
    kind: DdlKind = DdlKind.NONE
    ids: Mapping[TableName, TableIds] = field(default_factory=dict)

    def query_in(self, schema: str) -> str:
        """The statement for a schema file of `schema`, where bare names would mean other tables."""
        return self.query if schema == self.database else qualified_names(self.query, self.database)

    def schema_of(self, name: TableName, columns: tuple[Column, ...], table_id: int | None) -> TableSchema:
        """What the DDL makes of a table. What the line tells of ids is right; `table_id` is the likeliest else."""
        told = self.ids.get(name)
        if told is not None:
            table_id = told.table_id if told.table_id is not None else table_id
            columns = tuple(replace(column, id=told.column_ids.get(column.name, column.id)) for column in columns)
        return TableSchema(name, self.commit_ts, columns, table_id)

    def partitions_of(self, name: TableName, else_: Collection[int | None]) -> tuple[int | None, ...]:
        """The table's partitions after the DDL, (None,) for a table without; `else_` if the line does not tell."""
        told = self.ids.get(name)
        if told is None or told.partition_ids is None:
            return tuple(else_) or (None,)
        return tuple(sorted(told.partition_ids)) or (None,)


@dataclass(frozen=True, slots=True)
class Was:
    """A table before a DDL: the schema in force of each of its partitions (None: of the whole); none if not known."""

    name: TableName
    schemas: Mapping[int | None, TableSchema] = field(default_factory=dict)

    @property
    def table_id(self) -> int | None:
        """The table's id, if it was known."""
        return next((schema.table_id for schema in self.schemas.values()), None)


@dataclass(frozen=True, slots=True)
class Held:
    """A DDL of one table, called `name` after it, that waits for the table's columns. `guess`: the likeliest.

    `replaced`: a table that had the name, and whose dispatchers end with the DDL unless they are the new one's.
    """

    ddl: Ddl
    name: TableName
    was: Was
    guess: tuple[Column, ...] | None
    replaced: Was


def table_changes(
    was: Was, after: TableSchema, partitions: Collection[int | None], *, reused: bool, query: str = ""
) -> list[TableChange]:
    """One change a dispatcher: those that stay or are new, then those that are gone.

    `reused`: the name had another table before. Its dispatchers are then said to have been there, so that the DDL is
    graph-wide.
    """
    changes = []
    for partition in partitions:
        dispatcher = dispatcher_of(after.name, partition)
        before = was.schemas.get(partition)
        former = dispatcher if reused else None
        changes.append(
            TableChange(
                dispatcher_of(was.name, partition) if before is not None else former,
                before,
                dispatcher,
                replace(after, partition_id=partition),
                query,
            )
        )
    return changes + gone_changes(was, partitions, query)


def gone_changes(was: Was, partitions: Collection[int | None], query: str = "") -> list[TableChange]:
    """One change for each dispatcher that is none of `partitions`: it is gone."""
    return [
        TableChange(dispatcher_of(was.name, partition), before, None, None, query)
        for partition, before in was.schemas.items()
        if partition not in partitions
    ]


def quoted(name: TableName) -> str:
    """A table's name as SQL."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in name)
