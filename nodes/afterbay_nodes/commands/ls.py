"""`afterbay ls`: what a store holds, as its readers see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.verbs import AsJson, count, data, note, plural, result, size, table

if TYPE_CHECKING:
    from afterbay.schema import TableName
    from afterbay_nodes.bucket.snapshot import Snapshot

EXAMPLES = """\b
Examples:
  afterbay ls ./orders-files
  afterbay ls s3://bucket/orders --json | jq '.tables[] | select(.files > 100)'
"""

Uri = Annotated[
    str, typer.Argument(metavar="URI", help="The store: a folder, s3://bucket/prefix, gs://… or azblob://…")
]


def ls(uri: Uri, as_json: AsJson = False) -> int:
    """List what a store holds: tables, their versions, files and bytes, and its checkpoint.

    Only what a reader may use counts: files that are in an index. What is wrong with the store is told on stderr.
    """
    from afterbay_nodes.bucket.bucket import open_bucket

    with open_bucket(uri) as bucket:
        snapshot = bucket.snapshot()
    tables = tables_of(snapshot)
    if as_json:
        data(_data(snapshot, tables))
        return 0
    result(_text(snapshot, tables))
    for finding in snapshot.findings:
        note(str(finding.diagnostic()))
    return 0


@dataclass(slots=True)
class TableFacts:
    """One table by name, whatever its directories. `versions` maps each to its statement, "" where it has none.

    `gone`: "dropped" or "renamed" where that is the last that the store says of the name, else "".
    """

    versions: dict[int, str] = field(default_factory=dict)
    columns: int = 0
    files: int = 0
    bytes: int = 0
    formats: set[str] = field(default_factory=set)
    gone: str = ""


def tables_of(snapshot: Snapshot) -> dict[TableName, TableFacts]:
    """The tables of a store, by name."""
    from afterbay.messages import DdlKind
    from afterbay_nodes.bucket.steps import FileStep, SchemaStep

    tables: dict[TableName, TableFacts] = {}
    for step in snapshot.steps:
        if step.table is None:
            if isinstance(step, SchemaStep) and step.type == DdlKind.DROP_SCHEMA:
                for name, facts in tables.items():
                    facts.gone = "dropped" if name.schema == step.database else facts.gone
            continue
        facts = tables.setdefault(step.table, TableFacts())
        if isinstance(step, FileStep):
            facts.files += 1
            facts.bytes += step.size
            facts.formats.add(step.extension)
        else:
            facts.versions[step.version] = step.query
            facts.gone = "dropped" if step.type == DdlKind.DROP_TABLE else ""
            if step.renamed_from in tables:
                tables[step.renamed_from].gone = "renamed"
            facts.columns = len(step.schema.columns) if step.schema is not None else 0
    return dict(sorted(tables.items()))


def _text(snapshot: Snapshot, tables: Mapping[TableName, TableFacts]) -> str:
    files, held = sum(facts.files for facts in tables.values()), sum(facts.bytes for facts in tables.values())
    checkpoint = "no checkpoint yet" if snapshot.checkpoint is None else f"checkpoint {snapshot.checkpoint}"
    lines = [
        f"{snapshot.display}   {plural(len(tables), 'table')}, {plural(files, 'file')}, {size(held)}   {checkpoint}"
    ]
    if tables:
        rows = [
            [
                str(name),
                str(max(facts.versions)),
                count(len(facts.versions)),
                facts.gone or count(facts.columns),
                count(facts.files),
                size(facts.bytes),
                " ".join(sorted(facts.formats)) or "-",
            ]
            for name, facts in tables.items()
        ]
        header = ("TABLE", "NEWEST VERSION", "VERSIONS", "COLUMNS", "FILES", "BYTES", "FORMAT")
        lines += ["", table(header, rows)]
    faults = len(snapshot.faults)
    if faults:
        lines += ["", f"{plural(faults, 'fault')}: a reader would stop"]
    return "\n".join(lines)


def _data(snapshot: Snapshot, tables: Mapping[TableName, TableFacts]) -> dict[str, object]:
    return {
        "store": snapshot.display,
        "checkpoint": snapshot.checkpoint,
        "tables": [
            {
                "schema": name.schema,
                "table": name.table,
                "versions": [{"version": version, "query": query} for version, query in facts.versions.items()],
                "columns": facts.columns,
                "gone": facts.gone or None,
                "files": facts.files,
                "bytes": facts.bytes,
                "formats": sorted(facts.formats),
            }
            for name, facts in tables.items()
        ],
        "findings": [{**finding.diagnostic().to_dict(), "fault": finding.is_fault} for finding in snapshot.findings],
    }
