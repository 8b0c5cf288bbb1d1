"""What is typed for a verb becomes what the decoders are told."""

from __future__ import annotations

import pytest

from afterbay.errors import PipelineInvalid
from afterbay_nodes.commands.form_options import (
    DELIMITER,
    NULL,
    QUOTE,
    TERMINATOR,
    BinaryEncoding,
    CommitTsStored,
    Decimals,
    stored_form,
)
from afterbay_nodes.decoders.debezium_form import DebeziumReading
from afterbay_nodes.decoders.stored_form import StoredForm


def test_the_defaults_are_the_writer_s() -> None:
    assert stored_form(DELIMITER, QUOTE, NULL, TERMINATOR, BinaryEncoding.BASE64) == StoredForm()


def test_escapes_are_typed() -> None:
    csv = stored_form("\\t", "", "NULL", "|\\n", BinaryEncoding.HEX).csv
    assert (csv.dialect.delimiter, csv.dialect.quote, csv.dialect.null, csv.dialect.terminator) == (
        "\t",
        "",
        "NULL",
        "|\n",
    )
    assert csv.binary == "hex"
    with pytest.raises(PipelineInvalid, match="delimiter"):
        stored_form("", '"', "\\N", "\\n", BinaryEncoding.HEX)


@pytest.mark.parametrize(("typed", "told"), [("yes", True), ("no", False), ("detect", None)])
def test_the_commit_ts_is_told_or_detected(typed: str, told: bool | None) -> None:
    form = stored_form(DELIMITER, QUOTE, NULL, TERMINATOR, BinaryEncoding.BASE64, CommitTsStored(typed))
    assert form.csv.commit_ts is told


@pytest.mark.parametrize(("typed", "told"), [("string", "string"), ("precise", "precise"), ("detect", None)])
def test_the_modes_of_debezium_are_told_or_detected(typed: str, told: str | None) -> None:
    form = stored_form(
        DELIMITER,
        QUOTE,
        NULL,
        TERMINATOR,
        BinaryEncoding.BASE64,
        decimals=Decimals(typed),
        time_zone="Asia/Tokyo",
    )
    assert form.debezium == DebeziumReading(told, "Asia/Tokyo")  # type: ignore[arg-type]
    with pytest.raises(PipelineInvalid, match="Asia/Nowhere"):
        stored_form(DELIMITER, QUOTE, NULL, TERMINATOR, BinaryEncoding.BASE64, time_zone="Asia/Nowhere")
