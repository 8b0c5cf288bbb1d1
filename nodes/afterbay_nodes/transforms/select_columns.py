"""Column selection: leaves columns out of rows and of the schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from pydantic import Field, field_validator

from afterbay.errors import Place, RunFailed
from afterbay.messages import ChangeBatch, SchemaChange
from afterbay.node import Transform, TransformContext, TransformOperator
from afterbay.printable import visible
from afterbay.schema import Json, TableSchema
from afterbay_nodes.per_schema import PerSchema
from afterbay_nodes.transforms.table_rules import ColumnPattern, NameRules, TableMatch


class ColumnRule(TableMatch):
    """Which columns stay of the tables that `match`."""

    columns: tuple[ColumnPattern, ...] = Field(
        description="Patterns of columns; the last that matches decides.", examples=[["*", "!secret_*"]]
    )

    @field_validator("columns")
    @classmethod
    def _selects(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        NameRules.parse(columns)
        return columns

    @cached_property
    def names(self) -> NameRules:
        """`columns`, parsed."""
        return NameRules.parse(self.columns)


class SelectColumns(Transform[ChangeBatch, ChangeBatch]):
    """Keeps the columns that the first matching rule includes; a table that no rule matches keeps all.

    Rows and schema lose the others alike, so that the schema file lists what the data files hold. A column of the key
    must stay: without it a reader could not apply an update. Case-sensitive. A DDL's text (`Query`) stays whole: what
    counts is `TableColumns`, see `docs/transforms.md`.
    """

    type_name: ClassVar[str] = "select_columns"
    keeps_tables: ClassVar[bool] = True
    summary: ClassVar[str] = "leaves columns out"

    rules: tuple[ColumnRule, ...] = Field(
        min_length=1,
        description="The first rule that matches a table selects its columns.",
        examples=[[{"match": "bank.accounts", "columns": ["*", "!note"]}]],
    )

    def identity(self) -> Mapping[str, Json]:
        """Other rules would mix two forms of one schema version in a directory."""
        return {"rules": [rule.model_dump(mode="json") for rule in self.rules]}

    def facts(self) -> Mapping[str, str]:
        """The rules."""
        return {rule.shown: visible(", ".join(rule.columns)) for rule in self.rules}

    def open(self, context: TransformContext) -> ColumnSelector:
        """One instance, for one thread."""
        return ColumnSelector(self.rules, context.node)


@dataclass(frozen=True, slots=True)
class _Selection:
    """What stays of one schema. `indices` into its stored columns; None: everything stays."""

    schema: TableSchema
    indices: list[int] | None


class ColumnSelector(TransformOperator[ChangeBatch, ChangeBatch]):
    """Drops columns without touching the others. Used by one thread."""

    def __init__(self, rules: tuple[ColumnRule, ...], node: str) -> None:
        self._rules = rules
        self._node = node
        self._selections: PerSchema[_Selection] = PerSchema(self._select)

    def process(self, item: ChangeBatch) -> ChangeBatch:
        """The batch with the columns that stay. Raises RunFailed if a key column would go."""
        selection = self._selections[item.schema]
        indices = selection.indices
        if indices is None:
            return item
        before = None if item.before is None else item.before.select(indices)
        return replace(item, schema=selection.schema, rows=item.rows.select(indices), before=before)

    def schema_change(self, change: SchemaChange) -> SchemaChange:
        """The DDL with the columns that stay, before and after."""
        tables = tuple(
            replace(table, before=self._selected(table.before), after=self._selected(table.after))
            for table in change.tables
        )
        return replace(change, tables=tables)

    def _selected(self, schema: TableSchema | None) -> TableSchema | None:
        return None if schema is None else self._selections[schema].schema

    def _select(self, schema: TableSchema) -> _Selection:
        rule = next((rule for rule in self._rules if rule.tables.matches(schema.name)), None)
        if rule is None:
            return _Selection(schema, None)
        kept = tuple(column for column in schema.columns if rule.names.matches(column.name))
        if len(kept) == len(schema.columns):
            return _Selection(schema, None)
        if lost := [column.name for column in schema.key_columns if column not in kept]:
            why = f"the rule leaves out key column(s) {', '.join(lost)}"
            raise self._refused(schema, "key", why, "add the key columns to the rule that matches this table")
        if all(column.virtual for column in kept):
            why = "the rule leaves no column that is stored"
            raise self._refused(schema, "empty", why, "leave the table out by a filter, or select a column that it has")
        names = {column.name for column in kept}
        indices = [index for index, column in enumerate(schema.stored_columns) if column.name in names]
        return _Selection(replace(schema, columns=kept), indices)

    def _refused(self, schema: TableSchema, code: str, why: str, hint: str) -> RunFailed:
        return RunFailed(
            f"select_columns.{code}",
            f"columns of {visible(str(schema.name))} cannot be selected: {visible(why)}",
            place=Place(node=self._node, table=visible(str(schema.name)), position=str(schema.version)),
            hint=hint,
        )
