"""The filter: passes the tables that its rules include."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

from pydantic import Field, field_validator

from afterbay.errors import Place, RunFailed
from afterbay.messages import ChangeBatch, DdlKind, SchemaChange, TableChange
from afterbay.node import Capabilities, Transform, TransformContext, TransformOperator
from afterbay.printable import visible
from afterbay.schema import Json, TableName
from afterbay_nodes.per_schema import PerSchema
from afterbay_nodes.transforms.table_rules import TablePattern, TableRules


class Filter(Transform[ChangeBatch, ChangeBatch]):
    r"""Passes the rows and DDLs of the tables that `rules` include; the others end here, counted.

    A rule is `schema.table` with the wildcards `*` and `?`; `!` in front excludes. The last rule that matches
    decides, and a table that none matches is left out. Case-sensitive; `\` takes the next character as it is.

    A DDL of several tables keeps those that are included. A database's own DDL passes if a table of it could be
    included. A table renamed *out* of the rules still has its rename stored; one renamed *into* them fails the run,
    since its earlier rows were not stored.
    """

    type_name: ClassVar[str] = "filter"
    keeps_tables: ClassVar[bool] = True
    summary: ClassVar[str] = "passes tables by name"
    capabilities: ClassVar[Capabilities] = Capabilities(filters=True)

    rules: tuple[TablePattern, ...] = Field(
        description="Patterns of tables; the last that matches decides.", examples=[["bank.*", "!bank.tmp_*"]]
    )

    @field_validator("rules")
    @classmethod
    def _parsed(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        TableRules.parse(rules)
        return rules

    @cached_property
    def tables(self) -> TableRules:
        """The rules, parsed."""
        return TableRules.parse(self.rules)

    def identity(self) -> Mapping[str, Json]:
        """Other rules would store other tables, from the middle of their history on."""
        return {"rules": list(self.rules)}

    def facts(self) -> Mapping[str, str]:
        """The rules."""
        return {"rules": ", ".join(visible(rule) for rule in self.rules)}

    def open(self, context: TransformContext) -> FilterOperator:
        """One instance, for one thread."""
        return FilterOperator(self.tables, context.node)


class FilterOperator(TransformOperator[ChangeBatch, ChangeBatch]):
    """Decides once per table schema. Used by one thread."""

    def __init__(self, tables: TableRules, node: str) -> None:
        self._tables = tables
        self._node = node
        self._passes: PerSchema[bool] = PerSchema(lambda schema: tables.matches(schema.name))

    def process(self, item: ChangeBatch) -> ChangeBatch | None:
        """The batch, or None if its table is left out."""
        return item if self._passes[item.schema] else None

    def schema_change(self, change: SchemaChange) -> SchemaChange | None:
        """The DDL with the tables that are included, or None. Raises RunFailed for rows that would appear unseen."""
        if not change.tables:
            return change if change.database is None or self._tables.reaches(change.database) else None
        kept = tuple(table for table in change.tables if self._keeps(table, change))
        if len(kept) == len(change.tables):
            return change
        if kept and change.kind is DdlKind.EXCHANGE_PARTITION:
            raise self._refused(
                change,
                kept[0],
                "it exchanges a partition with a table that the rules leave out: rows would come and go unseen",
            )
        return replace(change, tables=kept) if kept else None

    def _keeps(self, table: TableChange, change: SchemaChange) -> bool:
        before = table.before is not None and self._tables.matches(table.before.name)
        after = table.after is not None and self._tables.matches(table.after.name)
        if table.before is None:
            return after
        if after and not before:
            raise self._refused(
                change,
                table,
                f"it renames {visible(str(table.before.name))}, which the rules leave out, to a name that they include",
            )
        return before

    def _refused(self, change: SchemaChange, table: TableChange, why: str) -> RunFailed:
        named = table.after or table.before
        name: TableName | None = named.name if named is not None else None
        return RunFailed(
            "filter.unseen",
            f"the DDL at {change.commit_ts} cannot be filtered: {why}",
            place=Place(node=self._node, table=visible(str(name)), position=str(change.commit_ts)),
            hint="include both tables in the rules from the start, or leave both out",
        )
