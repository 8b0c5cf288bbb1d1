"""What a run did, as a person or a script can check it: the last thing a run makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from afterbay.compile.plan import Plan
    from afterbay.node import Source
    from afterbay.positions import ResumePoint
    from afterbay.schema import Json
    from afterbay.table_totals import TableTotals
    from afterbay.telemetry import Telemetry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Outcome = Literal["completed", "time-up", "drained", "cancelled"]


@dataclass(frozen=True, slots=True)
class Counts:
    """What the nodes of a plan have counted so far. Fields mean what they mean in `RunReport`."""

    rows_in: int
    rows_stored: int
    rows_filtered: int
    rows_repeated: int
    lines_rejected: int
    files: int
    bytes: int
    ddls: int
    ddls_stored: int
    flushes: Mapping[str, int]

    @classmethod
    def of(cls, plan: Plan, telemetry: Telemetry) -> Counts:
        """The sums over the run's meters, now. Any thread.

        A meter belongs to a source or a sink if the plan's node of its name is of that kind.
        """
        meters = dict(telemetry.nodes)
        every = [meter.totals for meter in meters.values()]
        sources = [meters[node.name].totals for node in plan.of_kind("source") if node.name in meters]
        sinks = [meters[node.name].totals for node in plan.of_kind("sink") if node.name in meters]
        flushes: Counter[str] = Counter()
        for totals in sinks:
            flushes.update(totals.flushes)
        return cls(
            rows_in=sum(totals.rows for totals in sources),
            rows_stored=sum(totals.rows for totals in sinks),
            rows_filtered=sum(totals.filtered for totals in every),
            rows_repeated=sum(totals.repeated for totals in every),
            lines_rejected=sum(totals.rejected for totals in every),
            files=sum(totals.files for totals in sinks),
            bytes=sum(totals.bytes for totals in sinks),
            ddls=sum(totals.ddls for totals in sources),
            ddls_stored=sum(totals.ddls for totals in sinks),
            flushes=dict(sorted(flushes.items())),
        )


@dataclass(frozen=True, slots=True)
class RunReport:
    """Counts of one run. Rows, files and bytes are this run's alone; a checkpoint is where the pipeline stands.

    `outcome` says how the run ended: `completed` (its sources ended, or were caught up with), `time-up` (the time that
    `until` gave was over before) and `drained` (asked to stop), all that was under way being stored in each case;
    `cancelled` (stopped at once, what was under way comes again next time).
    `rows_in` counts what the sources sent, `rows_stored` what the sinks stored: with two sinks a row counts twice. So
    do `ddls` and `ddls_stored`. `rows_stored_so_far` adds what earlier runs have stored, None if a sink keeps no count.
    `rows_filtered` and `rows_repeated` ended in between, on purpose. `lines_rejected` could not be read and were put
    aside, in the files `rejects` (a source's fact of that name). `checkpoints` is commit-ts per source partition,
    `checkpoint_times` their wall time (ISO 8601, UTC) where the source's clock tells one, `flushes` files per reason,
    `stored_in` one place per sink. `tables` are those that a sink has stored rows of, by the name that they have there;
    with two sinks their sums are of both.
    """

    pipeline: str
    outcome: Outcome
    rows_in: int
    rows_stored: int
    rows_stored_so_far: int | None
    rows_filtered: int
    rows_repeated: int
    lines_rejected: int
    files: int
    bytes: int
    ddls: int
    ddls_stored: int
    checkpoints: Mapping[str, int]
    checkpoint_times: Mapping[str, str]
    seconds: float
    flushes: Mapping[str, int]
    stored_in: tuple[str, ...]
    rejects: tuple[str, ...]
    tables: Mapping[str, TableTotals]

    @classmethod
    def of(
        cls,
        plan: Plan,
        telemetry: Telemetry,
        *,
        outcome: Outcome,
        checkpoints: Mapping[str, ResumePoint],
        seconds: float,
        rows_before: int | None = None,
    ) -> RunReport:
        """The report of a run over `plan` that was measured by `telemetry`.

        `rows_before`: what earlier runs have stored, None if that is not known.
        A sink says where it stores by its fact `root`; without one, its name and type stand for it.
        """
        counts = Counts.of(plan, telemetry)
        return cls(
            pipeline=plan.name,
            outcome=outcome,
            rows_in=counts.rows_in,
            rows_stored=counts.rows_stored,
            rows_stored_so_far=None if rows_before is None else rows_before + counts.rows_stored,
            rows_filtered=counts.rows_filtered,
            rows_repeated=counts.rows_repeated,
            lines_rejected=counts.lines_rejected,
            files=counts.files,
            bytes=counts.bytes,
            ddls=counts.ddls,
            ddls_stored=counts.ddls_stored,
            checkpoints={partition: point.commit_ts for partition, point in sorted(checkpoints.items())},
            checkpoint_times=checkpoint_times(plan, checkpoints),
            seconds=seconds,
            flushes=counts.flushes,
            stored_in=tuple(
                node.node.facts().get("root", f"{node.name} ({node.type_name})") for node in plan.of_kind("sink")
            ),
            rejects=tuple(facts["rejects"] for node in plan.nodes if "rejects" in (facts := node.node.facts())),
            tables=_tables(plan, telemetry),
        )

    @property
    def nothing_new(self) -> bool:
        """True if the sources had nothing to send that was not stored before."""
        return not (self.rows_in or self.ddls or self.files)

    @property
    def rows_per_second(self) -> float:
        """Rows sent by the sources, a second. 0 for a run that took no time."""
        return self.rows_in / self.seconds if self.seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Json]:
        """The report as plain data, for `--json`. Keys are the field names."""
        return {
            "pipeline": self.pipeline,
            "outcome": self.outcome,
            "rows_in": self.rows_in,
            "rows_stored": self.rows_stored,
            "rows_stored_so_far": self.rows_stored_so_far,
            "rows_filtered": self.rows_filtered,
            "rows_repeated": self.rows_repeated,
            "lines_rejected": self.lines_rejected,
            "files": self.files,
            "bytes": self.bytes,
            "ddls": self.ddls,
            "ddls_stored": self.ddls_stored,
            "checkpoints": dict(self.checkpoints),
            "checkpoint_times": dict(self.checkpoint_times),
            "seconds": round(self.seconds, 6),
            "rows_per_second": round(self.rows_per_second, 1),
            "flushes": dict(self.flushes),
            "stored_in": list(self.stored_in),
            "rejects": list(self.rejects),
            "tables": {table: totals.to_dict() for table, totals in self.tables.items()},
        }


def _tables(plan: Plan, telemetry: Telemetry) -> dict[str, TableTotals]:
    sums: dict[str, TableTotals] = {}
    meters = dict(telemetry.nodes)
    for node in plan.of_kind("sink"):
        for table, totals in meters[node.name].tables.now().items() if node.name in meters else ():
            sums[table] = sums[table] + totals if table in sums else totals
    return dict(sorted(sums.items()))


def checkpoint_times(plan: Plan, checkpoints: Mapping[str, ResumePoint]) -> dict[str, str]:
    """The wall times of checkpoints, by partition, ISO 8601 in UTC; without those whose source tells none."""
    sources = {item.name: source for item, source in plan.sources}
    found: dict[str, str] = {}
    for partition, point in sorted(checkpoints.items()):
        source = sources.get(partition.partition("/")[0])
        time = None if source is None else commit_time(source, point)
        if time is not None:
            found[partition] = time
    return found


def commit_time(source: Source[object], point: ResumePoint) -> str | None:
    """The wall time of a checkpoint of `source`, ISO 8601 in UTC, or None if there is none."""
    milliseconds = source.commit_ms(point)
    if milliseconds is None:
        return None
    try:
        return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds")
    except OverflowError:
        return None  # a number that is no time
