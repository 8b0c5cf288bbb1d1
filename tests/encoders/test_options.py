"""Options that could not be read back are refused before a run starts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.encode_parquet import EncodeParquet


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"delimiter": ""}, "has 0 bytes; it is to have 1 to 3"),
        ({"delimiter": "abcd"}, "has 4 bytes"),
        ({"delimiter": "é€"}, "has 5 bytes"),
        ({"delimiter": "a\n"}, "contains CR or LF"),
        ({"delimiter": "\r"}, "contains CR or LF"),
        ({"delimiter": '|"'}, "share the character '\"'"),
        ({"delimiter": "1"}, "inside a bare number"),
        ({"delimiter": "-"}, "inside a bare number"),
        ({"delimiter": "\\", "quote": ""}, "another meaning in escapes"),
        ({"delimiter": "|n", "quote": ""}, "another meaning in escapes"),
        ({"quote": "''"}, "has 2 bytes"),
        ({"quote": "é"}, "has 2 bytes"),
        ({"quote": "\n"}, "contains CR or LF"),
        ({"quote": "0"}, "inside a bare number"),
        ({"null": 'a"b'}, "contains the quote"),
        ({"null": "a,b"}, "contains the delimiter"),
        ({"null": "a\nb"}, "contains CR or LF"),
        ({"terminator": ""}, "terminator is empty"),
        ({"terminator": ",\n"}, "contains the delimiter"),
        ({"delimiter": "|+|", "terminator": "+\n"}, "share the character '+'"),
        ({"terminator": '"\n'}, "contains the quote"),
        ({"terminator": "e1"}, "inside a bare number"),
        ({"terminator": "\\\n", "quote": ""}, "contains the backslash of escapes"),
        ({"null": "0"}, "could be a number"),
        ({"null": "-1.5e+06"}, "could be a number"),
        ({"null": "NaN"}, "could be a number"),
        ({"null": "a|", "delimiter": "||"}, "runs into the delimiter"),
        ({"null": "a~", "terminator": "~~"}, "runs into the terminator"),
        ({"null": "a~b", "terminator": "~"}, "contains the terminator"),
        ({"null": "\\", "quote": ""}, "ends in a backslash"),
        ({"null": "D", "quote": ""}, "is also an operation"),
        ({"binary_encoding_method": "base85"}, "'base64' or 'hex'"),
        ({"delimeter": ","}, "Extra inputs are not permitted"),
    ],
)
def test_csv_options_that_cannot_be_read_back_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        EncodeCsv(**options)
    assert why in str(refusal.value)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as refusal:
        EncodeCsv(delimiter="abcd", quote="''", terminator="")
    text = str(refusal.value)
    assert "delimiter 'abcd'" in text
    assert "quote \"''\"" in text
    assert "terminator is empty" in text


@pytest.mark.parametrize("delimiter", [",", "\t", "|+|", "é", "│", "a|"])
def test_csv_takes_delimiters_of_one_to_three_bytes(delimiter: str) -> None:
    assert EncodeCsv(delimiter=delimiter).delimiter == delimiter


@pytest.mark.parametrize("options", [{"null": ""}, {"null": "NULL"}, {"null": "\\\\"}, {"null": "", "quote": ""}])
def test_csv_takes_any_null_string_that_can_be_told(options: dict[str, Any]) -> None:
    assert EncodeCsv(**options).null == options["null"]


@pytest.mark.parametrize("terminator", ["\n", "\x00", "~~", "\n\n", "x\n", " ;"])
def test_csv_takes_any_terminator_that_can_be_told(terminator: str) -> None:
    assert EncodeCsv(terminator=terminator).terminator == terminator
    assert EncodeCsv(terminator=terminator, quote="").terminator == terminator


@pytest.mark.parametrize("node", [EncodeCanalJson, EncodeDebeziumJson])
@pytest.mark.parametrize("terminator", ["", " ", "}", "\n}", "x"])
def test_json_ends_objects_by_line_ends_only(node: type[Any], terminator: str) -> None:
    with pytest.raises(ValidationError, match="is to be a line end"):
        node(terminator=terminator)


@pytest.mark.parametrize(
    "options",
    [{"envelope": "schema"}, {"decimal_mode": "double"}, {"temporal_mode": "connect"}, {"source_name": "\ud800"}],
)
def test_debezium_options_that_are_not_known_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EncodeDebeziumJson(**options)


def test_the_identity_changes_with_every_option() -> None:
    csv: list[dict[str, Any]] = [
        {"delimiter": "\t"},
        {"quote": ""},
        {"null": "NULL"},
        {"terminator": "\n"},
        {"include_commit_ts": True},
        {"binary_encoding_method": "hex"},
        {"output_old_value": True},
        {"output_field_header": True},
    ]
    assert {name for option in csv for name in option} == set(EncodeCsv.model_fields)
    assert all(EncodeCsv(**option).identity() != EncodeCsv().identity() for option in csv)
    canal = [name for name in EncodeCanalJson.model_fields if name != "terminator"]
    for name in canal:
        other = {name: not EncodeCanalJson.model_fields[name].default}
        assert EncodeCanalJson(**other).identity() != EncodeCanalJson().identity()
    debezium: list[dict[str, Any]] = [
        {"terminator": "\n"},
        {"envelope": "payload"},
        {"source_name": "shop"},
        {"output_old_value": False},
        {"decimal_mode": "precise"},
        {"temporal_mode": "debezium"},
        {"time_zone": "Asia/Shanghai"},
    ]
    assert {name for option in debezium for name in option} == set(EncodeDebeziumJson.model_fields)
    assert all(EncodeDebeziumJson(**option).identity() != EncodeDebeziumJson().identity() for option in debezium)


def test_only_what_changes_the_columns_is_identity_where_files_name_their_compression() -> None:
    columns: list[dict[str, Any]] = [
        {"temporal": "native"},
        {"wide_decimals": "decimal256"},
        {"output_old_value": True},
    ]
    assert {name for option in columns for name in option} | {"compression"} == set(EncodeParquet.model_fields)
    assert all(EncodeParquet(**option).identity() != EncodeParquet().identity() for option in columns)
    assert EncodeParquet(compression="none").identity() == EncodeParquet().identity()
    assert EncodeAvro(output_old_value=True).identity() != EncodeAvro().identity()
    assert EncodeAvro(codec="none").identity() == EncodeAvro().identity()


@pytest.mark.parametrize(
    ("node", "options"),
    [
        (EncodeParquet, {"compression": "brotli"}),
        (EncodeParquet, {"temporal": "utc"}),
        (EncodeParquet, {"wide_decimals": "double"}),
        (EncodeAvro, {"codec": "snappy"}),
        (EncodeAvro, {"registry": "http://localhost"}),
    ],
)
def test_options_of_binary_files_that_are_not_there_are_refused(node: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        node(**options)


def test_the_facts_are_what_differs_from_the_defaults() -> None:
    assert EncodeCsv().facts() == {}
    assert EncodeCsv(delimiter="\t", include_commit_ts=True).facts() == {
        "delimiter": "\\t",
        "include_commit_ts": "True",
    }
    assert EncodeDebeziumJson(envelope="payload").facts() == {"envelope": "payload"}
    assert EncodeCanalJson(content_compatible=True).facts() == {"content_compatible": "True"}
    assert EncodeParquet(compression="none").facts() == {"compression": "none"}
    assert EncodeAvro(codec="zstandard").facts() == {"codec": "zstandard"}


def test_encoders_may_run_side_by_side() -> None:
    assert EncodeCsv.capabilities.parallel
    assert EncodeCanalJson.capabilities.parallel
    assert EncodeDebeziumJson.capabilities.parallel
    assert EncodeParquet.capabilities.parallel
    assert EncodeAvro.capabilities.parallel
