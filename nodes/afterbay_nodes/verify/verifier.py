"""The verification of a store as a whole: files by two threads, everything between them by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from afterbay.errors import Diagnostic
from afterbay.schema import TableName
from afterbay_nodes.bucket.bucket import Bucket
from afterbay_nodes.bucket.findings import Rule
from afterbay_nodes.bucket.snapshot import Snapshot
from afterbay_nodes.bucket.steps import FileStep, SchemaStep
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.decoders.stored_rows import StoredRows
from afterbay_nodes.storage.layout import METADATA
from afterbay_nodes.storage.metadata import is_mark, metadata_bytes
from afterbay_nodes.verify.bounds import Versions
from afterbay_nodes.verify.fault import Fault, is_fault
from afterbay_nodes.verify.file_check import UNTOLD, FileFacts, check_file
from afterbay_nodes.verify.names import name_faults
from afterbay_nodes.verify.order import TRANSACTION_LIMIT, Order
from afterbay_nodes.verify.reached import Progress
from afterbay_nodes.verify.report import Question, Report, TableCounts, Unchecked
from afterbay_nodes.verify.row_digest import Digests
from afterbay_nodes.verify.statements import Statements

THREADS = 2
"""Files that are read side by side: each is in memory as a whole."""

AHEAD = 4
"""Files handed out before the oldest is done: what waits is a few numbers each."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Checked:
    """A store that was read: its snapshot, and the facts of each indexed file in a reader's order.

    `is_faulty`: a rule is broken already. `progress` is told of rows of the other side.
    """

    bucket: Bucket
    decoders: Decoders
    snapshot: Snapshot
    files: tuple[FileFacts, ...]
    schemas: tuple[SchemaStep, ...]
    is_faulty: bool
    progress: Progress

    def rows(self, step: FileStep) -> Iterator[StoredRows]:
        """The rows of a file once more. Raises RunFailed at its first fault."""
        return self.decoders.rows(self.bucket.load(step), step.extension, step.schema, step.key)


@dataclass(slots=True)
class Findings:
    """What comparisons add to the rules."""

    faults: list[Fault] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)
    notes: list[Diagnostic] = field(default_factory=list)


class Comparison(Protocol):
    """Holds a store against something else, whose `name` is for people. `answers` are the questions that it settles."""

    @property
    def name(self) -> str: ...
    @property
    def answers(self) -> frozenset[Question]: ...

    def __call__(self, checked: Checked) -> Findings:
        """What does not fit. Raises AfterbayError where the other side cannot be read."""
        ...


def verify(
    bucket: Bucket,
    decoders: Decoders,
    *,
    comparisons: Sequence[Comparison] = (),
    digests: Digests | None = None,
    transaction_limit: int = TRANSACTION_LIMIT,
    progress: Progress | None = None,
    looked: Callable[[Snapshot], None] = lambda _: None,
) -> Report:
    """Checks everything. Damage becomes faults; raises only where the store cannot be read.

    `looked` is told what there is before a file is read, and may refuse it.

    Comparisons of rows need `digests`. Memory: one file a thread, and some numbers for each file.
    Raises EnvironmentRefused if the store is out of reach, RunFailed if it fails later.
    """
    snapshot = bucket.snapshot()
    looked(snapshot)
    schemas = tuple(step for step in snapshot.steps if isinstance(step, SchemaStep))
    steps = [step for step in snapshot.steps if isinstance(step, FileStep)]
    versions = Versions(schemas)

    def check(step: FileStep) -> FileFacts:
        return check_file(step, bucket.load, decoders, versions.bounds(step), digests=digests)

    progress = progress or Progress()
    progress.begin([*steps, *snapshot.orphans])
    checked_files: list[FileFacts] = []
    for facts in _side_by_side(check, [*steps, *snapshot.orphans]):
        progress.file(facts.step, facts.rows)
        checked_files.append(facts)
    files, orphans = tuple(checked_files[: len(steps)]), checked_files[len(steps) :]
    found = Findings([Fault.of(finding) for finding in snapshot.findings if is_fault(finding)])
    found.notes += [finding.diagnostic() for finding in snapshot.findings if not is_fault(finding)]
    if all(finding.rule is not Rule.METADATA_UNREADABLE for finding in snapshot.findings):
        found.faults += _metadata(bucket)
    found.faults += name_faults([*steps, *snapshot.orphans])
    found.faults += [fault for facts in files for fault in facts.faults]
    found.faults += _ahead(snapshot.checkpoint, orphans)
    order, statements = Order(schemas, transaction_limit), Statements()
    found.faults += order.faults(files)
    found.faults += statements.faults(schemas)
    found.unchecked += [*order.unchecked(), *statements.unchecked(), *_undated(files)]
    checked = Checked(bucket, decoders, snapshot, files, schemas, bool(found.faults), progress)
    for compare in comparisons:
        progress.compare(compare.name)
        more = compare(checked)
        found.faults += more.faults
        found.unchecked += more.unchecked
        found.notes += more.notes
    answered = frozenset[Question]().union(*(compare.answers for compare in comparisons))
    found.unchecked += [question.unchecked() for question in Question if question not in answered]
    return Report(
        snapshot.display,
        snapshot.checkpoint,
        _counts(schemas, files),
        tuple(sorted(set(found.faults))),
        tuple(found.notes),
        tuple(found.unchecked),
        tuple(compare.name for compare in comparisons),
    )


def _side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Results in the order of items, by `THREADS` threads that are never more than `AHEAD` items ahead."""
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="verify") as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) >= AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for waiting in pending:
                waiting.cancel()


def _metadata(bucket: Bucket) -> Iterator[Fault]:
    """Written exactly as the protocol says. Content that says no checkpoint is a finding of the snapshot."""
    content = bucket.small(METADATA)
    if content is None or is_mark(content):
        return
    digits = bytes(byte for byte in content if 48 <= byte <= 57)
    if content != metadata_bytes(int(digits[:20] or b"0")):
        yield Fault(METADATA, 0, "metadata.form", f"it holds {content[:80]!r}")


def _ahead(checkpoint: int | None, orphans: Iterable[FileFacts]) -> Iterator[Fault]:
    """Rows at or below the checkpoint that no reader sees, since their file is in no index (I1)."""
    for facts in orphans:
        if checkpoint is not None and facts.dated and facts.least <= checkpoint:
            message = f"it is in no index and holds rows of {facts.least}; the checkpoint says {checkpoint}"
            yield Fault(facts.step.key, 0, "checkpoint.ahead", message, str(facts.step.table))


def _undated(files: Sequence[FileFacts]) -> Iterator[Unchecked]:
    names = dict.fromkeys(str(facts.step.table) for facts in files if facts.dated is False)
    if names:
        yield Unchecked(
            "the order of commits, schema versions' bounds, whole transactions, and what the checkpoint covers",
            "rows do not carry their commit-ts",
            tuple(names),
        )
    for untold in UNTOLD.values():
        some = dict.fromkeys(str(facts.step.table) for facts in files if facts.untold == untold)
        if some:
            yield Unchecked(untold, "nothing in a store says them twice", tuple(some))


def _counts(schemas: Iterable[SchemaStep], files: Iterable[FileFacts]) -> dict[TableName, TableCounts]:
    tables: dict[TableName, TableCounts] = {}
    for schema in schemas:
        if schema.table is not None:
            tables.setdefault(schema.table, TableCounts()).versions += 1
    for facts in files:
        step = facts.step
        counts = tables.setdefault(step.table, TableCounts())
        counts.files += 1
        counts.fences += step.size == 0
        counts.bytes += step.size
        counts.inserts += facts.inserts
        counts.updates += facts.updates
        counts.deletes += facts.deletes
        counts.formats.add(step.extension)
    return dict(sorted(tables.items()))
