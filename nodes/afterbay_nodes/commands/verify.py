"""`afterbay verify`: every rule of the protocol, held against what is stored."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.errors import PipelineInvalid
from afterbay.printable import visible
from afterbay.verbs import AsJson, count, data, note, plural, result, size, table
from afterbay_nodes.commands.apply import Temporal
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
    from collections.abc import Callable, Mapping

    from afterbay.schema import TableName
    from afterbay_nodes.transforms.table_rules import TableRules
    from afterbay_nodes.verify.reached import Reached
    from afterbay_nodes.verify.report import Report, TableCounts, Unchecked
    from afterbay_nodes.verify.row_digest import Digests
    from afterbay_nodes.verify.verifier import Comparison

EXAMPLES = """\b
Examples:
  afterbay verify ./orders-files
  afterbay verify s3://bucket/orders --state ./state/orders
  afterbay verify ./orders-files --against 'events/*.jsonl' --json | jq .faults
  afterbay verify ./orders-files --against duckdb:///copy.duckdb

\b
Exit code 0: every rule that can be checked holds. 1: a fault. What cannot be checked is listed either way.
"""

MOST_SHOWN = 3
"""Tables or files named in one line of what could not be checked."""


def verify(
    uri: Annotated[
        str, typer.Argument(metavar="URI", help="The store: a folder, s3://bucket/prefix, gs://… or azblob://…")
    ],
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="OTHER",
            help="What the rows are to be equal to: a change log (file or glob), sqlite:///FILE, duckdb:///FILE or "
            "postgresql://…. Can be repeated.",
            show_default=False,
        ),
    ] = None,
    tables: Tables = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", metavar="DIR", help="The state directory of the store's pipeline.", show_default=False),
    ] = None,
    sink: Annotated[
        str, typer.Option("--sink", metavar="NODE", help="The sink in --state, if it has several.", show_default=False)
    ] = "",
    raw_changes: Annotated[
        bool,
        typer.Option(
            "--output-raw-change-event", help="The log's source had this option: updates of keys are stored whole."
        ),
    ] = False,
    temporal: Annotated[
        Temporal, typer.Option(help="How the database keeps dates and times, as `apply` was told.")
    ] = Temporal.NATIVE,
    transaction_limit: Annotated[
        str,
        typer.Option(
            metavar="SIZE", help="Larger transactions may lie in several files (the sink's transaction_limit)."
        ),
    ] = "256MiB",
    faults: Annotated[int, typer.Option(metavar="N", min=1, help="How many faults are shown.")] = 20,
    csv_delimiter: Delimiter = DELIMITER,
    csv_quote: Quote = QUOTE,
    csv_null: Null = NULL,
    csv_terminator: Terminator = TERMINATOR,
    csv_binary: Binary = BinaryEncoding.BASE64,
    csv_commit_ts: CommitTs = CommitTsStored.DETECT,
    debezium_decimals: DebeziumDecimals = Decimals.DETECT,
    debezium_time_zone: DebeziumTimeZone = TIME_ZONE,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no table, only problems.")] = False,
) -> int:
    """Hold a store against every rule of the protocol.

    Indexes, numbers, checksums, schema files and their statements, every row of every file, the order of commits, the
    checkpoint. With --against also whether the rows (of --tables) are those that were committed. It only reads.
    """
    from afterbay_nodes.bucket.bucket import open_bucket
    from afterbay_nodes.decoders.decode import Decoders
    from afterbay_nodes.verify.against_state import AgainstState
    from afterbay_nodes.verify.reached import Progress
    from afterbay_nodes.verify.row_digest import Digests
    from afterbay_nodes.verify.verifier import verify as verified

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
    limit = _bytes(transaction_limit)
    rules = table_rules(tables)
    if rules is not None and not against:
        raise PipelineInvalid(
            "call.invalid",
            "--tables without --against chooses nothing: the rules of the store are checked for all tables",
            hint="leave it out, or say by --against what these tables are held against",
        )
    digests = Digests() if any("://" not in other for other in against or ()) else None
    comparisons: list[Comparison] = [] if state is None else [AgainstState(state, sink)]
    read = partial(_other, digests=digests, rules=rules, raw_changes=raw_changes, temporal=temporal)
    comparisons += map(read, against or ())
    with open_bucket(uri) as bucket:
        report = verified(
            bucket,
            Decoders(form),
            comparisons=comparisons,
            digests=digests,
            transaction_limit=limit,
            progress=Progress() if quiet else Progress(_shown()),
            looked=lambda snapshot: refuse_idle(rules, snapshot.tables, snapshot.display),
        )
    if as_json:
        data(_data(report, faults))
    else:
        if not quiet:
            result(_text(report))
        for told in report.notes:
            note(f"note: {told}")
        for fault in report.faults[:faults]:
            note(str(fault.diagnostic()))
        if len(report.faults) > faults:
            note(f"{plural(len(report.faults) - faults, 'more fault')}: see them with --faults {len(report.faults)}")
    return 0 if report.is_clean else 1


def _shown() -> Callable[[Reached], None]:
    """Shows how far it is: of the store, or of what it is held against."""
    lines = ProgressLines()

    def show(now: Reached) -> None:
        store = f"files {count(now.files)} of {count(now.all_files)}  {size(now.bytes)} of {size(now.all_bytes)}"
        lines.show(now.rows, f"of {now.other}" if now.other else store)

    return show


def _other(
    other: str, *, digests: Digests | None, rules: TableRules | None, raw_changes: bool, temporal: Temporal
) -> Comparison:
    """The comparison with a log or a database. Raises PipelineInvalid, which tells nothing of a URI but its scheme."""
    scheme = other.partition("://")[0] if "://" in other else ""
    if digests is not None and not scheme:
        from afterbay_nodes.verify.against_log import AgainstLog

        if other == "-":
            raise PipelineInvalid(
                "call.invalid", "--against cannot read a log from stdin", hint="it may be read twice: give its file"
            )
        return AgainstLog(other, digests, rules=rules, raw_changes=raw_changes)
    if scheme in ("sqlite", "duckdb", "postgresql", "postgres"):
        from afterbay_nodes.apply.type_table import Temporal as Kept
        from afterbay_nodes.verify.against_database import AgainstDatabase

        return AgainstDatabase(other, Kept(temporal.value), rules)
    raise PipelineInvalid(
        "call.invalid",
        f"--against cannot read '{visible(scheme)}://…'",
        hint="a change log is a file or a glob; a database sqlite:///FILE, duckdb:///FILE or postgresql://…",
    )


def _bytes(text: str) -> int:
    from afterbay.units import parse_bytes

    try:
        return parse_bytes(text)
    except ValueError as error:
        raise PipelineInvalid("call.invalid", f"--transaction-limit: {error}", hint="for example 256MiB") from error


def _text(report: Report) -> str:
    tables = report.tables
    files, held = sum(it.files for it in tables.values()), sum(it.bytes for it in tables.values())
    checkpoint = "no checkpoint yet" if report.checkpoint is None else f"checkpoint {report.checkpoint}"
    lines = [f"{report.display}   {plural(len(tables), 'table')}, {plural(files, 'file')}, {size(held)}   {checkpoint}"]
    if tables:
        lines += ["", _table(tables)]
    if report.unchecked:
        lines += ["", "not checkable:", *(f"  {_open(it)}" for it in report.unchecked)]
    against = f", and it agrees with {' and '.join(report.compared)}" if report.compared else ""
    clean = f"clean: every rule that can be checked holds{against}"
    return "\n".join([*lines, "", clean if report.is_clean else plural(len(report.faults), "fault")])


def _table(tables: Mapping[TableName, TableCounts]) -> str:
    rows = [[str(name), *_cells(counts)] for name, counts in tables.items()]
    header = ("TABLE", "VERSIONS", "FILES", "FENCES", "BYTES", "INSERTS", "UPDATES", "DELETES", "FORMAT")
    return table(header, rows)


def _cells(counts: TableCounts) -> list[str]:
    return [
        count(counts.versions),
        count(counts.files),
        count(counts.fences),
        size(counts.bytes),
        count(counts.inserts),
        count(counts.updates),
        count(counts.deletes),
        " ".join(sorted(counts.formats)) or "-",
    ]


def _open(it: Unchecked) -> str:
    more = len(it.where) - MOST_SHOWN
    where = ", ".join(it.where[:MOST_SHOWN]) + (f" and {count(more)} more" if more > 0 else "")
    return f"{it.what}{f' ({where})' if where else ''}: {it.why}"


def _data(report: Report, most: int) -> dict[str, object]:
    return {
        "store": report.display,
        "checkpoint": report.checkpoint,
        "clean": report.is_clean,
        "against": list(report.compared),
        "tables": [
            {
                "schema": name.schema,
                "table": name.table,
                "versions": counts.versions,
                "files": counts.files,
                "fences": counts.fences,
                "bytes": counts.bytes,
                "inserts": counts.inserts,
                "updates": counts.updates,
                "deletes": counts.deletes,
                "formats": sorted(counts.formats),
            }
            for name, counts in report.tables.items()
        ],
        "fault_count": len(report.faults),
        "faults": [fault.diagnostic().to_dict() for fault in report.faults[:most]],
        "notes": [told.to_dict() for told in report.notes],
        "not_checkable": [{"what": it.what, "why": it.why, "where": list(it.where)} for it in report.unchecked],
    }
