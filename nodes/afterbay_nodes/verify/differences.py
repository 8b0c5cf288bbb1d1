"""The first difference between two short runs of changes, and what kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from afterbay_nodes.verify.changes import Changes
from afterbay_nodes.verify.row_digest import Texts

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """`code` says which kind; the stored change `stored` and the log's change `wanted` are where it begins, both from 0
    (one may be behind the end of its side). `message` is in words.
    """

    code: str
    stored: int
    wanted: int
    message: str


def first_difference(stored: Changes, wanted: Changes, texts: Texts) -> Difference | None:
    """The first one, None if one side is the beginning of the other and both are equally long.

    What is behind it tells what it is: a change that is missing, one too many, two that changed places, or an altered
    one.
    """
    ours, theirs = _columns(stored, texts), _columns(wanted, texts)
    n = min(stored.count, wanted.count)
    at = min((_unequal(one.slice(0, n), other.slice(0, n)) for one, other in zip(ours, theirs, strict=True)), default=n)
    if at == n:
        if stored.count == wanted.count:
            return None
        code = "against.extra" if stored.count > wanted.count else "against.missing"
        return Difference(code, at, at, "")

    def row(columns: Sequence[pa.Array], index: int) -> list[str | None] | None:
        return [column[index].as_py() for column in columns] if index < len(columns[0]) else None

    here, there, next_here, next_there = row(ours, at), row(theirs, at), row(ours, at + 1), row(theirs, at + 1)
    if next_here == there and here == next_there:
        return Difference("against.order", at, at, "")
    if here is not None and here == next_there:
        return Difference("against.missing", at, at, "")
    if there is not None and there == next_here:
        return Difference("against.extra", at, at, "")
    names = texts.names(dated=stored.commit_ts is not None)
    differing = next(index for index in range(len(ours)) if ours[index][at] != theirs[index][at])
    told = f"{names[differing]} is {_shown(ours[differing][at])}, in the log {_shown(theirs[differing][at])}"
    return Difference("against.row", at, at, told)


def _columns(changes: Changes, texts: Texts) -> list[pa.Array]:
    """Operation, commit-ts, values, values before, as text."""
    ops = pa.array(["insert", "update", "delete"]).take(changes.ops)
    stamps = [] if changes.commit_ts is None else [changes.commit_ts.cast(pa.utf8())]
    before = texts.of(changes.before)
    # Each change has its before-image beside it, most of them none.
    places = pc.index_in(pa.arange(0, changes.count), value_set=changes.before_of)
    aligned = [column.take(places) if len(column) else pa.nulls(changes.count, column.type) for column in before]
    return [ops, *stamps, *texts.of(changes.columns), *aligned]


def _unequal(one: pa.Array, other: pa.Array) -> int:
    """The first index at which two columns differ, their length if they do not."""
    equal = pc.fill_null(pc.equal(one, other), False)
    both_null = pc.and_(pc.is_null(one), pc.is_null(other))
    found = pc.index(pc.or_(equal, both_null), False).as_py()
    return len(one) if found < 0 else int(found)


def _shown(value: pa.Scalar) -> str:
    text = value.as_py()
    if text is None:
        return "NULL"
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
