"""The tables of the stream: which relation is which table, at which version, and what a relation message changes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import pyarrow as pa

from afterbay.errors import Place, RunFailed
from afterbay.printable import visible
from afterbay.schema import Column, TableName, TableSchema
from afterbay_nodes.sources.dispatcher import dispatcher_of
from afterbay_nodes.sources.postgres import alterations
from afterbay_nodes.sources.postgres.alterations import Alteration
from afterbay_nodes.sources.postgres.ddl_trigger import ToldColumn, ToldDdl
from afterbay_nodes.sources.postgres.pgoutput import Relation
from afterbay_nodes.sources.postgres.type_facts import QUERY, TypeFacts, type_catalog
from afterbay_nodes.sources.postgres.type_table import Mapped, mapped_columns, table_schema, unknown_types
from afterbay_nodes.sources.postgres.values import BadValue

PENDING: Final = 0
"""The version of a schema whose commit-ts is not known yet."""

COLUMNS: Final = """\
SELECT a.attname::text, a.attnum::int, COALESCE(a.attnum = ANY (i.indkey), false),
  CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary AND i.indimmediate
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
"""

_THERE: Final = "SELECT 1 FROM pg_catalog.pg_class WHERE oid = %s"

AsText = Callable[[TableName, Sequence[str]], frozenset[str]]


class Facts(Protocol):
    """Who answers questions about the catalog."""

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]: ...


class Table:
    """One table at one version. `schema.version` is PENDING until its transaction is committed.

    `key` are the indices of its key's columns.
    """

    __slots__ = ("columns", "dispatcher", "key", "relation", "schema")

    def __init__(self, relation: Relation, schema: TableSchema, columns: tuple[Mapped, ...]) -> None:
        self.relation = relation
        self.schema = schema
        self.columns = columns
        self.dispatcher = dispatcher_of(schema.name)
        self.key = [index for index, column in enumerate(schema.columns) if column.primary_key]


@dataclass(frozen=True, slots=True)
class Step:
    """A schema change within a transaction. `before` None: created; `after` None: dropped.

    `after.schema` gets its version when the transaction's commit-ts are known.
    """

    alteration: Alteration
    before: TableSchema | Table | None
    after: Table | None


class Tables:
    """The tables by relation, as of the last message. Used by the source's thread.

    A transaction that does not come to its end (the connection was lost) is undone: `begin`, then `undo`.
    """

    def __init__(
        self,
        includes: Callable[[TableName], bool],
        as_text: AsText,
        schemas: Mapping[str, TableSchema],
    ) -> None:
        """`schemas`: those in force where the stream begins."""
        self.sees_new_tables = False  # set once it is known that tables that are made are in the stream
        self._includes = includes
        self._as_text = as_text
        # What a state knows of a table is taken up by its first relation message.
        self._known = {schema.table_id: schema for schema in schemas.values() if schema.table_id is not None}
        self._tables: dict[bytes, Table | None] = {}
        self._types: dict[int, TypeFacts] = {}
        self._told: dict[bytes, Relation] = {}
        self._floors: Mapping[int, int] = {}
        self._floor = 0
        self._commit = 0
        self._undo: tuple[dict[int, TableSchema], dict[bytes, Table | None], dict[bytes, Relation]] | None = None

    def snapshot(self, floors: Mapping[int, int], end: int) -> None:
        """What was committed below a table's floor is in the snapshot, and dropped where the stream has it.

        By relation; of a relation that is none of the snapshot's, all below `end`: it was gone by then.
        """
        self._floors, self._floor = floors, end

    def begin(self, commit: int) -> None:
        """A transaction begins, which is committed at `commit`."""
        self._undo = None
        self._commit = commit

    def undo(self) -> None:
        """The transaction that began last did not come to its end. The server names its relations anew."""
        if self._undo is not None:
            self._known, self._tables, self._told = self._undo
            self._undo = None

    def of(self, oid: bytes, facts: Facts) -> Table | None:
        """The table of a row message by the four bytes of its relation; None: the row is not wanted.

        Raises KeyError if the relation was not told, and what `facts` raises.
        """
        if oid not in self._tables:
            relation = self._told[oid]
            if self._is_in_snapshot(relation.oid):
                return None
            # Told when its rows were the snapshot's. A form that the snapshot does not have would be told again.
            if self.meet(relation, facts):
                raise KeyError(oid)
        return self._tables[oid]

    def told(self, ddl: ToldDdl, facts: Facts) -> list[tuple[int, list[Step]]]:
        """Takes a schema change that the event triggers told: by relation, what it changes.

        Raises what `facts` raises.
        """
        found = [(item.relation.oid, self.meet(item.relation, facts, ddl.tag, item.columns)) for item in ddl.tables]
        for oid in ddl.dropped:
            if facts.rows(_THERE, [oid]):
                continue  # it is there: this was not said by the triggers
            found.append((oid, self._drop(oid)))
        return found

    def meet(
        self, relation: Relation, facts: Facts, tag: str = "", told: Mapping[str, ToldColumn] | None = None
    ) -> list[Step]:
        """Takes a relation message, or the same of a DDL with `tag` and `told` beside it; gives what it changes.

        Raises what `facts` raises.
        """
        oid = struct.pack("!I", relation.oid)
        table = self._tables.get(oid)
        if table is not None and table.relation == relation and told is None:
            return []
        self._change()
        if self._is_in_snapshot(relation.oid):
            self._told[oid] = relation
            self._tables.pop(oid, None)
            return []
        known = table.schema if table is not None else self._known.pop(relation.oid, None)
        name = TableName(relation.schema, relation.name)
        if not self._includes(name):
            self._tables[oid] = None
            return [] if known is None else [Step(alterations.dropped(known.name), table or known, None)]
        schema, columns = self._shape(relation, known, facts, told)
        if known is None:
            made = Table(relation, schema, columns)
            self._tables[oid] = made
            is_new = tag.startswith("CREATE") and self.sees_new_tables
            return [Step(alterations.created(schema), None, made)] if is_new else []
        steps: list[Step] = []
        before: TableSchema | Table = table or known
        if known.name != name:
            if told is None:
                self._require_free(name, relation.oid, facts)
            moved = Table(relation, replace(known, name=name, version=PENDING), columns)
            steps.append(Step(alterations.renamed(known.name, name), before, moved))
            before, known = moved, moved.schema
        # The triggers tell ids and keys as of their DDL; the catalog as they are by now.
        differs = told is not None or _shapes(known) != _shapes(schema)
        change = alterations.altered(known, schema) if differs else None
        if change is None and [column.name for column in known.columns] != [column.name for column in schema.columns]:
            raise RunFailed(
                "postgres.columns",
                f"the columns of {name} stand in another order: some were added anew or exchanged their names",
                place=Place(table=visible(str(name))),
                hint="which ones is told by `ddl_trigger: true` only; this one can only be left behind by a fresh "
                "start",
            )
        if change is None:
            # Rows of another form (their identity changed) of the same table.
            kept = Table(relation, known, columns)
            if steps:
                steps[-1] = replace(steps[-1], after=kept)
            self._tables[oid] = kept
            return steps
        after = Table(relation, schema, columns)
        steps.append(Step(change, before, after))
        self._tables[oid] = after
        return steps

    def _drop(self, oid: int) -> list[Step]:
        key = struct.pack("!I", oid)
        if self._is_in_snapshot(oid):
            return []
        table = self._tables.get(key)
        before = table or self._known.get(oid)
        if before is None:
            return []
        self._change()
        self._tables.pop(key, None)
        self._known.pop(oid, None)
        name = before.schema.name if isinstance(before, Table) else before.name
        return [Step(alterations.dropped(name), before, None)]

    def read(self, relation: Relation, facts: Facts, version: int) -> Table:
        """A table as it is in a snapshot: what the stream has of it is compared with that.

        Raises what `facts` raises.
        """
        schema, columns = self._shape(relation, None, facts)
        schema = replace(schema, version=version)
        self._known[relation.oid] = schema
        self._tables.pop(struct.pack("!I", relation.oid), None)
        return Table(relation, schema, columns)

    def truncate(self, oid: int) -> list[Step]:
        """Takes a truncate message's relation."""
        table = self._tables.get(struct.pack("!I", oid))
        if table is None or self._is_in_snapshot(oid):
            return []
        self._change()
        schema = replace(table.schema, version=PENDING)
        after = Table(table.relation, schema, table.columns)
        self._tables[struct.pack("!I", oid)] = after
        return [Step(alterations.truncated(schema.name), table, after)]

    def _shape(
        self,
        relation: Relation,
        known: TableSchema | None,
        facts: Facts,
        told: Mapping[str, ToldColumn] | None = None,
    ) -> tuple[TableSchema, tuple[Mapped, ...]]:
        if unknown := unknown_types(relation, self._types):
            self._types |= type_catalog(facts.rows(QUERY, [list(unknown)]))
        name = TableName(relation.schema, relation.name)
        as_text = self._as_text(name, [column.name for column in relation.columns])
        asked = told is None
        if told is None:
            found = facts.rows(COLUMNS, [relation.oid])
            told = {
                str(column): ToldColumn(int(str(number)), bool(key), None if fill is None else str(fill))
                for column, number, key, fill in found
            }
        # With the whole row as identity the catalog tells the key, as it is now. What was known stands, so that the
        # same stream read again gives the same changes whatever was altered since.
        keys = {column for column, item in told.items() if item.key}
        if (
            asked
            and known is not None
            and {column.name for column in known.columns} >= {c.name for c in relation.columns}
        ):
            keys = {column.name for column in known.columns if column.primary_key}
        schema = table_schema(relation, keys, self._types, version=PENDING, as_text=as_text)
        columns = mapped_columns(relation, self._types, as_text)
        found_columns = tuple(
            replace(column, id=item.number, default=_default(source, item.fill))
            if (item := told.get(column.name)) is not None
            else column
            for column, source in zip(schema.columns, columns, strict=True)
        )
        return replace(schema, columns=found_columns), columns

    def _require_free(self, name: TableName, oid: int, facts: Facts) -> None:
        """Refuses names that tables hand on: rows alone do not tell in which order (I3)."""
        tables = {table.relation.oid: table.schema.name for table in self._tables.values() if table is not None}
        others = {number: known.name for number, known in self._known.items()} | tables
        for other, taken in others.items():
            if taken == name and other != oid and facts.rows(_THERE, [other]):
                raise RunFailed(
                    "postgres.names",
                    f"a table was renamed to {name}, and the one that had the name has not been told another",
                    place=Place(table=visible(str(name))),
                    hint="names that tables hand on are told by `ddl_trigger: true` only; this one can only be left "
                    "behind by a fresh start",
                )

    def _is_in_snapshot(self, oid: int) -> bool:
        return self._commit < self._floors.get(oid, self._floor)

    def _change(self) -> None:
        if self._undo is None:
            self._undo = dict(self._known), dict(self._tables), dict(self._told)


def _shapes(schema: TableSchema) -> tuple[Column, ...]:
    """What makes a version: all but the ids and defaults, which the catalog tells as they are now."""
    return tuple(replace(column, id=None, default=None) for column in schema.columns)


def _default(column: Mapped, fill: str | None) -> str | None:
    """The value that rows have which were there before the column, in the store's form; None if it has none for it."""
    if fill is None:
        return None
    try:
        (value,) = column.values(pa.array([fill.encode()], pa.binary())).to_pylist()
        return value.decode() if isinstance(value, bytes) else str(value)
    except (BadValue, UnicodeDecodeError):
        return None
