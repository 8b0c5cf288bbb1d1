"""I1 to I8, looked at from outside, as a consumer and an operator would. Nothing of afterbay is used.

After a life that was killed the store may be behind, and only that: each stream of changes is stored as its first n
changes, once, in order; the checkpoint, the one that the store shows and what the source was told are not ahead of it.
After the last life everything is there.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.wanted import Change, Table, Wanted
from tests.reader.bucket import Bucket, Form, read_bucket
from tests.reader.paths import StoreShape

_BROKEN = {
    "commit": "I4",
    "transaction": "I4",
    "version": "I3",
    "schema": "I3",
    "number": "I6",
    "index": "I1",
    "row": "I7",
    "file": "I7",
    "name": "I10",
    "metadata": "I1",
}

PROBE = ".afterbay-probe-"


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold."""

    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text}"


@dataclass(frozen=True, slots=True)
class Marks:
    """How far a source is, as three parties have it: the state, and what the source was told. -1: not at all."""

    checkpoint: int
    acknowledged: int


def checkpoints(state: Path) -> dict[str, int]:
    """Source -> the checkpoint in the database of a dead process, whose files stay untouched."""
    if not (state / "checkpoint.db").exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for part in state.glob("checkpoint.db*"):
            shutil.copy(part, folder)
        db = sqlite3.connect(Path(folder) / "checkpoint.db")
        try:
            if not db.execute("select 1 from sqlite_master where name = 'checkpoints'").fetchall():
                return {}
            return {name: int(text) for name, text in db.execute("select partition, commit_ts from checkpoints")}
        finally:
            db.close()


def acknowledged(folder: Path) -> dict[str, int]:
    """Source -> the last commit-ts that it was told it may discard."""
    return {path.name: int(path.read_text()) for path in folder.iterdir() if path.suffix != ".new"}


class Checker:
    """Looks at one root: `root` is a folder with what is in it. `wanted` is what its source has sent so far."""

    def __init__(self, root: Path, shape: StoreShape, form: Form, wanted: Wanted) -> None:
        self.bucket = read_bucket(root, shape, form)
        self._wanted = wanted

    def after_a_death(self, marks: Marks) -> Iterator[Violation]:
        """What may never be so, whenever the process died."""
        yield from self._findings()
        shown = -1 if self.bucket.checkpoint is None else self.bucket.checkpoint
        if shown > max(0, marks.checkpoint):
            yield Violation("I1", f"the store shows the checkpoint {shown}, the state has {marks.checkpoint}")
        if marks.acknowledged > marks.checkpoint:
            yield Violation("I2", f"the source was told {marks.acknowledged}, the state has {marks.checkpoint}")
        reached = max(shown, marks.checkpoint, marks.acknowledged)
        stored = yield from self._prefixes(reached)
        yield from self._statements(reached, stored)

    def after_the_end(self, marks: Marks) -> Iterator[Violation]:
        """What must be so once a run ended well with nothing more to come."""
        yield from self.after_a_death(marks)
        wanted = self._wanted
        found = sum(len(version.rows) for versions in self.bucket.tables.values() for version in versions)
        if found != wanted.count:
            yield Violation("I5", f"{found} rows are stored, {wanted.count} were sent")
        for path in (*self.bucket.unindexed, *self.bucket.temporary):
            yield Violation("I6", f"{path} is left over")
        if self.bucket.checkpoint != wanted.last:
            yield Violation("I1", f"the store shows the checkpoint {self.bucket.checkpoint}, not {wanted.last}")
        visible = {(file.version, file.query) for file in self.bucket.ddls}
        for statement in wanted.statements:
            if statement[:2] not in visible:
                yield Violation("I5", f"there is no schema file of {statement.query!r} at {statement.commit_ts}")

    def _findings(self) -> Iterator[Violation]:
        for finding in self.bucket.findings:
            if finding.path.startswith(PROBE):
                continue  # of a dead process, or late: the next start sweeps it, and no reader looks at it
            yield Violation(_BROKEN.get(finding.rule.partition(".")[0], "I10"), str(finding))

    def _prefixes(self, reached: int) -> Iterator[Violation]:
        """Each stream is stored as its first changes (I4 to I7), up to `reached` at least (I1). -> rows stored."""
        stored: dict[Table, list[Change]] = {}
        for table in self.bucket.tables.keys() | self._wanted.streams.keys():
            streams = self._wanted.streams.get(table, {})
            home = {change: partition for partition, stream in streams.items() for change in stream}
            found: dict[int | None, list[Change]] = {}
            rows = [(Change.of(row), row.place) for row in self.bucket.rows(*table)]
            stored[table] = [change for change, _ in rows]
            for change, place in rows:
                if change not in home:
                    yield Violation("I7", f"{place}: nobody sent {change}")
                    return stored
                found.setdefault(home[change], []).append(change)
            for partition, stream in streams.items():
                yield from _prefix(f"{'.'.join(table)} {partition or ''}", found.get(partition, []), stream, reached)
        return stored

    def _statements(self, reached: int, stored: dict[Table, list[Change]]) -> Iterator[Violation]:
        """A DDL that is visible has all that is before it (I3); one that the checkpoint covers is visible (I1)."""
        visible = {(file.version, file.query) for file in self.bucket.ddls}
        for statement in self._wanted.statements:
            if statement[:2] not in visible:
                if statement.commit_ts <= reached:
                    yield Violation("I1", f"{statement} is at or below {reached}, and not visible")
                continue
            for table in statement.tables:
                wanted = self._wanted.rows([table], statement.commit_ts)
                found = sum(change.commit_ts < statement.commit_ts for change in stored.get(table, ()))
                if found < wanted:
                    yield Violation("I3", f"{statement} is visible with {found} of {wanted} rows before it")


def _prefix(name: str, found: list[Change], stream: list[Change], reached: int) -> Iterator[Violation]:
    if found != stream[: len(found)]:
        yield _difference(name, found, stream)
    elif len(found) < len(stream) and stream[len(found)].commit_ts <= reached:
        missing = sum(change.commit_ts <= reached for change in stream[len(found) :])
        yield Violation("I1", f"{name}: {missing} changes at or below {reached} are not stored")


def _difference(name: str, found: list[Change], stream: list[Change]) -> Violation:
    """Why stored changes are not the first of those wanted."""
    twice = [change for change, times in Counter(found).items() if times > 1]
    if twice:
        return Violation("I6", f"{name}: {len(twice)} changes are stored more than once, first {twice[0]}")
    missing = set(stream[: len(found)]) - set(found)
    if missing:
        return Violation("I5", f"{name}: {len(missing)} changes are left out, first {min(missing, key=lambda c: c[1])}")
    return Violation("I4", f"{name}: the changes are stored in another order")


def spool_left(state: Path) -> list[str]:
    """Segment files that nobody removed (I7)."""
    return [path.name for path in sorted(state.rglob("segment-*.spool"))]


def describe(bucket: Bucket) -> str:
    """What there is, for whoever looks at a violation."""
    rows = {".".join(table): len(bucket.rows(*table)) for table in sorted(bucket.tables)}
    return json.dumps({"checkpoint": bucket.checkpoint, "rows": rows})
