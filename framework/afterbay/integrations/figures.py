"""What a run says of each table, in plain data that any orchestrator can keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from afterbay.table_totals import TableTotals

if TYPE_CHECKING:
    from afterbay.runtime.report import RunReport


def of_table(report: RunReport, table: str) -> dict[str, str | int]:
    """Rows, bytes and files of this run, and the position: commit-ts as text, since scripts round large numbers.

    `position` is that of the table's last change that this run stored, "" if it stored none; `checkpoint` covers it.
    """
    totals = report.tables.get(table, TableTotals())
    return {
        "rows": totals.rows,
        "bytes": totals.bytes,
        "files": totals.files,
        "position": str(totals.commit_ts) if totals.files else "",
        "checkpoint": checkpoint_of(report),
    }


def of_run(report: RunReport) -> dict[str, str | int | float]:
    """The sums of this run."""
    return {
        "outcome": report.outcome,
        "rows": report.rows_stored,
        "bytes": report.bytes,
        "files": report.files,
        "ddls": report.ddls_stored,
        "seconds": round(report.seconds, 3),
        "checkpoint": checkpoint_of(report),
        **({"checkpoint_time": time} if (time := max(report.checkpoint_times.values(), default="")) else {}),
        "stored_in": ", ".join(report.stored_in),
    }


def checkpoint_of(report: RunReport) -> str:
    """The checkpoint as text: of one partition its commit-ts, of several all of them by name; "" for none."""
    if len(report.checkpoints) == 1:
        return str(next(iter(report.checkpoints.values())))
    return ", ".join(f"{name}={commit_ts}" for name, commit_ts in report.checkpoints.items())


def schema_and_table(table: str) -> tuple[str, str]:
    """The two names of `schema.table`. A point in a schema's name is the table's: names are for people here."""
    schema, _, name = table.partition(".")
    return schema, name
