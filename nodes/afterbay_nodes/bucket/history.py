"""Schema files become steps: names before a rename, virtual columns, and the order of those of one commit-ts.

A schema file says what a table's columns are, but not which of them are virtual (rows do not carry those), nor what
the table was called before. Both stand in the statements, which are read one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.bucket.steps import SchemaStep
from afterbay_nodes.sources.ddl.altered import apply
from afterbay_nodes.sources.ddl.classify import classify
from afterbay_nodes.sources.ddl.statement import (
    AlterTable,
    CreateTable,
    DropTables,
    RenameTables,
    Statement,
    TruncateTable,
)
from afterbay_nodes.sources.ddl.tokenizer import SqlError


@dataclass(frozen=True, slots=True)
class Stored:
    """A schema file that was read: its key and owner, what it says, and its columns (None at database level)."""

    key: str
    owner: str
    database: str
    table: str
    version: int
    query: str
    type: int
    schema: TableSchema | None


class History:
    """Walks the schema files of a store in version order. Used once, by one thread.

    `live` has every table by name as it is after the files walked so far; `targets` the name in the store of a name
    in a statement, which is another one where the writer routed tables.
    """

    def __init__(self) -> None:
        self._live: dict[TableName, TableSchema] = {}
        self._targets: dict[TableName, TableName] = {}

    def steps(self, files: Iterable[Stored]) -> Iterator[SchemaStep]:
        """One step a file, in order; the same statement of a table's several directories is one step."""
        ordered = sorted(files, key=lambda file: (file.version, file.owner))
        for _, group in groupby(ordered, key=lambda file: file.version):
            steps = [self._step(file, classify(file.query, file.database)) for file in group]
            for step, statement in self._ordered(_merged(steps)):
                yield self._walk(step, statement)

    def _step(self, file: Stored, statement: Statement) -> tuple[SchemaStep, Statement]:
        name = TableName(file.database, file.table) if file.schema is not None else None
        if name is not None and file.query and (spoken := _spoken_of(statement)) is not None:
            self._targets[spoken] = name
        step = SchemaStep(
            file.version,
            file.database,
            name,
            file.query,
            file.type,
            file.schema,
            None if name is None else self._before(name, statement),
            (file.key,),
            (file.owner,),
        )
        return step, statement

    def _before(self, name: TableName, statement: Statement) -> TableName | None:
        """What `name` was called before `statement`, if that renames it."""
        if isinstance(statement, AlterTable) and statement.renamed_to is not None:
            pairs: tuple[tuple[TableName, TableName], ...] = ((statement.table, statement.renamed_to),)
        elif isinstance(statement, RenameTables):
            pairs = statement.pairs
        else:
            return None
        named = [old for old, new in pairs if new == name] or [old for old, _ in pairs if len(pairs) == 1]
        return self._targets.get(named[0], named[0]) if named else None

    def _ordered(self, steps: list[tuple[SchemaStep, Statement]]) -> list[tuple[SchemaStep, Statement]]:
        """Steps of one version: databases, then renames so that each finds its new name free, then the others.

        In an exchange the side with the statement comes first. Renames that form a ring (a swap of two names) stand
        in the order of names: whoever runs them needs a name in between.
        """
        steps.sort(key=lambda item: (item[0].table is not None, not item[0].is_ddl, item[0].database, item[0].owners))
        renames = [item for item in steps if item[0].renamed_from is not None]
        others = [item for item in steps if item[0].renamed_from is None]
        done: list[tuple[SchemaStep, Statement]] = []
        while renames:
            free = next((item for item in renames if not self._waits(item[0], renames)), renames[0])
            renames.remove(free)
            done.append(free)
        at = sum(1 for step, _ in others if step.table is None)
        return [*others[:at], *done, *others[at:]]

    def _waits(self, step: SchemaStep, renames: list[tuple[SchemaStep, Statement]]) -> bool:
        """True if another rename must come first: it frees the new name of `step`, or makes the old one."""
        for other, _ in renames:
            if other is step:
                continue
            if other.renamed_from == step.table and step.table in self._live:
                return True
            if other.table == step.renamed_from and step.renamed_from not in self._live:
                return True
        return False

    def _walk(self, step: SchemaStep, statement: Statement) -> SchemaStep:
        name = step.table
        if name is None or step.schema is None:
            return step
        before = self._live.get(step.renamed_from or name)
        marked = replace(step.schema, columns=self._marked(step.schema.columns, before, statement))
        if step.renamed_from is not None:
            self._live.pop(step.renamed_from, None)
        if isinstance(statement, DropTables):
            self._live.pop(name, None)
        else:
            self._live[name] = marked
        return replace(step, schema=marked)

    def _marked(
        self, columns: tuple[Column, ...], before: TableSchema | None, statement: Statement
    ) -> tuple[Column, ...]:
        """`columns` with those marked as virtual that the statements so far have made so."""
        known = before.columns if before is not None else ()
        if isinstance(statement, CreateTable):
            like = None if statement.like is None else self._live.get(self._targets.get(statement.like, statement.like))
            known = like.columns if like is not None else statement.columns or ()
        elif isinstance(statement, AlterTable) and statement.actions is not None:
            # What does not fit what is known leaves it: what was virtual is taken to be so still.
            with suppress(SqlError):
                known = apply(statement.actions, known)
        virtual = {column.name.lower() for column in known if column.virtual}
        if not virtual or virtual >= {column.name.lower() for column in columns}:
            return columns
        return tuple(replace(column, virtual=column.name.lower() in virtual) for column in columns)


def _merged(steps: list[tuple[SchemaStep, Statement]]) -> list[tuple[SchemaStep, Statement]]:
    """With table ids as paths every partition has its own directory, and a schema file of the same content in each."""
    merged: dict[tuple[object, ...], tuple[SchemaStep, Statement]] = {}
    for step, statement in steps:
        same = (step.database, step.table, step.query, step.type, step.schema)
        first = merged.get(same)
        if first is None:
            merged[same] = step, statement
        else:
            both = replace(first[0], keys=first[0].keys + step.keys, owners=first[0].owners + step.owners)
            merged[same] = both, statement
    return list(merged.values())


def _spoken_of(statement: Statement) -> TableName | None:
    """The name that a statement leaves the table with to whose file it belongs, where it is one table's."""
    match statement:
        case CreateTable(table=table) | TruncateTable(table=table):
            return table
        case AlterTable(table=table, renamed_to=renamed):
            return renamed or table
        case RenameTables(pairs=((_, new),)):
            return new
        case DropTables(tables=(table,)):
            return table
        case _:
            return None
