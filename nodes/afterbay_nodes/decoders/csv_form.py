"""How the CSV of a store is written, as its reader is told, and what a file's first line tells."""

from __future__ import annotations

from dataclasses import dataclass, field

from afterbay.errors import PipelineInvalid
from afterbay.schema import TableSchema
from afterbay_nodes.decoders.csv_fields import Field
from afterbay_nodes.decoders.stored_rows import bad_row
from afterbay_nodes.encoders.csv_dialect import CsvDialect
from afterbay_nodes.encoders.csv_table import BinaryEncoding

HEADER = "ticdc-meta$"
NAMES = 3  # operation, table, schema stand first in every row


@dataclass(frozen=True, slots=True)
class CsvForm:
    """The options of the encoder that a file does not tell by itself."""

    dialect: CsvDialect = field(default_factory=lambda: CsvDialect(",", '"', "\\N", "\r\n"))
    binary: BinaryEncoding = "base64"

    def __post_init__(self) -> None:
        """Raises PipelineInvalid for options that no file can be written with."""
        faults = self.dialect.faults()
        if faults:
            raise PipelineInvalid("csv.dialect", "; ".join(faults), hint="give the options that the writer had")


@dataclass(frozen=True, slots=True)
class Leading:
    """The columns before a table's own, and whether a header stands above them."""

    commit_ts: bool
    is_update: bool
    header: bool

    @property
    def count(self) -> int:
        """How many."""
        return NAMES + self.commit_ts + self.is_update


def leading_of(first: list[Field], schema: TableSchema, key: str) -> Leading:
    """Told from the first line: by its number of fields, or by its names if it is a header.

    Raises RunFailed if the fields do not fit the table.
    """
    columns = [column.name for column in schema.stored_columns]
    if _text(first[0]) == f"{HEADER}operation":
        return _of_header(first, columns, schema, key)
    extra = len(first) - NAMES - len(columns)
    bare = _text(first[NAMES]) if extra in (1, 2) else ""
    if extra == 0:
        return Leading(commit_ts=False, is_update=False, header=False)
    if extra == 1 and (bare in ("true", "false") or bare.isdecimal()):
        return Leading(commit_ts=bare.isdecimal(), is_update=not bare.isdecimal(), header=False)
    if extra == 2 and bare.isdecimal():
        return Leading(commit_ts=True, is_update=True, header=False)
    raise bad_row(
        "csv.columns",
        f"the row has {len(first)} fields; the {len(columns)} columns of its version and operation, table, schema, "
        f"[commit-ts], [is-update] make {NAMES + len(columns)} to {NAMES + 2 + len(columns)}",
        schema=schema,
        key=key,
        row=1,
        hint="check the delimiter and the quote; or the table has a virtual column, which rows do not carry",
    )


def _of_header(header: list[Field], columns: list[str], schema: TableSchema, key: str) -> Leading:
    names = [_text(field) for field in header]
    commit_ts, is_update = f"{HEADER}commit-ts" in names, f"{HEADER}is-update" in names
    extra = [f"{HEADER}commit-ts"] * commit_ts + [f"{HEADER}is-update"] * is_update
    wanted = [f"{HEADER}operation", f"{HEADER}table", f"{HEADER}schema", *extra, *columns]
    if names != wanted:
        raise bad_row("csv.header", f"the header names {names}, the schema file {wanted}", schema=schema, key=key)
    return Leading(commit_ts, is_update, header=True)


def _text(field: Field) -> str:
    return "" if field.text is None else field.text.decode(errors="replace")
