"""What a run did, as a person or a script can check it: the last thing a run makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from afterbay.compile.plan import Plan
    from afterbay.node import ResumePoint
    from afterbay.schema import Json
    from afterbay.telemetry import Telemetry

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
            ddls=sum(totals.ddls for totals in every),
            flushes=dict(sorted(flushes.items())),
        )


@dataclass(frozen=True, slots=True)
class RunReport:
    """Counts of one run. Rows, files and bytes are this run's alone; a checkpoint is where the pipeline stands.

    `outcome` says how the run ended: `completed` (its sources ended, or were caught up with), `time-up` (the time that
    `until` gave was over before) and `drained` (asked to stop), all that was under way being stored in each case;
    `cancelled` (stopped at once, what was under way comes again next time).
    `rows_in` counts what the sources sent, `rows_stored` what the sinks stored: with two sinks a row counts twice.
    `rows_filtered` and `rows_repeated` ended in between, on purpose. `lines_rejected` could not be read and were put
    aside, in the files `rejects` (a source's fact of that name). `checkpoints` is commit-ts per source partition,
    `flushes` files per reason, `stored_in` one place per sink.
    """

    pipeline: str
    outcome: Outcome
    rows_in: int
    rows_stored: int
    rows_filtered: int
    rows_repeated: int
    lines_rejected: int
    files: int
    bytes: int
    ddls: int
    checkpoints: Mapping[str, int]
    seconds: float
    flushes: Mapping[str, int]
    stored_in: tuple[str, ...]
    rejects: tuple[str, ...]

    @classmethod
    def of(
        cls,
        plan: Plan,
        telemetry: Telemetry,
        *,
        outcome: Outcome,
        checkpoints: Mapping[str, ResumePoint],
        seconds: float,
    ) -> RunReport:
        """The report of a run over `plan` that was measured by `telemetry`.

        A sink says where it stores by its fact `root`; without one, its name and type stand for it.
        """
        counts = Counts.of(plan, telemetry)
        return cls(
            pipeline=plan.name,
            outcome=outcome,
            rows_in=counts.rows_in,
            rows_stored=counts.rows_stored,
            rows_filtered=counts.rows_filtered,
            rows_repeated=counts.rows_repeated,
            lines_rejected=counts.lines_rejected,
            files=counts.files,
            bytes=counts.bytes,
            ddls=counts.ddls,
            checkpoints={partition: point.commit_ts for partition, point in sorted(checkpoints.items())},
            seconds=seconds,
            flushes=counts.flushes,
            stored_in=tuple(
                node.node.facts().get("root", f"{node.name} ({node.type_name})") for node in plan.of_kind("sink")
            ),
            rejects=tuple(facts["rejects"] for node in plan.nodes if "rejects" in (facts := node.node.facts())),
        )

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
            "rows_filtered": self.rows_filtered,
            "rows_repeated": self.rows_repeated,
            "lines_rejected": self.lines_rejected,
            "files": self.files,
            "bytes": self.bytes,
            "ddls": self.ddls,
            "checkpoints": dict(self.checkpoints),
            "seconds": round(self.seconds, 6),
            "rows_per_second": round(self.rows_per_second, 1),
            "flushes": dict(self.flushes),
            "stored_in": list(self.stored_in),
            "rejects": list(self.rejects),
        }
