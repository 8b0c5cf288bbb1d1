"""The route: gives tables other names in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from string import Formatter
from typing import ClassVar

from pydantic import Field, field_validator

from afterbay.errors import Place, RunFailed
from afterbay.messages import ChangeBatch, SchemaChange, TableChange
from afterbay.node import Transform, TransformContext, TransformOperator
from afterbay.printable import visible
from afterbay.schema import Json, TableName, TableSchema
from afterbay_nodes.per_schema import PerSchema
from afterbay_nodes.transforms.renamed_statement import renamed_statement
from afterbay_nodes.transforms.table_rules import TableMatch

_PLACEHOLDERS = ("schema", "table")


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """A target name: literal text and the placeholders `{schema}` and `{table}`, nothing else of `str.format`."""

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> NameTemplate:
        """Raises ValueError, saying what is not a placeholder."""
        if not text:
            raise ValueError("a target name is empty")
        parts = []
        for literal, name, form, conversion in Formatter().parse(text):
            if name is not None and (name not in _PLACEHOLDERS or form or conversion):
                raise ValueError(f"'{text}' may use {{schema}} and {{table}} only; write {{{{ and }}}} for braces")
            parts.append((literal, name))
        return cls(tuple(parts))

    @property
    def names_table(self) -> bool:
        """True if the result depends on the table's name."""
        return any(name == "table" for _, name in self.parts)

    def fill(self, source: TableName) -> str:
        """The target name of `source`."""
        values = {"schema": source.schema, "table": source.table}
        return "".join(literal + (values[name] if name is not None else "") for literal, name in self.parts)


class RouteRule(TableMatch):
    """Where the tables that `match` go."""

    schema_: str = Field(
        "{schema}",
        alias="schema",
        description="The schema in the store; {schema} and {table} are the source's names.",
        examples=["lake_{schema}"],
    )
    table: str = Field("{table}", description="The table in the store, likewise.", examples=["{schema}_{table}"])

    @field_validator("schema_", "table")
    @classmethod
    def _fills(cls, text: str) -> str:
        NameTemplate.parse(text)
        return text

    @cached_property
    def target_schema(self) -> NameTemplate:
        """`schema`, parsed."""
        return NameTemplate.parse(self.schema_)

    @cached_property
    def target_table(self) -> NameTemplate:
        """`table`, parsed."""
        return NameTemplate.parse(self.table)


class Route(Transform[ChangeBatch, ChangeBatch]):
    """Renames tables on their way to the store; rows, versions and dispatchers stay the same.

    The first rule that matches gives the new name; a table that none matches keeps its own. Two tables that would get
    the same name fail the run, naming both. A database's own DDL is renamed by the first rule that covers all of its
    tables, if that rule's `schema` does not use `{table}`.

    A DDL's text (`Query` in schema files) gets the new names too, where their place in it is sure: `docs/transforms.md`
    says which statements stay as they are.
    """

    type_name: ClassVar[str] = "route"
    summary: ClassVar[str] = "renames tables"

    rules: tuple[RouteRule, ...] = Field(
        min_length=1,
        description="The first rule that matches a table names it.",
        examples=[[{"match": "bank.*", "schema": "lake_{schema}", "table": "{table}"}]],
    )

    def identity(self) -> Mapping[str, Json]:
        """Other rules would go on with a table in another directory."""
        return {"rules": [rule.model_dump(mode="json", by_alias=True) for rule in self.rules]}

    def facts(self) -> Mapping[str, str]:
        """The rules."""
        return {rule.shown: visible(f"{rule.schema_}.{rule.table}") for rule in self.rules}

    def open(self, context: TransformContext) -> RouteOperator:
        """One instance, for one thread."""
        return RouteOperator(self.rules, context.node)


class RouteOperator(TransformOperator[ChangeBatch, ChangeBatch]):
    """Renames by look-up; knows which table holds which target name. Used by one thread."""

    def __init__(self, rules: tuple[RouteRule, ...], node: str) -> None:
        self._rules = rules
        self._node = node
        self._sources: dict[TableName, TableName] = {}  # target -> the table that has it
        self._renamed: PerSchema[TableSchema] = PerSchema(self._claimed)

    def process(self, item: ChangeBatch) -> ChangeBatch:
        """The batch under its target name. Raises RunFailed if another table has that name."""
        schema = self._renamed[item.schema]
        return item if schema is item.schema else replace(item, schema=schema)

    def schema_change(self, change: SchemaChange) -> SchemaChange:
        """The DDL under target names. A dropped or renamed table gives its target name back."""
        if not change.tables:
            if change.database is None:
                return change
            query = renamed_statement(change.query, (), self._target, self._database)
            database = self._database(change.database)
            return replace(change, database=database, query=change.query if query is None else query)
        before = [self._before(table) for table in change.tables]
        tables = tuple(
            replace(
                table,
                before=old,
                after=None if table.after is None else self._renamed[table.after],
                query=self._statement(table.query, (table,)),
            )
            for table, old in zip(change.tables, before, strict=True)
        )
        self._pass_through(change)
        return replace(change, tables=tables, query=self._statement(change.query, change.tables))

    def _statement(self, query: str, changes: tuple[TableChange, ...]) -> str:
        """The statement under target names; as it is where they cannot be placed surely."""
        names = {schema.name for table in changes for schema in (table.before, table.after) if schema is not None}
        return (renamed_statement(query, names, self._target, self._database) if query else None) or query

    def _pass_through(self, change: SchemaChange) -> None:
        """A name that one step takes and a later one leaves (`a TO x, b TO a, x TO b`) is free again."""
        made: dict[TableName, TableSchema] = {}
        for table in change.tables:
            if table.before is not None and made.get(table.before.name) == table.before:
                del made[table.before.name]
                self._sources.pop(self._target(table.before.name), None)
            if table.after is not None:
                made[table.after.name] = table.after
                self._sources.setdefault(self._target(table.after.name), table.after.name)

    def _before(self, table: TableChange) -> TableSchema | None:
        """The before side, routed. Names are given back before any is claimed, so that a rename can swap two."""
        if table.before is None:
            return None
        target = self._target(table.before.name)
        leaves = table.after is None or table.after.name != table.before.name
        if leaves and self._sources.get(target) == table.before.name:
            del self._sources[target]
        return table.before.renamed(target)

    def _claimed(self, schema: TableSchema) -> TableSchema:
        target = self._target(schema.name)
        holder = self._sources.setdefault(target, schema.name)
        if holder != schema.name:
            # Two tables' rows in one directory could never be told apart again (I10).
            raise RunFailed(
                "route.collision",
                f"tables {visible(str(holder))} and {visible(str(schema.name))} are both routed to "
                f"{visible(str(target))}",
                place=Place(node=self._node, table=visible(str(schema.name)), position=str(schema.version)),
                hint="use {schema} and {table} in the target so that each table has its own",
            )
        return schema.renamed(target)

    def _target(self, source: TableName) -> TableName:
        for rule in self._rules:
            if rule.tables.matches(source):
                return TableName(rule.target_schema.fill(source), rule.target_table.fill(source))
        return source

    def _database(self, name: str) -> str:
        for rule in self._rules:
            if rule.tables.covers(name) and not rule.target_schema.names_table:
                return rule.target_schema.fill(TableName(name, ""))
        return name
