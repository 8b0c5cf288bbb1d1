"""Schema files held against the statements in them: a DDL's number, and the columns that it makes of those before.

Only what a statement surely says is a rule: names of columns, not their types (a row may have corrected them), and no
column that was left out on purpose (`select_columns`). What cannot be read of a statement is left open, and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from afterbay.messages import DdlKind
from afterbay.schema import Column, TableName
from afterbay_nodes.bucket.steps import SchemaStep
from afterbay_nodes.sources.ddl.altered import apply
from afterbay_nodes.sources.ddl.classify import classify
from afterbay_nodes.sources.ddl.statement import (
    Action,
    AddColumns,
    AlterTable,
    ChangeColumn,
    CreateTable,
    DropTables,
    ExchangePartition,
    RenameColumn,
    RenameTables,
    SchemaStatement,
    Statement,
    TruncateTable,
    Unknown,
)
from afterbay_nodes.sources.ddl.tokenizer import SqlError
from afterbay_nodes.verify.fault import Fault
from afterbay_nodes.verify.report import Unchecked

_CODE = "schema_file.statement"
_NUMBERS: dict[type[object], frozenset[int]] = {
    CreateTable: frozenset({DdlKind.CREATE_TABLE, DdlKind.CREATE_TABLES}),
    DropTables: frozenset({DdlKind.DROP_TABLE}),
    TruncateTable: frozenset({DdlKind.TRUNCATE_TABLE}),
    RenameTables: frozenset({DdlKind.RENAME_TABLE, DdlKind.RENAME_TABLES}),
    ExchangePartition: frozenset({DdlKind.EXCHANGE_PARTITION}),
}
_NOT_OF_ALTER = frozenset(
    {DdlKind.CREATE_SCHEMA, DdlKind.DROP_SCHEMA, DdlKind.CREATE_TABLE, DdlKind.DROP_TABLE, DdlKind.TRUNCATE_TABLE}
)
_OF_DATABASES = frozenset({DdlKind.CREATE_SCHEMA, DdlKind.DROP_SCHEMA})


class Statements:
    """Walks the schema files of a store in a reader's order. One thread.

    `live` has the column names of each table, lower case; a table that is missing in it is not known well enough.
    """

    def __init__(self) -> None:
        self._live: dict[TableName, frozenset[str]] = {}
        self._open: dict[str, None] = {}

    def faults(self, steps: Iterable[SchemaStep]) -> Iterator[Fault]:
        """What does not fit."""
        for step in steps:
            statement = classify(step.query, step.database)
            yield from self._numbers(step, statement)
            yield from self._columns(step, statement)

    def unchecked(self) -> Iterator[Unchecked]:
        """Schema files whose columns could not be derived."""
        if self._open:
            yield Unchecked(
                "whether schema files have the columns that their statements make",
                "the statement, or one before it, cannot be read as far as that",
                tuple(self._open),
            )

    def _numbers(self, step: SchemaStep, statement: Statement) -> Iterator[Fault]:
        if not step.is_ddl:
            if step.type != 0:
                yield _fault(step, f"it has the DDL number {step.type}, and no statement")
            return
        wanted = _NUMBERS.get(type(statement))
        if isinstance(statement, SchemaStatement) and statement.kind in _OF_DATABASES:
            wanted = frozenset({int(statement.kind)})
        wrong = wanted is not None and step.type not in wanted
        if wrong or (isinstance(statement, AlterTable) and step.type in _NOT_OF_ALTER):
            yield _fault(step, f"it has the DDL number {step.type}, which is not that of its statement")

    def _columns(self, step: SchemaStep, statement: Statement) -> Iterator[Fault]:
        name = step.table
        if name is None or step.schema is None:
            self._database(step, statement)
            return
        found = _names(step.schema.columns)
        before = self._live.pop(step.renamed_from or name, None)
        known = True
        match statement:
            case _ if not step.is_ddl:
                pass
            case CreateTable(columns=columns, like=like):
                likely = self._live.get(like) if like is not None else None
                made = likely if columns is None else _names(columns)
                known = made is not None
                if made is not None and (extra := found - made):
                    yield _extra(step, extra)
            case AlterTable(actions=actions):
                known = before is not None and actions is not None
                if before is not None and actions is not None:
                    yield from self._altered(step, found, before, actions)
            case RenameTables() | TruncateTable() | DropTables():
                known = before is not None
                if before is not None and found != before:
                    yield from _differing(step, found, before, frozenset())
            case Unknown():
                known = False
        if not known and step.is_ddl and not isinstance(statement, ExchangePartition):
            self._open.update(dict.fromkeys(step.keys[:1]))
        if known and not isinstance(statement, DropTables):
            self._live[name] = found

    def _altered(
        self, step: SchemaStep, found: frozenset[str], before: frozenset[str], actions: tuple[Action, ...]
    ) -> Iterator[Fault]:
        try:
            after = _names(apply(actions, tuple(Column(name, "int") for name in sorted(before))))
        except SqlError:
            # It alters what is not there, or was left out on purpose.
            self._open.update(dict.fromkeys(step.keys[:1]))
            return
        added = frozenset(name.lower() for action in actions for name in _added(action))
        yield from _differing(step, found, after, added)

    def _database(self, step: SchemaStep, statement: Statement) -> None:
        """A statement that is not understood may have changed any table of its database."""
        gone = isinstance(statement, SchemaStatement) and statement.kind is DdlKind.DROP_SCHEMA
        if gone or isinstance(statement, Unknown):
            self._live = {name: columns for name, columns in self._live.items() if name.schema != step.database}


def _differing(
    step: SchemaStep, found: frozenset[str], after: frozenset[str], optional: frozenset[str]
) -> Iterator[Fault]:
    if extra := found - after:
        yield _extra(step, extra)
    if missing := after - optional - found:
        yield _fault(step, f"it lacks the column {min(missing)!r}, which its statement leaves")


def _added(action: Action) -> tuple[str, ...]:
    match action:
        case AddColumns(definitions):
            return tuple(definition.column.name for definition in definitions)
        case ChangeColumn(definition=definition):
            return (definition.column.name,)
        case RenameColumn(to=to):
            return (to,)
        case _:
            return ()


def _names(columns: Iterable[Column]) -> frozenset[str]:
    return frozenset(column.name.lower() for column in columns)


def _extra(step: SchemaStep, extra: frozenset[str]) -> Fault:
    return _fault(step, f"it has the column {min(extra)!r}, which its statement does not make")


def _fault(step: SchemaStep, message: str) -> Fault:
    return Fault(step.keys[0], 0, _CODE, message, "" if step.table is None else str(step.table))
