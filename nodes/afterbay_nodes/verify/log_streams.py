"""The files of each table laid end to end, with a log's rows running along them: equal pieces are passed, the first
unequal one is kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.schema import TableName, TableSchema
from afterbay_nodes.verify.changes import Changes, without
from afterbay_nodes.verify.file_check import Bounds, FileFacts
from afterbay_nodes.verify.file_pool import FilePool
from afterbay_nodes.verify.row_digest import PIECE, Digests, FileDigest, Hasher, Piece


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a stream and the log part. `row` counts the log's changes of this stream from 0.

    In `file` (None: behind the last one) the changes from `start` on (from 0) are not those of the log from `row` on.
    `is_over`: the log has no rows any more. `why`: the log's change `fits` behind `row` cannot be of this file, though
    the file has more; `code` is what it is if that very change stands there.
    """

    file: FileFacts | None
    start: int
    row: int
    is_over: bool = False
    why: str = ""
    code: str = ""
    fits: int = 0


@dataclass(slots=True)
class Stream:
    """One table (or one partition of it): `files` in a reader's order, and how far the log has run along them.

    With a `pool` the files are found one after the other. `missing` counts the log's changes that should be stored
    behind the last file, of which `missing_from` is the first; `blanked` are columns that were not compared in deletes.
    """

    name: TableName
    files: list[FileFacts]
    pool: FilePool | None = None
    rows: int = 0
    at: int = 0
    stop: Stop | None = None
    missing: int = 0
    missing_from: int = -1
    is_damaged: bool = False
    hasher: Hasher | None = None
    blanked: frozenset[str] = frozenset()


class Streams:
    """All streams of a store. One thread."""

    def __init__(self, files: Iterable[FileFacts], digests: Digests, limit: int, bounds: Mapping[int, Bounds]) -> None:
        """`limit`: the log's changes up to this commit-ts should be stored. `bounds` are by `id` of a file's facts."""
        self._digests = digests
        self._limit = limit
        self._bounds = bounds
        self._fits: dict[tuple[int, int], str] = {}
        self._schemas: list[TableSchema] = []  # keeps the ids in `_fits` true
        self._blank = _blank(files := list(files))
        self.mixed: dict[TableName, None] = {}
        self._files = _grouped(files)
        self._pools: dict[TableName, FilePool] = {}
        self._streams: dict[tuple[TableName, int | None], Stream] = {}
        self._of_table: dict[TableName, list[tuple[bool, Stream]]] = defaultdict(list)

    def stream(self, schema: TableSchema) -> Stream | None:
        """The stream of a batch's rows, None if the store does not tell in which order they are to be."""
        name, partition = schema.name, schema.partition_id
        if name in self.mixed:
            return None
        found = self._streams.get((name, partition))
        if found is None:
            found = self._made(name, partition)
            if found is None or self._shares(found, divided=partition is not None):
                self.mixed[name] = None
                return None
            self._streams[name, partition] = found
            self._of_table[name].append((partition is not None, found))
        return found

    def _shares(self, stream: Stream, *, divided: bool) -> bool:
        """True if the table was divided, or is no more, and its partitions had no folders: which files are whose?"""
        others = [other for was_divided, other in self._of_table[stream.name] if was_divided != divided]
        return any((stream.pool or other.pool) is not None for other in others)

    def _made(self, name: TableName, partition: int | None) -> Stream | None:
        """A stream over one dispatcher's files: those in its folders, or else those that begin with its changes."""
        files = self._files.get(name, [])
        if partition is None:
            chosen = files if _is_single(files) else [facts for facts in files if not facts.step.partition]
            return Stream(name, chosen) if _is_single(chosen) else None
        own = [facts for facts in files if _partition(facts) == str(partition)]
        if own and _is_single(own):
            return Stream(name, own)
        if name not in self._pools:
            self._pools[name] = FilePool(facts for facts in files if not facts.step.partition)
        return Stream(name, [], self._pools[name])

    def run(self, stream: Stream, changes: Changes, schema: TableSchema) -> None:
        """The log's next changes of a stream."""
        at = 0
        while at < changes.count and stream.stop is None and not stream.is_damaged:
            facts = self._next(stream)
            if facts is None and stream.pool is not None and not stream.missing:
                facts = self._found(stream, stream.pool, changes.slice(at, changes.count), schema)
            if facts is None:
                break
            if facts.digest is None:
                stream.is_damaged = True
                break
            stop = min(changes.count, at + facts.digest.changes - self._offset(stream))
            part = changes.slice(at, stop)
            fit = self._fitting(facts, part, schema)
            if fit:
                self._run_along(stream, facts, facts.digest, part.slice(0, fit))
            stream.rows += fit
            if fit < part.count and stream.stop is None:
                self._misfit(stream, facts, part.slice(fit, part.count), schema)
            stream.rows += part.count - fit
            at = stop
        self._left(stream, changes.slice(at, changes.count))

    def end(self) -> list[Stream]:
        """The log is over: its streams by table, each with a stop if it parts from the log."""
        ended = [stream for stream in self._streams.values() if stream.name not in self.mixed]
        for stream in ended:
            if stream.stop is None and not stream.is_damaged:
                self._end(stream)
        ended += self._never_met(ended)
        return sorted(ended, key=lambda stream: stream.name)

    def _end(self, stream: Stream) -> None:
        facts = self._next(stream)
        if facts is not None and facts.digest is None:
            stream.is_damaged = True
        elif facts is not None:
            start = self._offset(stream) // PIECE * PIECE
            stream.stop = Stop(facts, start, stream.rows - (self._offset(stream) - start), is_over=True)
        elif stream.missing:
            stream.stop = Stop(None, 0, stream.missing_from)

    def _never_met(self, ended: Iterable[Stream]) -> list[Stream]:
        """Files with changes that belong to no stream, though nothing else is wrong with their table."""
        met: dict[TableName, set[int]] = defaultdict(set)
        wrong = set(self.mixed)
        for stream in ended:
            met[stream.name] |= {id(facts) for facts in stream.files}
            if stream.stop is not None or stream.is_damaged:
                wrong.add(stream.name)
        left = []
        for name, files in self._files.items():
            unmet = [it for it in files if id(it) not in met[name] and (it.digest is None or it.digest.changes)]
            if unmet and name not in wrong:
                left.append(Stream(name, unmet))
                self._end(left[-1])
        return left

    def _next(self, stream: Stream) -> FileFacts | None:
        """The file that the next change is in. Files without rows are passed."""
        while stream.at < len(stream.files):
            facts = stream.files[stream.at]
            if facts.digest is None or facts.digest.changes:
                return facts
            stream.at += 1
        return None

    def _found(self, stream: Stream, pool: FilePool, changes: Changes, schema: TableSchema) -> FileFacts | None:
        """The file of the pool that begins with the first of some changes: from now on it is the stream's."""

        def head(model: FileFacts) -> bytes | None:
            first = changes.slice(0, 1)
            if not self._fitting(model, first, schema):
                return None
            return self._digests.hasher(model.step.schema).head(self.as_stored(stream, model, first))

        facts = pool.take(head)
        if facts is not None:
            stream.files.append(facts)
        elif pool.is_damaged:
            stream.is_damaged = True
        return facts

    @staticmethod
    def _offset(stream: Stream) -> int:
        return 0 if stream.hasher is None else stream.hasher.count

    def _run_along(self, stream: Stream, facts: FileFacts, digest: FileDigest, changes: Changes) -> None:
        """Changes that all belong into one file."""
        if stream.hasher is None:
            stream.hasher = self._digests.hasher(facts.step.schema)
        hasher = stream.hasher
        before, row = hasher.count, stream.rows - hasher.count
        hasher.add(self.as_stored(stream, facts, changes))
        done = hasher.count == digest.changes
        pieces = hasher.finish() if done else tuple(hasher.pieces)
        for at in range(before // PIECE, len(pieces)):
            if not _same(pieces[at], digest.pieces[at], with_before=digest.with_before):
                stream.stop = Stop(facts, at * PIECE, row + at * PIECE)
                return
        if done:
            stream.at += 1
            stream.hasher = None

    def _fitting(self, facts: FileFacts, changes: Changes, schema: TableSchema) -> int:
        """How many of the first changes can be in a file: they have its columns, and are of its version's time."""
        if self._differing(facts.step.schema, schema):
            return 0
        bounds = self._bounds[id(facts)]
        low, high = (pa.scalar(value, pa.uint64()) for value in (bounds.least, bounds.most))
        outside = pc.or_(pc.less(changes.commit_ts, low), pc.greater(changes.commit_ts, high))
        found = pc.index(outside, True).as_py()
        return changes.count if found < 0 else int(found)

    def _misfit(self, stream: Stream, facts: FileFacts, changes: Changes, schema: TableSchema) -> None:
        """The file has more, and the log's next change cannot be of it."""
        offset = self._offset(stream)
        start = offset // PIECE * PIECE
        differing = self._differing(facts.step.schema, schema)
        assert changes.commit_ts is not None
        why = f"the log committed it at {changes.commit_ts[0]}; this version was in force {self._bounds[id(facts)]}"
        stream.stop = Stop(
            facts,
            start,
            stream.rows - (offset - start),
            why=f"the file has {differing}" if differing else why,
            code="against.columns" if differing else "against.version",
            fits=offset - start,
        )

    def as_stored(self, stream: Stream, facts: FileFacts, changes: Changes) -> Changes:
        """The log's changes without what a file does not carry."""
        digest = facts.digest
        assert digest is not None
        blank = self._blank.get(_version(facts), frozenset()) if facts.step.extension == "json" else frozenset[int]()
        stripped = without(changes, sorted(blank))
        if blank:
            names = [column.name for column in facts.step.schema.stored_columns]
            stream.blanked |= {names[at] for at in blank if _lost(changes.columns[at], stripped.columns[at])}
        stripped = stripped if facts.dated else replace(stripped, commit_ts=None)
        return stripped if digest.with_before else stripped.without_before()

    def _left(self, stream: Stream, changes: Changes) -> None:
        """Changes behind the last file: those at or below the limit are missing."""
        if changes.count and stream.stop is None and not stream.is_damaged and changes.commit_ts is not None:
            due = int(pc.sum(pc.less_equal(changes.commit_ts, pa.scalar(self._limit, pa.uint64()))).as_py() or 0)
            if due and not stream.missing:
                stream.missing_from = stream.rows
            stream.missing += due
        stream.rows += changes.count

    def _differing(self, stored: TableSchema, schema: TableSchema) -> str:
        """In which way the columns of the log are not those of a file, in words; "" if they are the same."""
        key = id(stored), id(schema)
        if key not in self._fits:
            self._schemas += [stored, schema]
            ours, theirs = (
                [(column.name, str(column.arrow_type)) for column in it.stored_columns] for it in (stored, schema)
            )
            self._fits[key] = "" if ours == theirs else _told(ours, theirs)
        return self._fits[key]


def _told(ours: list[tuple[str, str]], theirs: list[tuple[str, str]]) -> str:
    for (name, kind), (other, other_kind) in zip(ours, theirs, strict=False):
        if (name, kind) != (other, other_kind):
            return f"column {name!r} ({kind}), the log has {other!r} ({other_kind}) there"
    return f"{len(ours)} columns, the log has {len(theirs)}"


def _same(one: Piece, other: Piece, *, with_before: bool) -> bool:
    return one.rows == other.rows and (not with_before or one.before == other.before)


def _lost(whole: pa.Array, stripped: pa.Array) -> bool:
    return bool(stripped.null_count > whole.null_count)


def _grouped(files: Iterable[FileFacts]) -> dict[TableName, list[FileFacts]]:
    names: dict[TableName, list[FileFacts]] = defaultdict(list)
    for facts in files:
        names[facts.step.table].append(facts)
    return names


def _partition(facts: FileFacts) -> str:
    step = facts.step
    return step.partition or (step.owner if "/" not in step.owner else "")


def _is_single(files: Sequence[FileFacts]) -> bool:
    """True if no version has two series of one date beside each other: then the order of files is the order of rows."""
    seen: dict[tuple[str, int], tuple[str, str]] = {}
    versions: dict[int, str] = {}
    for facts in files:
        step = facts.step
        track = step.partition, step.series.rpartition("/")[2]
        if seen.setdefault((step.owner, step.version), track) != track:
            return False
        if versions.setdefault(step.version, step.owner) != step.owner:
            return False
    return True


def _version(facts: FileFacts) -> tuple[str, int]:
    return facts.step.owner, facts.step.version


def _blank(files: Iterable[FileFacts]) -> dict[tuple[str, int], frozenset[int]]:
    """Columns that are null in every stored delete, by directory and version."""
    found: dict[tuple[str, int], frozenset[int]] = {}
    for facts in files:
        if facts.digest is not None and facts.digest.deletes:
            version = _version(facts)
            found[version] = found.get(version, facts.digest.blank) & facts.digest.blank
    return found
