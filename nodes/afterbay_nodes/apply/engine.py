"""The engine: takes a store's steps in their order and gives them to a target, each exactly once.

One transaction a data file, and one for all schema files of a version. The transaction moves the watermark too, so
that a kill at any moment leaves a file applied as a whole or not at all (I6 on the reader's side).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from time import monotonic

from afterbay.errors import RunFailed
from afterbay_nodes.apply.ddl import Ddls
from afterbay_nodes.apply.file_rows import Applied, apply_rows
from afterbay_nodes.apply.places import about
from afterbay_nodes.apply.report import ApplyReport, Outcome
from afterbay_nodes.apply.states import SeriesMark, TableState, same_columns
from afterbay_nodes.apply.tables import KeyRule, Tables
from afterbay_nodes.apply.target import Target
from afterbay_nodes.bucket.bucket import Bucket
from afterbay_nodes.bucket.snapshot import Snapshot
from afterbay_nodes.bucket.steps import FileStep, Progress, SchemaStep, Step
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.decoders.stored_rows import StoredRows
from afterbay_nodes.transforms.table_rules import TableRules

NOTHING_APPLIED = SeriesMark()


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """What a call of apply may choose. `source` names the store in the target, "" for its URI without secrets."""

    source: str = ""
    rules: TableRules | None = None
    keyless: KeyRule = field(default_factory=KeyRule)
    until_ts: int | None = None


class Apply:
    """Applies one store to one target. The caller owns both. Used by one thread.

    `stopped` is asked between two transactions; `progress` is called after each.
    """

    def __init__(
        self,
        bucket: Bucket,
        target: Target,
        options: ApplyOptions,
        *,
        decoders: Decoders | None = None,
        stopped: Callable[[], bool] = lambda: False,
        progress: Callable[[ApplyReport], None] = lambda _: None,
    ) -> None:
        self._bucket = bucket
        self._target = target
        self._options = options
        self._decoders = decoders or Decoders()
        self._stopped = stopped
        self._progress = progress
        source = options.source or bucket.display
        self._source = source
        self.report = ApplyReport(bucket.display, source, target.display)
        with target.transaction():
            target.prepare()
        self._marks = dict(target.series(source))
        self._versions = dict(target.ddls(source))
        self._tables = Tables(target, source, options.keyless)
        self._ddls = Ddls(target, self._tables, source, options.rules, self._note)
        self._waiting: dict[str, int] = {}  # series -> the commit-ts that its next row waits for
        self._has_commit_ts: bool | None = None

    def round(self) -> bool:
        """Applies what the store has now and may be applied. Returns True if anything was.

        Raises RunFailed for a store that is damaged (before anything of this round), for a file that cannot be read or
        that the target refuses (nothing of that file is applied); EnvironmentRefused if either is out of reach.
        """
        began = monotonic()
        snapshot = self._bucket.snapshot()
        snapshot.raise_for_faults()
        done = self.report.files, self.report.ddls, self.report.rows
        self.report.checkpoint = snapshot.checkpoint
        self.report.known = snapshot.tables
        try:
            self._apply(snapshot)
        finally:
            self.report.cut_files = len(self._waiting)
            self.report.seconds += monotonic() - began
        return (self.report.files, self.report.ddls, self.report.rows) != done

    def _apply(self, snapshot: Snapshot) -> None:
        limit = self._limit(snapshot)
        self.report.limit = limit
        for step in self._groups(snapshot):
            if self._stopped():
                self.report.outcome = Outcome.STOPPED
                return
            if isinstance(step, FileStep):
                if limit is None or self._may_go(step, limit):
                    self._file(step, limit)
            elif limit is None or step[0].version <= limit:
                self._schemas(step, snapshot)
            self._progress(self.report)

    def _groups(self, snapshot: Snapshot) -> Iterator[FileStep | list[SchemaStep]]:
        """The steps that are left; all schema files of one version together."""
        self._refuse_rewound(snapshot)
        progress = Progress({series: mark.number for series, mark in self._marks.items()}, self._versions)
        left = {id(step) for step in snapshot.after(progress)}

        for _, steps in groupby(snapshot.steps, key=_together):
            # A database that was dropped takes along the tables that --tables includes only since then.
            group = [step for step in steps if id(step) in left or self._ddls.is_due_again(step)]
            files = [step for step in group if isinstance(step, FileStep) and self._ddls.includes(step.table)]
            yield from self._in_commit_order(files)
            schemas = [step for step in group if isinstance(step, SchemaStep)]
            if schemas:
                yield schemas

    def _refuse_rewound(self, snapshot: Snapshot) -> None:
        """Raises RunFailed if a series ends below what was applied of it: the numbers come again, with other rows."""
        newest = {step.series: step for step in snapshot.steps if isinstance(step, FileStep)}
        for series, step in newest.items():
            applied = self._marks.get(series, NOTHING_APPLIED).number
            if step.number < applied:
                with about(step.key, step.table):
                    raise RunFailed(
                        "apply.rewound",
                        f"this is the newest file of its series, and file {applied} was applied before",
                        hint="the store was set back; apply it into an empty target",
                    )

    def _in_commit_order(self, files: Sequence[FileStep]) -> Iterator[FileStep]:
        """Several dispatchers of one table may hand a key over: the later one's first row comes after all of the other.

        So where they write side by side, the one whose next row has the lower commit-ts goes first.
        """
        series = [list(steps) for _, steps in groupby(files, key=lambda step: step.series)]
        if len(series) > 1 and self.report.limit is not None:
            series.sort(key=lambda steps: self._next_ts(steps[0]))
        for steps in series:
            yield from steps

    def _next_ts(self, step: FileStep) -> int:
        skip = self._marks.get(step.series, NOTHING_APPLIED).rows
        for chunk in self._rows(step):
            if chunk.commit_ts is not None and skip < chunk.num_rows:
                return int(chunk.commit_ts[skip].as_py())
            skip -= chunk.num_rows
        return 0  # no row: it does not matter when

    # -- how far

    def _limit(self, snapshot: Snapshot) -> int | None:
        """The commit-ts up to which rows are applied; None: rows do not say theirs, and whole files are applied."""
        if not self._tells_commit_ts(snapshot):
            if self._options.until_ts is not None:
                raise RunFailed(
                    "apply.no_commit_ts",
                    f"the rows of {snapshot.display} do not say their commit-ts, so they cannot be cut at one",
                    hint="leave --until-ts out, or let the writer store it (include_commit_ts)",
                )
            return None
        # Without a checkpoint nothing is known to be complete.
        reached = -1 if snapshot.checkpoint is None else snapshot.checkpoint
        return reached if self._options.until_ts is None else min(reached, self._options.until_ts)

    def _tells_commit_ts(self, snapshot: Snapshot) -> bool:
        """Asked of the first file with rows. A store without any says so as soon as it has some."""
        if self._has_commit_ts is None:
            for step in snapshot.steps:
                if isinstance(step, FileStep) and step.size and self._ddls.includes(step.table):
                    first = next(self._rows(step), None)
                    if first is not None:
                        self._has_commit_ts = first.commit_ts is not None
                        break
        return self._has_commit_ts is not False

    def _may_go(self, step: FileStep, limit: int) -> bool:
        return step.version <= limit and self._waiting.get(step.series, 0) <= limit

    # -- one transaction each

    def _schemas(self, steps: Sequence[SchemaStep], snapshot: Snapshot) -> None:
        mine = [step for step in steps if self._ddls.concerns(step)]
        if not mine:
            return
        version = mine[0].version
        owners = dict.fromkeys(owner for step in mine for owner in step.owners)
        with about(mine[0].keys[0], mine[0].table), self._tables.transaction():
            # First: who comes second waits here, or is refused, before it does what was done.
            self._target.raise_ddls(self._source, {owner: self._versions.get(owner) for owner in owners}, version)
            self._ddls.run(mine, snapshot.steps)
        self._versions |= dict.fromkeys(owners, version)
        self.report.ddls += sum(step.is_ddl for step in mine)

    def _file(self, step: FileStep, limit: int | None) -> None:
        before = self._marks.get(step.series, NOTHING_APPLIED)
        if step.number != before.number + 1:
            raise RunFailed(
                "apply.gap",
                f"file {step.number} of its series follows file {before.number} that was applied last",
                hint="bring the files between them back",
            )
        with about(step.key, step.table), self._tables.transaction():
            table = self._ready(step)
            done = apply_rows(self._target, table, step, self._rows(step), skip=before.rows, limit=limit)
            cut = done.next_ts is not None
            after = SeriesMark(before.number, before.rows + done.rows) if cut else SeriesMark(step.number)
            if after != before:
                self._target.advance(self._source, step.series, before, after)
        self._marks[step.series] = after
        self._waiting.pop(step.series, None)
        if done.next_ts is not None:
            self._waiting[step.series] = done.next_ts
        self._count(step, done)

    def _ready(self, step: FileStep) -> TableState:
        table = self._tables.find(step.table)
        if table is None or (table.version != step.version and not same_columns(table, step.schema)):
            reached = "is not there" if table is None else f"is at version {table.version}"
            raise RunFailed(
                "apply.version",
                f"the file's rows are of version {step.version}, and its table {reached}",
                hint="its writer broke the order of the protocol; apply the store into an empty target",
            )
        return table

    def _rows(self, step: FileStep) -> Iterator[StoredRows]:
        if not step.size:
            return iter(())
        return self._decoders.rows(self._bucket.load(step), step.extension, step.schema, step.key)

    def _count(self, step: FileStep, done: Applied) -> None:
        counts = self.report.of(step.table)
        counts.inserted += done.inserted
        counts.updated += done.updated
        counts.deleted += done.deleted
        if done.next_ts is None:
            counts.files += 1
            self.report.files += 1
            self.report.bytes += step.size

    def _note(self, text: str) -> None:
        if text not in self.report.notes:
            self.report.notes.append(text)


def _together(step: Step) -> tuple[object, ...]:
    """Schema files of one version are one transaction; files of one day of one partition may need another order."""
    if isinstance(step, SchemaStep):
        return (step.version,)
    return (step.version, step.owner, step.partition, step.date)
