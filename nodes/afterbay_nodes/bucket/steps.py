"""The two kinds of steps that a reader takes, and the one order that is right for all of them.

Everything is ordered by schema version first: the schema files of version V, then the data files of version V. A DDL
at T so comes after all rows of older versions, of its own tables and of all others (I3), whichever names and ids it
connects. Tables that have nothing to do with each other may stand in any order; this one is the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from afterbay.schema import TableName, TableSchema


@dataclass(frozen=True, slots=True)
class SchemaStep:
    """A version begins: of a table, or (`table` None) of a database as a whole.

    `query` is the DDL's text, "" where no DDL of this table made the version (`is_ddl`): the table existed before, or
    is the partitioned side of an exchange, whose statement stands with the other side. `type` is TiDB's DDL number.
    `schema` has the table's columns from here on (of a dropped table those that it had), None at database level.
    `renamed_from` is the name that the table had before, if the DDL is a rename: it concerns the old name's rows, too.
    `owners` are the directories whose watermark this raises to `version`; several where each partition has its own.
    """

    version: int
    database: str
    table: TableName | None
    query: str
    type: int
    schema: TableSchema | None
    renamed_from: TableName | None
    keys: tuple[str, ...]
    owners: tuple[str, ...]

    @property
    def is_ddl(self) -> bool:
        """True if there is a statement to run."""
        return self.query != ""


@dataclass(frozen=True, slots=True)
class FileStep:
    """A complete data file, indexed. `series` and `number` say how far a reader has come: see `Progress`.

    `schema` holds for every row; `size` is in bytes, 0 for a fence (a legal file of no rows). `owner` is the table's
    directory; `partition` and `date` are the levels below the version, "" where there are none (one level of digits
    alone counts as `partition` unless the store's other directories say that it is a year: see `keys.with_years`).
    """

    key: str
    series: str
    number: int
    size: int
    extension: str
    schema: TableSchema
    owner: str
    partition: str
    date: str

    @property
    def table(self) -> TableName:
        """The table's names."""
        return self.schema.name

    @property
    def version(self) -> int:
        """The schema version of every row."""
        return self.schema.version


Step = SchemaStep | FileStep


def in_order(schemas: Sequence[SchemaStep], files: Iterable[FileStep]) -> tuple[Step, ...]:
    """All steps, each after what must come before it. `schemas` are in order already, as `History` gives them."""
    keyed: list[tuple[tuple[object, ...], Step]] = [
        ((schema.version, 0, place), schema) for place, schema in enumerate(schemas)
    ]
    keyed += [((file.version, 1, *_place(file)), file) for file in files]
    return tuple(step for _, step in sorted(keyed, key=itemgetter(0)))


def _place(file: FileStep) -> tuple[object, ...]:
    """Levels of digits ascend as numbers; a series of a later date comes after all series of an earlier one."""
    partition = (len(file.partition), file.partition)
    return (file.table, file.owner, partition, file.date, file.series, file.number)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a reader has come: by series the number of its last file, by owner the version of its last schema step.

    A reader keeps it in its target, in the transaction of the rows themselves.
    """

    files: Mapping[str, int] = field(default_factory=dict)
    schemas: Mapping[str, int] = field(default_factory=dict)

    def has(self, step: Step) -> bool:
        """True if `step` was taken."""
        if isinstance(step, FileStep):
            return step.number <= self.files.get(step.series, 0)
        return all(step.version <= self.schemas.get(owner, -1) for owner in step.owners)
