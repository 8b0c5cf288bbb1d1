"""What the three databases do alike: transactions, and the parts that are plain SQL put together."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from afterbay_nodes.apply.sql_altering import SqlAltering
from afterbay_nodes.apply.sql_notes import SqlNotes
from afterbay_nodes.apply.type_table import Temporal


class SqlTarget(SqlNotes, SqlAltering):
    """A database behind a connection that the subclass owns. See `target.Target` for what each call does."""

    driver_errors: tuple[type[Exception], ...]

    def __init__(self, display: str, temporal: Temporal) -> None:
        self.display = display
        self.temporal = temporal

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """The driver's errors come out as ours."""
        try:
            yield
        except self.driver_errors as error:
            raise self.explained(error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.run("BEGIN")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            self.rollback()
            raise

    @abstractmethod
    def rollback(self) -> None:
        """Undoes the open transaction. Does nothing if there is none, or no connection any more."""

    @abstractmethod
    def close(self) -> None:
        """Gives the connection back; an open transaction is undone."""


def first_line(error: Any) -> str:
    """A driver's message without the statement that it repeats, which may hold anybody's data."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
