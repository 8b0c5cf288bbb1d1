"""A source's contract: order, promises, and that a run which resumes at any promise sends the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from afterbay.clock import SystemClock
from afterbay.node import Source, SourceContext, Until
from afterbay.telemetry import Telemetry
from afterbay.testing.recorded import Promise, Recorded, Recorder, broken

NODE = "source"
MOST_RESUMES = 50


def check_source(
    make: Callable[[], Source[Any]],
    folder: Path,
    *,
    until: Until = Until.END,
    promises: int | None = None,
    resumes: int = MOST_RESUMES,
) -> None:
    """Runs the source once whole, once more, and again from `resumes` of its promises, evenly chosen.

    Held against its contract: rows of a dispatcher rise in (commit-ts, ordinal); nothing at or below a promise follows
    it; a cursor survives JSON; a second run sends the same, and one that resumes at a promise the rest of it, however
    batches are cut; a run that is to stop returns. `promises`: for a source that does not end, after how many a run is
    told to stop. `folder` is for scratch files. Raises AssertionError.
    """
    source = make()
    for number, name in enumerate(source.partitions()):
        partition = f"{NODE}/{name}" if name else NODE
        scratch = folder / f"partition-{number}"
        _check_partition(make, partition, scratch, until, promises, resumes)


def record(
    source: Source[Any],
    folder: Path,
    *,
    resume: Promise | None = None,
    until: Until = Until.END,
    promises: int | None = None,
    partition: str = NODE,
) -> Recorded:
    """What one run of `source` sends. Raises AssertionError, and what the source raises."""
    point = None if resume is None else resume.point
    schemas = {} if resume is None else resume.schemas
    folder.mkdir(parents=True, exist_ok=True)
    meter = Telemetry("conformance").node(NODE)
    recorder = Recorder(point, schemas, promises)
    operator = source.open(SourceContext(NODE, partition, until, point, schemas, SystemClock(), meter, folder))
    try:
        operator.run(recorder)
    finally:
        operator.close()
    return recorder.recorded


def _check_partition(
    make: Callable[[], Source[Any]], partition: str, folder: Path, until: Until, promises: int | None, resumes: int
) -> None:
    def run(name: str, resume: Promise | None = None, most: int | None = promises) -> Recorded:
        return record(make(), folder / name, resume=resume, until=until, promises=most, partition=partition)

    whole = run("whole")
    if not whole.promises:
        raise broken("the source promises nothing: no checkpoint would ever be written")
    end = whole.promises[-1].point.commit_ts
    _same(whole.above(-1), run("again").above(-1), end, "a second run")
    for number in _chosen(len(whole.promises), resumes):
        promise = whole.promises[number]
        left = None if promises is None else promises - number - 1
        if left == 0:
            continue
        rest = run(f"from-{number}", promise, left)
        where = f"a run that resumes at the promise of {promise.point.commit_ts}"
        _same(whole.above(promise.point.commit_ts), rest.above(-1), end, where)
    stopped = run("stopped", None, 1)
    rest = run("after-the-stop", stopped.promises[-1])
    _same(whole.above(stopped.promises[-1].point.commit_ts), rest.above(-1), end, "a run after one that was stopped")


def _same(wanted: Recorded, found: Recorded, end: int, where: str) -> None:
    """Up to the last promise both know of: beyond it a source that does not end may have sent more."""
    for name in sorted({*wanted.changes, *found.changes}):
        ours = [it for it in wanted.changes.get(name, []) if it.at.commit_ts <= end]
        theirs = [it for it in found.changes.get(name, []) if it.at.commit_ts <= end]
        for a, b in zip(ours, theirs, strict=False):
            if a != b:
                raise broken(f"{where} sends another change of '{name}': {b}, not {a}")
        if len(ours) != len(theirs):
            raise broken(f"{where} sends {len(theirs)} changes of '{name}', not {len(ours)}")
    ddls = [[ddl for ddl in it.ddls if ddl[0] <= end] for it in (wanted, found)]
    if ddls[0] != ddls[1]:
        raise broken(f"{where} sends other DDLs: {ddls[1]}, not {ddls[0]}")


def _chosen(count: int, most: int) -> list[int]:
    """At most `most` of `count` numbers, evenly, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(step * (count - 1) / (most - 1)) for step in range(most)}) if most > 1 else [count - 1]
