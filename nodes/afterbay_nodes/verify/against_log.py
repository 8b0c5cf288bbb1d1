"""A store against the change log that it was made of: the same changes, in the same order, up to the checkpoint.

The log is interleaved and a store is by table, so they are not laid side by side. Files have digests of their changes
in pieces; the log is played once, in batches of any size, and makes the same cuts. Only where pieces differ is the log
played again, for the rows of those pieces and the lines that they stand in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from afterbay.messages import ChangeBatch, SchemaChange
from afterbay.schema import TableName
from afterbay_nodes.storage.layout import METADATA
from afterbay_nodes.storage.names import escape
from afterbay_nodes.transforms.table_rules import TableRules
from afterbay_nodes.verify.bounds import Versions
from afterbay_nodes.verify.changes import Changes, of_batch, of_stored
from afterbay_nodes.verify.chosen import Chosen
from afterbay_nodes.verify.differences import Difference, first_difference
from afterbay_nodes.verify.fault import Fault
from afterbay_nodes.verify.file_check import LARGEST_TS, FileFacts
from afterbay_nodes.verify.log_ddls import LogDdls
from afterbay_nodes.verify.log_side import Line, Lines, play
from afterbay_nodes.verify.log_streams import Stop, Stream, Streams
from afterbay_nodes.verify.reached import Watched
from afterbay_nodes.verify.report import Question, Unchecked
from afterbay_nodes.verify.row_digest import PIECE, Digests
from afterbay_nodes.verify.verifier import Checked, Findings

LOCATED = 50
"""Tables whose first difference is looked up row by row: their pieces are in memory together."""


class AgainstLog:
    """A `Comparison` with a change log: `path` is a file or a glob, `digests` those that the files were read with."""

    answers = frozenset(Question)

    def __init__(
        self, path: str, digests: Digests, *, rules: TableRules | None = None, raw_changes: bool = False
    ) -> None:
        """`rules`: the tables that are compared; `raw_changes`: see `log_side.play`."""
        self.name = f"the change log {path}"
        self._path = path
        self._digests = digests
        self._raw_changes = raw_changes
        self._chosen = Chosen(rules)

    def __call__(self, checked: Checked) -> Findings:
        """See `Comparison`."""
        limit = checked.snapshot.checkpoint
        limit = LARGEST_TS if limit is None else limit
        versions = Versions(checked.schemas)
        files = [facts for facts in checked.files if self._chosen.table(facts.step.table)]
        bounds = {id(facts): versions.bounds(facts.step) for facts in files}
        streams = Streams(files, self._digests, limit, bounds)
        first = _First(streams, self._chosen)
        end = play(self._path, Watched(first, checked.progress), raw_changes=self._raw_changes)
        ended = streams.end()
        found = Findings()
        found.faults += first.ddls.faults(checked.schemas, limit)
        if checked.snapshot.checkpoint and end < checked.snapshot.checkpoint:  # 0 promises nothing
            message = f"it says {checked.snapshot.checkpoint}; the log ends at {end}"
            found.faults.append(Fault(METADATA, 0, "against.checkpoint", message))
        found.faults += self._stops(checked, streams, [stream for stream in ended if stream.stop is not None])
        found.unchecked += _open(streams, ended)
        found.unchecked += self._chosen.unchecked(self.name)
        return found

    def _stops(self, checked: Checked, streams: Streams, stopped: Sequence[Stream]) -> Iterator[Fault]:
        """A fault for each stream that parts from the log."""
        located = stopped[:LOCATED]
        second = _Second(streams, located, self._chosen)
        if located:
            play(self._path, Watched(second, checked.progress), raw_changes=self._raw_changes)
        for stream in stopped:
            stop = stream.stop
            assert stop is not None
            if stream in located:
                yield self._fault(checked, streams, stream, stop, second.kept[id(stream)])
            else:
                rows = f"changes {stop.start + 1} to {stop.start + PIECE} are not those of the log"
                yield Fault(_key(stream, stop), 0, "against.row", rows, str(stream.name))

    def _fault(self, checked: Checked, streams: Streams, stream: Stream, stop: Stop, kept: _Kept) -> Fault:
        table, facts = str(stream.name), stop.file
        if facts is None:
            more = f" and {stream.missing - 1} more up to the checkpoint" if stream.missing > 1 else ""
            message = f"the log's change{kept.told(0)}{more} is not stored"
            if stream.pool is not None:
                message = f"no file begins with the log's change{kept.told(0)}: it is not stored, or not as it was"
            return Fault(_key(stream, stop), 0, "against.missing", message, table)
        stored, rows = _stored(checked, facts, stop.start)
        if facts.digest is not None and not facts.digest.with_before:
            stored = stored.without_before()
        texts = self._digests.texts(facts.step.schema)
        wanted = streams.as_stored(stream, facts, kept.changes(stored))
        if stop.why:
            fits = wanted.slice(0, min(stop.fits, wanted.count))
            found = first_difference(stored, fits, texts)
            if found is None or found.stored >= stop.fits:
                here, there = (it.slice(stop.fits, min(stop.fits + 1, it.count)) for it in (stored, wanted))
                same = here.count == there.count and first_difference(here, there, texts) is None
                if same or (stop.fits == 0 and stop.code == "against.columns"):
                    told = f"{stop.why}{kept.told(stop.fits)}"
                    return Fault(facts.step.key, rows[stop.fits], stop.code, told, table)
        else:
            found = first_difference(stored, wanted, texts)
        if found is None:
            message = f"changes from {stop.start + 1} on are not those of the log"
            return Fault(facts.step.key, rows[0], "against.row", message, table)
        row = rows[found.stored] if found.stored < len(rows) else rows[-1] + 1
        return Fault(facts.step.key, row, found.code, _told(found, kept, stop), table)


class _First:
    """The first hearing: every change runs along its stream."""

    def __init__(self, streams: Streams, chosen: Chosen) -> None:
        self.ddls = LogDdls(chosen)
        self._streams = streams
        self._chosen = chosen

    def changes(self, batch: ChangeBatch, lines: Lines) -> None:
        stream = self._streams.stream(batch.schema) if self._chosen.table(batch.schema.name) else None
        if stream is not None:
            self._streams.run(stream, of_batch(batch), batch.schema)

    def ddl(self, change: SchemaChange) -> None:
        self.ddls.add(change)


class _Kept:
    """The log's changes from where a stream parts from it, a piece and one more, with their lines."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._parts: list[Changes] = []
        self.lines: list[Line] = []

    def take(self, at: int, batch: ChangeBatch, lines: Lines) -> None:
        """A batch whose first change is the stream's change `at`."""
        low, high = max(self._start, at) - at, min(self._start + PIECE + 1, at + batch.num_rows) - at
        if low < high:
            self._parts.append(of_batch(batch).slice(low, high))
            self.lines += [lines[row] for row in range(low, high)]

    def told(self, at: int) -> str:
        """Where the change `at` stands, if there is one."""
        return f" ({self.lines[at]})" if at < len(self.lines) else ""

    def changes(self, like: Changes) -> Changes:
        """All of them; of the columns of `like`: what has others is left out, and so missing."""
        fitting = [
            part
            for part in self._parts
            if [column.type for column in part.columns] == [column.type for column in like.columns]
        ]
        return _joined(fitting, like)


class _Second:
    """The second hearing: what some streams have where they part from the log."""

    def __init__(self, streams: Streams, wanted: Sequence[Stream], chosen: Chosen) -> None:
        self._streams = streams
        self._chosen = chosen
        self._rows: dict[int, int] = defaultdict(int)
        self.kept = {id(stream): _Kept(stream.stop.row) for stream in wanted if stream.stop is not None}

    def changes(self, batch: ChangeBatch, lines: Lines) -> None:
        stream = self._streams.stream(batch.schema) if self._chosen.table(batch.schema.name) else None
        if stream is None or id(stream) not in self.kept:
            return
        self.kept[id(stream)].take(self._rows[id(stream)], batch, lines)
        self._rows[id(stream)] += batch.num_rows

    def ddl(self, change: SchemaChange) -> None:
        """Heard before."""


def _stored(checked: Checked, facts: FileFacts, start: int) -> tuple[Changes, list[int]]:
    """(a file's changes from `start` on, a piece and one more; the number of the row of each)."""
    parts: list[Changes] = []
    rows: list[int] = []
    count = 0
    for chunk in checked.rows(facts.step):
        changes = of_stored(chunk)
        low, high = max(start, count) - count, min(start + PIECE + 1, count + changes.count) - count
        if low < high:
            part = changes.slice(low, high)
            parts.append(part)
            # Before-images that are rows of their own count as rows.
            numbers = _numbers(changes, chunk.first_row, halves=chunk.is_update is not None)
            rows += numbers[low:high]
        count += changes.count
    return _joined(parts, parts[0]), rows


def _numbers(changes: Changes, first_row: int, *, halves: bool) -> list[int]:
    """The number of the row that makes each change; the second one of an update's halves."""
    numbers: list[int] = []
    updates = changes.before_of.to_pylist() if halves else []
    passed = 0
    for at in range(changes.count):
        while passed < len(updates) and updates[passed] <= at:
            passed += 1
        numbers.append(first_row + at + passed)
    return numbers


def _joined(parts: Sequence[Changes], like: Changes) -> Changes:
    """Neighbouring changes as one."""
    if not parts:
        return like.slice(0, 0)
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + part.count)
    before_of = [
        pa.array([at + start for at in part.before_of.to_pylist()], pa.int64())
        for part, start in zip(parts, starts, strict=False)
    ]
    return Changes(
        pa.concat_arrays([part.ops for part in parts]),
        None if parts[0].commit_ts is None else pa.concat_arrays([part.commit_ts for part in parts]),
        tuple(pa.concat_arrays(list(columns)) for columns in zip(*(part.columns for part in parts), strict=True)),
        pa.concat_arrays(before_of),
        tuple(pa.concat_arrays(list(columns)) for columns in zip(*(part.before for part in parts), strict=True)),
    )


def _told(found: Difference, kept: _Kept, stop: Stop) -> str:
    match found.code:
        case "against.missing":
            return f"the log's change{kept.told(found.wanted)} is missing before this row"
        case "against.extra":
            end = "; the log has no more" if stop.is_over and found.wanted >= len(kept.lines) else ""
            return f"the log has no such change here{kept.told(found.wanted)}{end}"
        case "against.order":
            return f"this row and the next stand the other way round in the log{kept.told(found.wanted)}"
        case _:
            return f"{found.message}{kept.told(found.wanted)}"


def _key(stream: Stream, stop: Stop) -> str:
    """The file that a difference is told of: behind the last one, that one; without any, the table's folder."""
    if stop.file is not None:
        return stop.file.step.key
    return stream.files[-1].step.key if stream.files else "/".join(map(escape, stream.name))


def _open(streams: Streams, ended: Sequence[Stream]) -> Iterator[Unchecked]:
    """What the comparison could not tell."""
    if streams.mixed:
        why = "the files of several dispatchers stand beside each other, and nothing says which is whose"
        yield Unchecked("rows of some tables against the log", why, _sorted(streams.mixed))
    damaged = {stream.name: None for stream in ended if stream.is_damaged}
    if damaged:
        why = "a file before them cannot be read"
        yield Unchecked("rows of some tables against the log, behind a damaged file", why, _sorted(damaged))
    blanked = {f"{stream.name}: {', '.join(sorted(stream.blanked))}": None for stream in ended if stream.blanked}
    if blanked:
        why = "the store has nulls there in every delete: it was written to keep their keys only"
        yield Unchecked("columns of deletes against the log", why, tuple(blanked))
    half = {
        str(stream.name): None
        for stream in ended
        for facts in stream.files
        if facts.digest is not None and not facts.digest.with_before
    }
    if half:
        why = "the store does not have them"
        yield Unchecked("values before updates against the log", why, tuple(half))


def _sorted(names: Mapping[TableName, None]) -> tuple[str, ...]:
    return tuple(map(str, sorted(names)))
