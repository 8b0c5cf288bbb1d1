"""How the CSV of a store is written, as its reader is told, and what a file's first line tells."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pyarrow as pa

from afterbay.errors import PipelineInvalid
from afterbay.schema import TableSchema
from afterbay_nodes.decoders.stored_rows import bad_row
from afterbay_nodes.encoders.csv_dialect import CsvDialect
from afterbay_nodes.encoders.csv_table import BinaryEncoding

HEADER = "ticdc-meta$"
NAMES = 3  # operation, table, schema stand first in every row


@dataclass(frozen=True, slots=True)
class CsvForm:
    """The options of the encoder that a file does not tell by itself.

    `commit_ts`: does each row have its commit-ts? None: it is told from the file, or refused where it does not tell.
    """

    dialect: CsvDialect = field(default_factory=lambda: CsvDialect(",", '"', "\\N", "\r\n"))
    binary: BinaryEncoding = "base64"
    commit_ts: bool | None = None

    def __post_init__(self) -> None:
        """Raises PipelineInvalid for options that no file can be written with."""
        faults = self.dialect.faults()
        if faults:
            raise PipelineInvalid("csv.dialect", "; ".join(faults), hint="give the options that the writer had")


@dataclass(frozen=True, slots=True)
class Leading:
    """The columns before a table's own."""

    commit_ts: bool
    is_update: bool

    @property
    def count(self) -> int:
        """How many."""
        return NAMES + self.commit_ts + self.is_update


def header_of(data: pa.Buffer, form: CsvForm) -> bytes | None:
    """The header with its terminator, None if the file has none. Names stand in it as they are: nothing is quoted."""
    dialect = form.dialect
    start = f"{HEADER}operation{dialect.delimiter}".encode()
    view = memoryview(data)
    if bytes(view[: len(start)]) != start:
        return None
    found = re.compile(re.escape(dialect.terminator.encode())).search(view)
    return bytes(view[: data.size if found is None else found.end()])


def leading_of_header(header: bytes, schema: TableSchema, form: CsvForm, key: str) -> Leading:
    """Told from the header's names. Raises RunFailed if they are not those of the table."""
    dialect = form.dialect
    names = header.decode(errors="replace").removesuffix(dialect.terminator).split(dialect.delimiter)
    commit_ts, is_update = f"{HEADER}commit-ts" in names, f"{HEADER}is-update" in names
    extra = [f"{HEADER}commit-ts"] * commit_ts + [f"{HEADER}is-update"] * is_update
    columns = [column.name for column in schema.stored_columns]
    wanted = [f"{HEADER}operation", f"{HEADER}table", f"{HEADER}schema", *extra, *columns]
    if names != wanted or not header.endswith(dialect.terminator.encode()):
        raise bad_row("csv.header", f"the header names {names}, the schema file {wanted}", schema=schema, key=key)
    if form.commit_ts not in (None, commit_ts):
        told = "names no commit-ts" if form.commit_ts else "names a commit-ts"
        raise bad_row("csv.header", f"the header {told}; it was said otherwise", schema=schema, key=key)
    return Leading(commit_ts, is_update)
