"""One data file, decoded and checked from its first row to its last. What it was is kept as a few numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.errors import RunFailed
from afterbay.messages import Op
from afterbay.schema import RowPosition
from afterbay_nodes.bucket.steps import FileStep
from afterbay_nodes.decoders.decode import Decoders, encoding_of
from afterbay_nodes.decoders.stored_rows import StoredRows
from afterbay_nodes.storage.store import NotFound
from afterbay_nodes.verify.canal_frames import CanalFrames
from afterbay_nodes.verify.fault import Fault
from afterbay_nodes.verify.row_digest import Digests, FileDigest, FileReader

LARGEST_TS = (1 << 64) - 1
CHANGED = "bucket.changed"
_NOWHERE = RowPosition(0, 0)
UNTOLD = {
    "canal-json": "the times `es` and `ts` of canal-json lines, and how the line of a file of one line ends",
    "debezium-json": "`version`, `name` and the times `ts_ms` of Debezium events",
}
"""What lines say once, and no row needs, by encoding."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which commit-ts a file's rows may have, both ends included."""

    least: int
    most: int

    def __str__(self) -> str:
        return f"from {self.least} to {self.most}" if self.most < LARGEST_TS else f"from {self.least} on"


@dataclass(slots=True)
class FileFacts:
    """What a file holds. `rows` as they stand in it; `inserts`, `updates`, `deletes` count changes.

    `dated`: rows carry their commit-ts (None: there are no rows). `first` and `last` are the first and the last row's
    position (ordinal 0 where none is stored), `head` and `tail` how many rows have the first and the last commit-ts.
    `broken`: what is behind a fault was not read. `halves`: updates are stored as a delete and an insert. `untold`:
    what its lines have that nothing in a store says twice, "" if it is nothing.
    """

    step: FileStep
    rows: int = 0
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    dated: bool | None = None
    ordinals: bool = False
    halves: bool = False
    first: RowPosition = _NOWHERE
    last: RowPosition = _NOWHERE
    least: int = 0
    head: int = 0
    tail: int = 0
    untold: str = ""
    broken: bool = False
    faults: list[Fault] = field(default_factory=list)
    digest: FileDigest | None = None

    @property
    def changes(self) -> int:
        """How many changes the rows make."""
        return self.inserts + self.updates + self.deletes

    @property
    def tail_bytes(self) -> int:
        """About how many bytes the rows of the last commit-ts take."""
        return self.step.size * self.tail // max(1, self.rows)

    @property
    def head_bytes(self) -> int:
        """About how many bytes the rows of the first commit-ts take."""
        return self.step.size * self.head // max(1, self.rows)


Load = Callable[[FileStep], pa.Buffer]
"""The bytes of a file; raises RunFailed if it is not there any more."""


def check_file(step: FileStep, load: Load, decoders: Decoders, bounds: Bounds, *, digests: Digests | None) -> FileFacts:
    """Reads one file. What is wrong with it is in the facts. Memory: the file. Any thread.

    Raises RunFailed where the store itself fails.
    """
    facts = FileFacts(step)
    try:
        file = load(step)
    except RunFailed as error:
        if not isinstance(error, NotFound) and error.code != CHANGED:
            raise
        facts.broken = True
        facts.faults.append(Fault(step.key, 0, CHANGED, error.diagnostics[0].message, str(step.table)))
        return facts
    try:
        digest = None if digests is None else digests.file(step.schema)
        reading = _Reading(facts, bounds, digest)
        frames: CanalFrames | None = None
        encoding = encoding_of(file, step.extension) if file.size else ""
        facts.untold = UNTOLD.get(encoding, "")
        if encoding == "canal-json":
            frames = CanalFrames(file, step.schema, step.key)
        for chunk in decoders.rows(file, step.extension, step.schema, step.key):
            reading.add(chunk)
            if frames is not None and (fault := frames.fault(chunk)) is not None:
                facts.faults.append(fault)
                frames = None
        reading.end()
        if digest is not None:
            facts.digest = digest.done()
    except RunFailed as error:
        facts.broken = True
        facts.faults.append(Fault.of_error(error, step.key))
    return facts


class _Reading:
    """One file on its way. Each rule is told once a file: what follows from its first breach is no news."""

    def __init__(self, facts: FileFacts, bounds: Bounds, digest: FileReader | None) -> None:
        self._digest = digest
        self._facts = facts
        self._bounds = bounds
        self._told: set[str] = set()
        self._half = False  # the last row was the first half of an update

    def add(self, chunk: StoredRows) -> None:
        """The next rows."""
        facts, n = self._facts, chunk.num_rows
        if n == 0:
            return
        self._dates(chunk)
        ops = chunk.ops.buffers()[1].slice(chunk.ops.offset, n).to_pybytes()
        inserts, updates, deletes = (ops.count(op) for op in (Op.INSERT, Op.UPDATE, Op.DELETE))
        if chunk.is_update is not None:
            facts.halves = True
            halves = self._pairs(chunk)
            inserts, updates, deletes = inserts - halves, updates + halves, deletes - halves
        facts.rows += n
        facts.inserts += inserts
        facts.updates += updates
        facts.deletes += deletes
        if self._digest is not None:
            self._digest.add(chunk)

    def end(self) -> None:
        """The file is over."""
        if self._half:
            self._fault("rows.update_pair", self._facts.rows, "the second half of the update is not there")

    def _dates(self, chunk: StoredRows) -> None:
        facts, stamps = self._facts, chunk.commit_ts
        is_first = facts.rows == 0
        if is_first:
            facts.dated, facts.ordinals = stamps is not None, chunk.ordinals is not None
        if stamps is None:
            return
        n = len(stamps)
        first = RowPosition(stamps[0].as_py(), _at(chunk.ordinals, 0))
        last = RowPosition(stamps[n - 1].as_py(), _at(chunk.ordinals, n - 1))
        extremes = pc.min_max(stamps)
        least, most = extremes["min"].as_py(), extremes["max"].as_py()
        self._order(chunk, None if is_first else facts.last, first)
        if least < self._bounds.least or most > self._bounds.most:
            outside = pc.or_(pc.less(stamps, _u64(self._bounds.least)), pc.greater(stamps, _u64(self._bounds.most)))
            at = pc.index(outside, True).as_py()
            message = f"commit-ts {stamps[at]} is not of this version, which was in force {self._bounds}"
            self._fault("version.bounds", chunk.first_row + at, message)
        if is_first:
            facts.first, facts.least = first, least
        facts.least = min(facts.least, least)
        if facts.head == facts.rows and facts.first.commit_ts == first.commit_ts:
            facts.head += _leading(stamps, first.commit_ts)
        tail = _trailing(stamps, last.commit_ts)
        whole = tail == n and not is_first and facts.last.commit_ts == last.commit_ts
        facts.tail = facts.tail + n if whole else tail
        facts.last = last

    def _order(self, chunk: StoredRows, before: RowPosition | None, first: RowPosition) -> None:
        stamps, ordinals, n = chunk.commit_ts, chunk.ordinals, chunk.num_rows
        assert stamps is not None
        if before is not None:
            if first.commit_ts < before.commit_ts:
                self._falls(chunk.first_row, first.commit_ts, before.commit_ts)
            elif ordinals is not None and first <= before:
                self._repeats(chunk.first_row, first, before)
        if n == 1:
            return
        earlier, later = stamps.slice(0, n - 1), stamps.slice(1)
        falls = pc.less(later, earlier)
        if pc.any(falls).as_py():
            at = pc.index(falls, True).as_py() + 1
            self._falls(chunk.first_row + at, stamps[at].as_py(), stamps[at - 1].as_py())
        elif ordinals is not None:
            repeats = pc.and_(pc.equal(later, earlier), pc.less_equal(ordinals.slice(1), ordinals.slice(0, n - 1)))
            if pc.any(repeats).as_py():
                at = pc.index(repeats, True).as_py() + 1
                positions = (RowPosition(stamps[row].as_py(), ordinals[row].as_py()) for row in (at, at - 1))
                self._repeats(chunk.first_row + at, *positions)

    def _pairs(self, chunk: StoredRows) -> int:
        """How many updates begin in the chunk: each a delete with the flag, and an insert with the flag behind it."""
        flags = pc.fill_null(chunk.is_update, False)
        deletes = pc.equal(chunk.ops, pa.scalar(int(Op.DELETE), pa.uint8()))
        begins = pc.and_(flags, deletes)
        wanted = pa.concat_arrays([pa.array([self._half]), begins.slice(0, chunk.num_rows - 1)])
        ends = pc.and_(flags, pc.equal(chunk.ops, pa.scalar(int(Op.INSERT), pa.uint8())))
        # A row is a second half if and only if the row before it is a first one.
        wrong = pc.or_(pc.xor(wanted, ends), pc.and_(flags, pc.invert(pc.or_(begins, ends))))
        if pc.any(wrong).as_py():
            at = pc.index(wrong, True).as_py()
            self._fault("rows.update_pair", chunk.first_row + at, "half of an update stands alone")
        self._half = bool(begins[chunk.num_rows - 1].as_py())
        return int(pc.sum(begins).as_py() or 0)

    def _falls(self, row: int, commit_ts: int, before: int) -> None:
        self._fault("commit_ts.order", row, f"commit-ts {commit_ts} comes after {before}")

    def _repeats(self, row: int, at: RowPosition, before: RowPosition) -> None:
        message = f"{at.commit_ts}/{at.ordinal} comes after {before.commit_ts}/{before.ordinal}"
        self._fault("ordinal.order", row, message)

    def _fault(self, code: str, row: int, message: str) -> None:
        if code not in self._told:
            self._told.add(code)
            step = self._facts.step
            self._facts.faults.append(Fault(step.key, row, code, message, str(step.table)))


def _u64(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.uint64())


def _at(ordinals: pa.Array | None, row: int) -> int:
    return 0 if ordinals is None else int(ordinals[row].as_py())


def _leading(stamps: pa.Array, value: int) -> int:
    """How many of the first ones are `value`."""
    at = pc.index(pc.not_equal(stamps, _u64(value)), True).as_py()
    return len(stamps) if at < 0 else int(at)


def _trailing(stamps: pa.Array, value: int) -> int:
    """How many are `value`, the last ones as a rule."""
    return len(stamps) - int(pc.index(stamps, _u64(value)).as_py())
