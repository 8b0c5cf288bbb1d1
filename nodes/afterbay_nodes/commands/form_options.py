"""The options of verbs that read data files: what a file does not tell by itself, each described once."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from afterbay_nodes.decoders.stored_form import StoredForm
    from afterbay_nodes.encoders.debezium_table import DecimalMode


class BinaryEncoding(StrEnum):
    """How bytes are written in CSV."""

    BASE64 = "base64"
    HEX = "hex"


class CommitTsStored(StrEnum):
    """Whether rows of CSV carry their commit-ts."""

    YES = "yes"
    NO = "no"
    DETECT = "detect"


class Decimals(StrEnum):
    """How decimals are written in Debezium JSON."""

    STRING = "string"
    PRECISE = "precise"
    DETECT = "detect"


Delimiter = Annotated[str, typer.Option("--csv-delimiter", help="CSV: between fields; `\\t` is a tab.")]
Quote = Annotated[str, typer.Option("--csv-quote", help="CSV: around text; empty for backslash escapes.")]
Null = Annotated[str, typer.Option("--csv-null", help="CSV: what stands for NULL.")]
Terminator = Annotated[str, typer.Option("--csv-terminator", help="CSV: ends every row; `\\r` and `\\n` are escapes.")]
Binary = Annotated[BinaryEncoding, typer.Option("--csv-binary", help="CSV: how bytes are written.")]
CommitTs = Annotated[
    CommitTsStored,
    typer.Option("--csv-commit-ts", help="CSV: is the commit-ts in each row? `detect` refuses what fits both."),
]

DebeziumDecimals = Annotated[
    Decimals,
    typer.Option(
        "--debezium-decimals", help="Debezium JSON: the writer's decimal_mode. `detect` refuses what fits both."
    ),
]
DebeziumTimeZone = Annotated[
    str,
    typer.Option(
        "--debezium-time-zone",
        metavar="ZONE",
        help="Debezium JSON: the writer's time_zone, to which timestamps in UTC are brought back.",
    ),
]

DELIMITER, QUOTE, NULL, TERMINATOR = ",", '"', "\\N", "\\r\\n"
"""The writer's defaults, as they are typed."""

TIME_ZONE = "UTC"
"""The writer's default."""

_ESCAPES = {"t": "\t", "r": "\r", "n": "\n", "\\": "\\"}


def stored_form(
    delimiter: str,
    quote: str,
    null: str,
    terminator: str,
    binary: BinaryEncoding,
    commit_ts: CommitTsStored = CommitTsStored.DETECT,
    decimals: Decimals = Decimals.DETECT,
    time_zone: str = TIME_ZONE,
) -> StoredForm:
    """What the decoders are told. Raises PipelineInvalid for options that no file can be written with."""
    from afterbay_nodes.decoders.csv_form import CsvForm
    from afterbay_nodes.decoders.debezium_form import DebeziumReading
    from afterbay_nodes.decoders.stored_form import StoredForm
    from afterbay_nodes.encoders.csv_dialect import CsvDialect

    dialect = CsvDialect(_plain(delimiter), quote, null, _plain(terminator))
    dated = {CommitTsStored.YES: True, CommitTsStored.NO: False}.get(commit_ts)
    modes: dict[Decimals, DecimalMode] = {Decimals.STRING: "string", Decimals.PRECISE: "precise"}
    return StoredForm(CsvForm(dialect, binary.value, dated), DebeziumReading(modes.get(decimals), time_zone))


def _plain(typed: str) -> str:
    """Line ends and tabs are typed as escapes: a shell makes real ones hard to give."""
    return re.sub(r"\\([trn\\])", lambda found: _ESCAPES[found[1]], typed)
