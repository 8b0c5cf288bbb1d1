"""Whatever the options: what the CSV encoder writes, a reader that knows the options reads back, or it is refused."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch, Op
from afterbay.schema import Column
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from tests.reader import csv_rows
from tests.support.batches import COMMIT_TS, batch, encode, operator, table
from tests.support.reference_csv import CsvOptions, cell
from tests.support.strategies import change_batches

# Few characters, so that options and values meet often.
_CHARACTERS = '|~\\",;NI0e\r\né'
_OPTIONS = st.builds(
    CsvOptions,
    delimiter=st.text("|~,N0é", min_size=1, max_size=3),
    quote=st.sampled_from(["", "", '"', "'", "~"]),
    null=st.text("\\N|~,;0eI", max_size=3),
    terminator=st.text("\r\n;~|0", min_size=1, max_size=3),
    include_commit_ts=st.booleans(),
    output_old_value=st.booleans(),
)
_FILTERING = [HealthCheck.filter_too_much]  # most options that meet are refused
_TEXTS = st.none() | st.text(_CHARACTERS, max_size=4)


def node_of(options: CsvOptions, **more: Any) -> EncodeCsv:
    """The encoder, if it takes the options at all."""
    try:
        return EncodeCsv(**asdict(options), **more)
    except ValidationError:
        assume(False)
        raise


def read(body: bytes, options: CsvOptions) -> list[list[str | None]]:
    dialect = csv_rows.CsvDialect(options.delimiter, options.quote, options.null, options.terminator)
    return [[field.text for field in row] for row in csv_rows.fields(body, dialect)]


def wanted(changes: ChangeBatch, options: CsvOptions) -> list[list[str | None]]:
    columns, name = changes.schema.stored_columns, changes.schema.name
    rows = []
    for index, (op, commit_ts) in enumerate(zip(changes.ops.to_pylist(), changes.commit_ts.to_pylist(), strict=True)):
        images = [("IUD"[op], "false", changes.rows)]
        if options.output_old_value and op == Op.UPDATE:
            assert changes.before is not None
            images = [("D", "true", changes.before), ("I", "true", changes.rows)]
        for letter, is_update, image in images:
            meta = [letter, name.table, name.schema]
            meta += [str(commit_ts)] * options.include_commit_ts + [is_update] * options.output_old_value
            values = (column[index].as_py() for column in image.columns)
            rows.append([*meta, *(cell(c, v, options) for c, v in zip(columns, values, strict=True))])
    return rows


def assert_read_back(changes: ChangeBatch, options: CsvOptions) -> None:
    try:
        body = encode(node_of(options), changes)
    except RunFailed as refused:
        if refused.code == "csv.clash":
            return
        raise
    assert read(body, options) == wanted(changes, options)


@settings(max_examples=200, deadline=None, suppress_health_check=_FILTERING)
@given(rows=st.lists(st.tuples(_TEXTS, st.none() | st.integers(-20, 20), _TEXTS), min_size=1), options=_OPTIONS)
def test_texts_and_numbers_under_any_options(rows: list[tuple[Any, ...]], options: CsvOptions) -> None:
    columns = (Column("a", "text"), Column("n", "int"), Column("b", "text"))
    node_of(options)
    assert_read_back(batch(table(*columns), rows), options)
    # The number last, beside the terminator.
    turned = [(a, b, n) for a, n, b in rows]
    assert_read_back(batch(table(columns[0], columns[2], columns[1], name="t|.~"), turned), options)


@settings(max_examples=100, deadline=None, suppress_health_check=_FILTERING)
@given(changes=change_batches(), options=_OPTIONS)
def test_every_type_under_any_options(changes: ChangeBatch, options: CsvOptions) -> None:
    assert_read_back(changes, options)


@settings(max_examples=100, deadline=None, suppress_health_check=_FILTERING)
@given(name=st.text(_CHARACTERS, min_size=1, max_size=3), options=_OPTIONS)
def test_headers_split_into_the_names_under_any_options(name: str, options: CsvOptions) -> None:
    node = node_of(options, output_field_header=True)
    schema = table(Column("first", "int"), Column(name, "int"), Column(name + "2", "int"))
    try:
        header = operator(node).process(batch(schema, [(1, 2, 3)])).head.format.header.decode()
    except RunFailed as refused:
        if refused.code in ("csv.header", "csv.clash"):
            return
        raise
    assert header.endswith(options.terminator)
    fields = header.removesuffix(options.terminator).split(options.delimiter)
    assert fields[-3:] == ["first", name, name + "2"]
    assert header.find(options.terminator) == len(header) - len(options.terminator)


# -- what only a value can tell

NOTE = table(Column("id", "int"), Column("note", "text"), Column("kind", "enum", elements=("NULL", "x")))


def refusal(node: EncodeCsv, rows: list[Any], **columns: Any) -> str:
    with pytest.raises(RunFailed, match=r"\[csv.clash\]") as caught:
        encode(node, batch(NOTE, rows, **columns))
    return str(caught.value)


def test_a_text_that_is_the_null_string_is_refused_where_nothing_tells_them_apart() -> None:
    node = EncodeCsv(quote="", null="NULL")
    assert encode(node, batch(NOTE, [(1, "nULL", 2)])) == b"I,table1,test,1,nULL,x\r\n"
    told = refusal(node, [(1, "a", 2), (2, None, 2), (3, "NULL", 2)])
    assert f"node 'under_test', table test.table1, at {COMMIT_TS}/2: [csv.clash] column 'note'" in told
    assert "is the null string 'NULL'" in told
    assert "column 'kind'" in refusal(node, [(1, "a", 1)])
    assert encode(EncodeCsv(null="NULL"), batch(NOTE, [(1, "NULL", None)])) == b'"I","table1","test",1,"NULL",NULL\r\n'


def test_an_empty_text_is_refused_where_null_is_empty_too() -> None:
    node = EncodeCsv(quote="", null="")
    assert encode(node, batch(NOTE, [(1, " ", None)])) == b"I,table1,test,1, ,\r\n"
    assert "is the null string ''" in refusal(node, [(1, "", 2)])


def test_a_before_image_is_looked_at_too_if_it_is_written() -> None:
    changes: dict[str, Any] = {"ops": [Op.INSERT, Op.UPDATE], "before": [None, (1, "NULL", 2)]}
    rows = [(1, "a", 2), (1, "b", 2)]
    assert f"at {COMMIT_TS}/1" in refusal(EncodeCsv(quote="", null="NULL", output_old_value=True), rows, **changes)
    encode(EncodeCsv(quote="", null="NULL"), batch(NOTE, rows, **changes))


@pytest.mark.parametrize("text", ["a~~b", "~~", "a~"])
def test_a_text_that_would_end_its_line_is_refused(text: str) -> None:
    assert "holds, or runs into, the terminator '~~'" in refusal(EncodeCsv(quote="", terminator="~~"), [(1, text, 2)])
    assert encode(EncodeCsv(terminator="~~"), batch(NOTE, [(1, text, 2)])).endswith(f'1,"{text}","x"~~'.encode())


def test_a_table_whose_name_is_the_null_string_is_refused() -> None:
    with pytest.raises(RunFailed, match=r"\[csv.clash\] the table's name is the null string 'NULL'"):
        encode(EncodeCsv(quote="", null="NULL"), batch(table(Column("id", "int"), name="test.NULL"), [(1,)]))
