"""A run's report as a person checks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from afterbay.cli.amounts import count, duration, size, wall_time

if TYPE_CHECKING:
    from afterbay.runtime.report import RunReport

_OUTCOMES = {
    "completed": "completed in",
    "time-up": "time was up, drained after",
    "drained": "asked to stop, drained after",
    "cancelled": "cancelled after",
}


def summary(report: RunReport, pipeline: str, program: str = "afterbay") -> str:
    """The lines a run ends with. `pipeline` and `program` are as the user named them, for the commands to try next."""
    lines = [f"{report.pipeline}: {_OUTCOMES[report.outcome]} {duration(report.seconds)}", ""]
    facts: list[tuple[str, str]] = []
    so_far = report.rows_stored_so_far
    if report.nothing_new:
        known = bool(so_far) or not report.checkpoints
        facts.append(("nothing new", f"{count(so_far or 0)} rows stored so far" if known else "since the checkpoint"))
    else:
        facts.append(("rows in", f"{count(report.rows_in)}  ({count(round(report.rows_per_second))} rows/s)"))
        before = f"  ({count(so_far)} so far)" if so_far is not None and so_far > report.rows_stored else ""
        facts.append(("rows stored", count(report.rows_stored) + before))
    if report.rows_filtered:
        facts.append(("filtered", f"{count(report.rows_filtered)}  (dropped on purpose)"))
    if report.rows_repeated:
        facts.append(("repeated", f"{count(report.rows_repeated)}  (stored before, dropped)"))
    if report.lines_rejected:
        facts.append(("rejected", f"{count(report.lines_rejected)}  (bad lines, in {', '.join(report.rejects)})"))
    reasons = ", ".join(f"{reason} {count(number)}" for reason, number in report.flushes.items())
    if not report.nothing_new:
        facts.append(("files", count(report.files) + (f"  ({reasons})" if reasons else "")))
        facts.append(("bytes", f"{count(report.bytes)}  ({size(report.bytes)})"))
        stored = f"  (stored {count(report.ddls_stored)})" if report.ddls_stored != report.ddls else ""
        facts.append(("DDLs", count(report.ddls) + stored))
    if report.checkpoints:
        facts.extend(
            (
                "checkpoint" if index == 0 else "",
                f"{commit_ts}  ({', '.join([partition, *_time(report.checkpoint_times.get(partition))])})",
            )
            for index, (partition, commit_ts) in enumerate(report.checkpoints.items())
        )
    else:
        facts.append(("checkpoint", "none yet"))
    facts.extend(("stored in" if index == 0 else "", place) for index, place in enumerate(report.stored_in))
    lines.extend(f"  {label:<14}{value}" for label, value in facts)
    lines.extend(
        [
            "",
            "Next:",
            f"  {program} status {pipeline}   how far it is, and what is stored",
            f"  {program} graph {pipeline}    the pipeline as a diagram",
        ]
    )
    return "\n".join(lines)


def _time(iso: str | None) -> list[str]:
    return [] if iso is None else [wall_time(iso)]
