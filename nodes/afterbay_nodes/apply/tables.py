"""The target's tables as the store's DDLs made them, in memory and in the target, changed together or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from afterbay.errors import RunFailed
from afterbay.printable import visible
from afterbay.schema import TableName
from afterbay_nodes.apply.alteration import Alteration
from afterbay_nodes.apply.partitions import Partitioning
from afterbay_nodes.apply.states import TableState
from afterbay_nodes.apply.target import Target


@dataclass(frozen=True, slots=True)
class KeyRule:
    """What becomes of tables without a key: their changes are appended, or they are refused."""

    refuse: bool = False


class Tables:
    """Every table of one store in one target. Owns the states; the target's connection is the engine's. One thread.

    `others` are tables of the target that come from other stores.
    """

    def __init__(self, target: Target, source: str, keyless: KeyRule) -> None:
        self._target = target
        self._source = source
        self._keyless = keyless
        self._states = dict(target.tables())
        self._checked: set[TableName] = set()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction of the target; what is remembered here goes back with it."""
        states, checked = dict(self._states), set(self._checked)
        try:
            with self._target.transaction():
                yield
        except BaseException:
            self._states, self._checked = states, checked
            raise

    def find(self, name: TableName) -> TableState | None:
        """A table that is there, checked once to look as it should.

        Raises RunFailed `apply.other_source` if another store made it, `apply.shape` if somebody changed it.
        """
        state = self._states.get(name)
        if state is None or not state.is_there:
            return None
        self._own(state)
        if name not in self._checked:
            differences = self._target.differences(state)
            if differences:
                raise self._misshapen(state, differences)
            self._checked.add(name)
        return state

    def version(self, name: TableName) -> int:
        """The schema version that a table was last brought to, dropped ones included; -1 if it was never met."""
        state = self._states.get(name)
        return state.version if state is not None and state.source == self._source else -1

    def of_database(self, database: str) -> list[TableState]:
        """The tables of a schema that are there and come from this store."""
        return [
            state
            for state in self._states.values()
            if state.name.schema == database and state.is_there and state.source == self._source
        ]

    def create(self, state: TableState) -> None:
        """Makes a table, or takes over one that is there, empty and as it should be. Raises RunFailed."""
        self._refuse_keyless(state)
        there = self._states.get(state.name)
        if there is not None and there.is_there:
            self._own(there)
        others = [other.name for other in self._states.values() if other.is_there]
        if (why := self._target.refuse_name(state, others)) is not None:
            raise RunFailed(
                "apply.name",
                f"table {visible(str(state.name))} cannot be made in {self._target.display}: {why}",
                hint="rename it on its way to the store (`route`), or leave it out with --tables",
            )
        if not self._target.exists(state.name):
            self._target.create(state)
        elif differences := self._target.differences(state):
            raise self._misshapen(state, differences)
        elif not self._target.is_empty(state.name):
            raise RunFailed(
                "apply.occupied",
                f"{self._target.display} has a table {visible(str(state.name))} with rows that this store did not "
                "bring",
                hint="empty or rename it, or apply into another target",
            )
        self._remember(state)

    def drop(self, state: TableState, version: int) -> None:
        """Drops a table; that it is gone since `version` stays known."""
        self._target.drop(state.name)
        self._remember(replace(state, version=version, columns=(), partitions=None))

    def rename(self, state: TableState, to: TableName, version: int | None) -> TableState:
        """Gives a table another name; the old one is gone since `version`, or was never one if that is None."""
        renamed = replace(state, name=to)
        others = [other.name for other in self._states.values() if other.is_there and other.name != state.name]
        if (why := self._target.refuse_name(renamed, others)) is not None:
            raise RunFailed("apply.name", f"table {visible(str(state.name))} cannot become {visible(str(to))}: {why}")
        self._target.rename(state, to)
        if version is None:
            del self._states[state.name]
            self._target.forget(state.name)
        else:
            self._remember(replace(state, version=version, columns=(), partitions=None))
        self._remember(renamed)
        return renamed

    def truncate(self, state: TableState) -> None:
        """Empties a table."""
        self._target.truncate(state.name)

    def alter(self, change: Alteration) -> None:
        """Makes the table what `change.after` says."""
        self._refuse_keyless(change.after)
        self._target.alter(change)
        self._remember(change.after)

    def remember(self, state: TableState) -> None:
        """A new version that changes nothing in the target."""
        self._remember(state)

    def partitions(self, name: TableName) -> Partitioning | None:
        """How a table is divided, None if it is not or if that is not known."""
        state = self._states.get(name)
        return None if state is None else state.partitions

    def _remember(self, state: TableState) -> None:
        self._states[state.name] = state
        self._target.remember(state)
        if state.is_there:
            self._checked.add(state.name)

    def _own(self, state: TableState) -> None:
        if state.source != self._source:
            raise RunFailed(
                "apply.other_source",
                f"table {visible(str(state.name))} of {self._target.display} comes from {visible(state.source)}, not "
                f"from {visible(self._source)}",
                hint="apply each store into a target of its own, or choose other tables with --tables; a store that "
                "moved keeps its name with --source",
            )

    def _misshapen(self, state: TableState, differences: list[str]) -> RunFailed:
        return RunFailed(
            "apply.shape",
            f"table {visible(str(state.name))} of {self._target.display} has another shape: {'; '.join(differences)}",
            hint="restore its shape, drop what is in the way, or apply into another target (was it made with another "
            "--temporal?)",
        )

    def _refuse_keyless(self, state: TableState) -> None:
        if state.is_log and self._keyless.refuse:
            raise RunFailed(
                "apply.keyless",
                f"table {visible(str(state.name))} has no primary key",
                hint="append its changes with --keyless append, or leave it out with --tables",
            )
