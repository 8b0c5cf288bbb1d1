"""A transform's contract: what becomes of a change depends on the change alone, not on how batches are cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from afterbay.messages import ChangeBatch, EncodedBatch
from afterbay.node import Emit, Transform, TransformContext
from afterbay.telemetry import Telemetry
from afterbay.testing.made_up import made_up
from afterbay.testing.recorded import Change, broken, changes_of
from afterbay.testing.still_clock import StillClock

Batches = Iterable[ChangeBatch]


@dataclass(slots=True)
class Became:
    """What came out, by port and dispatcher: changes, or an encoder's bytes and how many rows they are of."""

    changes: dict[tuple[str, str], list[Change]] = field(default_factory=dict)
    payload: dict[tuple[str, str], tuple[bytes, int]] = field(default_factory=dict)


def check_transform(
    make: Callable[[], Transform[Any, Any]],
    folder: Path,
    batches: Callable[[], Batches] = made_up,
    *,
    same_bytes: bool = True,
) -> None:
    """Sends the same changes whole, in halves, row by row, and twice, at one moment of a clock that stands still.

    Held against its contract: each time the same changes leave each port, in the order of each dispatcher; nothing but
    what came in below or at its commit-ts; an encoder's payloads, one after another, are the same bytes (for formats
    that are assembled at the flush: of as many rows). `same_bytes=False`: for a format that frames each payload, of as
    many rows. Raises AssertionError.
    """
    whole = _became(make(), folder, batches())
    for name, cuts in (("in halves", _halves), ("row by row", _rows), ("in another run", iter)):
        found = _became(make(), folder, cuts(batches()))
        _same(whole, found, name, same_bytes)
    twice = _became(make(), folder, batches(), times=2)
    for key, changes in whole.changes.items():
        if twice.changes.get(key) != changes + changes:
            raise broken(f"what leaves {_named(key)} is another the second time: it depends on what came before")


def _became(node: Transform[Any, Any], folder: Path, batches: Batches, times: int = 1) -> Became:
    context = TransformContext("transform", 0, folder, StillClock(), Telemetry("conformance").node("transform"))
    operator = node.open(context)
    found = Became()
    sent = list(batches)
    try:
        for batch in sent * times:
            given = changes_of(batch)
            result = operator.process(batch)
            if changes_of(batch) != given:
                raise broken("the batch that came in was changed: others may hold it, too")
            for port, item in _items(result, node.out_ports[0]):
                _keep(found, port, item, batch)
    finally:
        operator.close()
    return found


def _items(result: Any, port: str) -> Iterator[tuple[str, Any]]:
    if result is None:
        return
    several = isinstance(result, Iterable) and not isinstance(result, ChangeBatch | EncodedBatch | Emit)
    for item in result if several else [result]:
        yield (item.port, item.item) if isinstance(item, Emit) else (port, item)


def _keep(found: Became, port: str, item: Any, came: ChangeBatch) -> None:
    if isinstance(item, ChangeBatch):
        changes = changes_of(item)
        stamps = set(zip(came.commit_ts.to_pylist(), came.ordinals.to_pylist(), strict=True))
        strange = [change.at for change in changes if tuple(change.at) not in stamps]
        if strange:
            raise broken(f"a change at {strange[0]} leaves that did not come: stamps are kept (I4, I6)")
        if item.dispatcher != came.dispatcher:
            raise broken(f"rows of '{came.dispatcher}' leave as '{item.dispatcher}': a dispatcher is the unit of order")
        found.changes.setdefault((port, item.dispatcher), []).extend(changes)
    elif isinstance(item, EncodedBatch):
        head = item.head
        if head.size != sum(len(part) for part in item.body):
            raise broken(f"the head says {head.size} bytes, and the payload has others")
        body = b"".join(bytes(part) for part in item.body) if head.format.assembler is None else b""
        before, rows = found.payload.get((port, head.dispatcher), (b"", 0))
        found.payload[port, head.dispatcher] = (before + body, rows + head.rows)
    else:
        raise broken(f"a {type(item).__name__} leaves: the kit knows change batches and encoded ones")


def _same(whole: Became, found: Became, name: str, same_bytes: bool) -> None:
    for key in sorted({*whole.changes, *found.changes}):
        if whole.changes.get(key) != found.changes.get(key):
            raise broken(f"other changes leave {_named(key)} when the same come {name}")
    for key in sorted({*whole.payload, *found.payload}):
        ours, theirs = whole.payload.get(key), found.payload.get(key)
        if ours is None or theirs is None or (ours != theirs if same_bytes else ours[1] != theirs[1]):
            raise broken(f"another payload leaves {_named(key)} when the same changes come {name}")


def _named(key: tuple[str, str]) -> str:
    return f"port '{key[0]}' for '{key[1]}'"


def _halves(batches: Batches) -> Iterator[ChangeBatch]:
    for batch in batches:
        middle = batch.num_rows // 2
        if middle:
            yield batch.slice(0, middle)
        yield batch.slice(middle, batch.num_rows)


def _rows(batches: Batches) -> Iterator[ChangeBatch]:
    return (batch.slice(at, at + 1) for batch in batches for at in range(batch.num_rows))
