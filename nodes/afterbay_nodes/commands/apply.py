"""`afterbay apply`: a store turned back into tables."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.errors import PipelineInvalid
from afterbay.verbs import AsJson, StopSignals, count, data, duration, plural, result, size, table
from afterbay_nodes.commands.form_options import (
    DELIMITER,
    NULL,
    QUOTE,
    TERMINATOR,
    TIME_ZONE,
    Binary,
    BinaryEncoding,
    CommitTs,
    CommitTsStored,
    DebeziumDecimals,
    DebeziumTimeZone,
    Decimals,
    Delimiter,
    Null,
    Quote,
    Terminator,
    stored_form,
)
from afterbay_nodes.commands.progress_lines import ProgressLines
from afterbay_nodes.commands.table_options import Tables, refuse_idle, table_rules

if TYPE_CHECKING:
    from afterbay_nodes.apply.engine import Apply
    from afterbay_nodes.apply.report import ApplyReport

EXAMPLES = """\b
Examples:
  afterbay apply ./orders-files --to sqlite:///orders.db
  afterbay apply s3://bucket/orders --to duckdb:///orders.duckdb --tables 'shop.*' --tables '!shop.tmp_*'
  afterbay apply ./orders-files --to postgresql://me@localhost/copy --follow

\b
A file of SQLite or DuckDB is made if it is not there; an absolute path has four slashes: sqlite:////data/orders.db.
One SIGINT or SIGTERM stops behind the file that is being applied, and exits 0; a second one undoes that file.
"""

LOOK_SECONDS = 0.1


class Keyless(StrEnum):
    """What becomes of tables without a primary key."""

    APPEND = "append"
    REFUSE = "refuse"


class Temporal(StrEnum):
    """How dates and times are kept."""

    NATIVE = "native"
    TEXT = "text"


def apply(
    uri: Annotated[
        str, typer.Argument(metavar="URI", help="The store: a folder, s3://bucket/prefix, gs://… or azblob://…")
    ],
    to: Annotated[str, typer.Option("--to", metavar="TARGET", help="sqlite:///FILE, duckdb:///FILE or postgresql://…")],
    tables: Tables = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what the store gets, until a signal.")] = False,
    interval: Annotated[str, typer.Option(metavar="DURATION", help="How often --follow looks.")] = "5s",
    until_ts: Annotated[
        int | None,
        typer.Option(metavar="N", help="Rows up to this commit-ts only.", min=0, max=(1 << 64) - 1, show_default=False),
    ] = None,
    keyless: Annotated[
        Keyless, typer.Option(help="Tables without a primary key: append every change, or refuse them.")
    ] = Keyless.APPEND,
    temporal: Annotated[
        Temporal, typer.Option(help="Dates and times in the target's own types, or as text (holds zero dates).")
    ] = Temporal.NATIVE,
    source: Annotated[
        str, typer.Option(metavar="NAME", help="The store's name in the target; default its URI.", show_default=False)
    ] = "",
    csv_delimiter: Delimiter = DELIMITER,
    csv_quote: Quote = QUOTE,
    csv_null: Null = NULL,
    csv_terminator: Terminator = TERMINATOR,
    csv_binary: Binary = BinaryEncoding.BASE64,
    csv_commit_ts: CommitTs = CommitTsStored.DETECT,
    debezium_decimals: DebeziumDecimals = Decimals.DETECT,
    debezium_time_zone: DebeziumTimeZone = TIME_ZONE,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary, only problems.")] = False,
) -> int:
    """Turn a store back into tables: rows and DDLs in their order, each exactly once.

    Ends at the store's checkpoint. How far it came is kept in the target, in the transaction of the rows: applied
    again, it goes on there, and changes nothing if there is nothing new.
    """
    from afterbay_nodes.apply.engine import Apply, ApplyOptions
    from afterbay_nodes.apply.tables import KeyRule
    from afterbay_nodes.apply.targets.open import open_target
    from afterbay_nodes.apply.type_table import Temporal as Kept
    from afterbay_nodes.bucket.bucket import open_bucket
    from afterbay_nodes.decoders.decode import Decoders

    rules, seconds = table_rules(tables), _seconds(interval)
    form = stored_form(
        csv_delimiter,
        csv_quote,
        csv_null,
        csv_terminator,
        csv_binary,
        csv_commit_ts,
        debezium_decimals,
        debezium_time_zone,
    )
    with StopSignals() as signals, open_bucket(uri) as bucket:
        target = open_target(to, Kept(temporal.value))
        try:
            options = ApplyOptions(source, rules, KeyRule(refuse=keyless is Keyless.REFUSE), until_ts)
            work = Apply(
                bucket,
                target,
                options,
                decoders=Decoders(form),
                stopped=lambda: bool(signals.received),
                progress=_no_progress if quiet else _progress(),
            )
            _work(work, lambda: bool(signals.received), seconds if follow else None)
            if not follow:
                refuse_idle(rules, work.report.known, work.report.store)
        finally:
            target.close()
    if as_json:
        data(work.report.to_dict())
    elif not quiet:
        result(_text(work.report))
    return 0


def _work(work: Apply, stopped: Callable[[], bool], every: float | None) -> None:
    """One round, or rounds `every` seconds until a signal."""
    from afterbay_nodes.apply.report import Outcome

    while True:
        work.round()
        if every is None or stopped():
            break
        wakes = time.monotonic() + every
        while not stopped() and (left := wakes - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_SECONDS))
        if stopped():
            break
    if stopped():
        work.report.outcome = Outcome.STOPPED


def _progress() -> Callable[[ApplyReport], None]:
    """Shows how far it is, after each transaction."""
    lines = ProgressLines()
    return lambda now: lines.show(now.rows, f"files {count(now.files)}  DDLs {count(now.ddls)}")


def _no_progress(report: ApplyReport) -> None:
    """Shows nothing."""


def _seconds(text: str) -> float:
    from afterbay.units import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise PipelineInvalid(
            "call.invalid", f"--interval {text!r}: {error}", hint="give a duration such as 5s or 1m"
        ) from error


def _text(report: ApplyReport) -> str:
    lines = [f"{report.store} -> {report.target}: {report.outcome} in {duration(report.seconds)}", ""]
    if report.tables:
        rows = [
            [str(name), count(counts.inserted), count(counts.updated), count(counts.deleted), count(counts.files)]
            for name, counts in sorted(report.tables.items())
        ]
        lines += [table(("TABLE", "INSERTED", "UPDATED", "DELETED", "FILES"), rows), ""]
    rate = f"  ({count(round(report.rows / report.seconds))} rows/s)" if report.rows and report.seconds else ""
    cut = f"  ({plural(report.cut_files, 'file')} up to the limit only)" if report.cut_files else ""
    facts = [
        ("rows", f"{count(report.rows)}{rate}"),
        ("files", f"{count(report.files)}{cut}"),
        ("bytes", f"{count(report.bytes)}  ({size(report.bytes)})"),
        ("DDLs", count(report.ddls)),
        ("applied to", _reached(report)),
    ]
    lines += [f"  {label:<12}{value}" for label, value in facts]
    lines += [f"note: {text}" for text in report.notes]
    return "\n".join(lines)


def _reached(report: ApplyReport) -> str:
    if report.limit is None:
        shown = "none" if report.checkpoint is None else str(report.checkpoint)
        return f"the end of the index: rows do not say their commit-ts, so the checkpoint ({shown}) cuts nothing"
    if report.checkpoint is None:
        return "nothing: the store has no checkpoint yet"
    return f"{report.limit}" + ("  (the checkpoint)" if report.limit == report.checkpoint else "  (--until-ts)")
