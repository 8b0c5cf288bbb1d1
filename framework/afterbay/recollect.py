"""What nodes may know to make a lost state anew from what a sink has stored (`afterbay state rebuild`).

All of it is optional: a node that does not implement its protocol here cannot be in such a pipeline, and is named::

    source     RegainsPlace   an empty cursor is legal: everything above a commit-ts can be sent by it alone
    transform  KeepsTables    changes leave under the table's name and one by one, as they came (encoders need not say)
    sink       Recollects     reads its store, and tells what it has
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

from afterbay.clock import Clock
from afterbay.node import Node
from afterbay.schema import RowPosition, TableName


@dataclass(frozen=True, slots=True)
class RecollectContext:
    """What a sink is asked with. `upstream`: the nodes on the way to it, its source among them.

    `say` tells a person how far it is.
    """

    node: str
    upstream: tuple[Node, ...]
    clock: Clock
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StoredTable:
    """The last change of a table (of a partition) that is stored, and its file (`size` in bytes).

    `counted`: the store does not tell ordinals. `last.ordinal` is then the number of changes that it has at
    `last.commit_ts`, less one.
    """

    name: TableName
    partition_id: int | None
    last: RowPosition
    counted: bool
    directory: str
    number: int
    size: int


@dataclass(frozen=True, slots=True)
class Recollected:
    """What a store tells. `checkpoint`: all at or below it is stored (I1); None: the store shows none.

    `directories` has the last number of each; `files` (of at least one change), `changes`, `bytes` and `ddls` are
    totals. `unknown`: what nobody can know any more, in sentences for people.
    """

    checkpoint: int | None
    tables: tuple[StoredTable, ...] = ()
    directories: Mapping[str, int] = field(default_factory=dict)
    files: int = 0
    changes: int = 0
    bytes: int = 0
    ddls: int = 0
    unknown: tuple[str, ...] = ()


@runtime_checkable
class Recollects(Protocol):
    """A sink that can tell from its store alone what it has stored."""

    def recollect(self, context: RecollectContext) -> Recollected:
        """Reads the store. Finishes files that are whole and not yet in an index; writes nothing else.

        Raises RunFailed or EnvironmentRefused where the store is damaged, or does not tell enough for a state that
        neither loses nor repeats.
        """
        ...


@runtime_checkable
class RegainsPlace(Protocol):
    """A source that, resumed with an empty cursor, sends everything above the commit-ts, in the order as ever.

    What it sends must have the same ordinals as before, or as many changes of each commit-ts and table.
    """

    def dispatcher(self, name: TableName, partition_id: int | None) -> str:
        """What it calls the dispatcher of a table, or of a physical partition of it."""
        ...


@runtime_checkable
class LosesPlace(Protocol):
    """A source that cannot, and knows why. Optional: any that is not `RegainsPlace` is refused."""

    loses_place: ClassVar[str]
    """Goes on behind "cannot find its place again: "."""


@runtime_checkable
class KeepsTables(Protocol):
    """A transform of change batches that leaves names, order and number of a table's changes as they are."""

    keeps_tables: ClassVar[bool]
