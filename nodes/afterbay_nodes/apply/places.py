"""Errors get the place that they are about: the file of the store, its table, the row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from afterbay.errors import AfterbayError, Place, RunFailed
from afterbay.printable import visible
from afterbay.schema import TableName
from afterbay_nodes.apply.values import Unfit


def place_of(key: str, table: TableName | None, position: str | None = None) -> Place:
    """Where in the store; names come from outside and are made safe to show."""
    return Place(file=visible(key), table=None if table is None else visible(str(table)), position=position)


@contextmanager
def about(key: str, table: TableName | None) -> Iterator[None]:
    """What is raised inside says which file it is about, unless it says a place itself."""
    try:
        yield
    except Unfit as error:
        raise RunFailed(error.code, str(error), place=place_of(key, table), hint=error.hint) from error
    except AfterbayError as error:
        if error.place is None and len(error.diagnostics) == 1:
            told = error.diagnostics[0]
            raise type(error)(told.code, told.message, place=place_of(key, table), hint=told.hint) from error
        raise
