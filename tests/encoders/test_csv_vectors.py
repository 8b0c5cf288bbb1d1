"""Lines that the protocol page states, and the corners where two rules meet."""

from __future__ import annotations

import pytest

from afterbay.errors import RunFailed
from afterbay.messages import Op
from afterbay.schema import Column
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from tests.support.batches import COMMIT_TS, batch, encode, operator, table

PERSON = table(Column("id", "int"), Column("name", "varchar"))
NOTE = table(Column("note", "text"))
NUMBER = table(Column("x", "double"))


def test_the_quoted_vector_of_the_protocol() -> None:
    line = encode(EncodeCsv(include_commit_ts=True), batch(PERSON, [(123, "hello,world")]))
    assert line == b'"I","table1","test",435661838416609281,123,"hello,world"\r\n'


def test_the_unquoted_vector_of_the_protocol() -> None:
    words = table(Column("a", "varchar"), Column("b", "varchar"), name="test.table2")
    changes = batch(words, [("a!b!c", "def")], ops=[Op.UPDATE])
    line = encode(EncodeCsv(include_commit_ts=True, delimiter="!", quote="", terminator="\n"), changes)
    assert line == b"U!table2!test!435661838416609281!a\\!b\\!c!def\n"


def test_an_update_with_its_old_value_is_a_delete_and_an_insert_in_place() -> None:
    changes = batch(
        PERSON,
        [(1, "a"), (2, "new"), (3, "c")],
        ops=[Op.INSERT, Op.UPDATE, Op.DELETE],
        before=[None, (2, "old"), None],
        commit_ts=[10, 11, 12],
    )
    lines = encode(EncodeCsv(include_commit_ts=True, output_old_value=True, terminator="\n"), changes)
    assert lines.decode().splitlines() == [
        '"I","table1","test",10,false,1,"a"',
        '"D","table1","test",11,true,2,"old"',
        '"I","table1","test",11,true,2,"new"',
        '"D","table1","test",12,false,3,"c"',
    ]


def test_null_the_empty_string_and_the_text_of_null_stay_three_things() -> None:
    lines = encode(EncodeCsv(terminator="\n"), batch(NOTE, [(None,), ("",), ("\\N",)]))
    assert [line.rsplit(",", 1)[1] for line in lines.decode().splitlines()] == ["\\N", '""', '"\\N"']


def test_without_quotes_the_text_of_null_is_escaped() -> None:
    lines = encode(EncodeCsv(quote="", terminator="\n"), batch(NOTE, [(None,), ("\\N",)]))
    assert [line.rsplit(",", 1)[1] for line in lines.decode().splitlines()] == ["\\N", "\\\\N"]


def test_line_ends_are_raw_inside_quotes_and_escaped_without() -> None:
    changes = batch(NOTE, [("a\r\nb",)])
    assert encode(EncodeCsv(), changes).endswith(b'"a\r\nb"\r\n')
    assert encode(EncodeCsv(quote=""), changes).endswith(b"a\\r\\nb\r\n")


@pytest.mark.parametrize(
    ("delimiter", "text", "escaped"),
    [
        (",", "a,b\\c", b"a\\,b\\\\c"),
        (",", "a\tb\x00c\u2028", b"a\tb\x00c\xe2\x80\xa8"),
        ("|+|", "a|+|b+|", b"a\\|\\+\\|b\\+\\|"),
        ("\u2502", "a\u2502b", b"a\\\xe2\\\x94\\\x82b"),
        ("\xe9", "caf\xe9", b"caf\\\xc3\\\xa9"),
    ],
)
def test_without_quotes_each_byte_of_a_delimiter_gets_a_backslash(delimiter: str, text: str, escaped: bytes) -> None:
    line = encode(EncodeCsv(quote="", delimiter=delimiter, terminator="\n"), batch(NOTE, [(text,)]))
    assert line == delimiter.encode().join([b"I", b"table1", b"test", escaped]) + b"\n"


@pytest.mark.parametrize(
    ("quote", "text", "field"),
    [
        ('"', 'say "hi", it\'s', '"say ""hi"", it\'s"'),
        ("'", 'say "hi", it\'s', "'say \"hi\", it''s'"),
        ("|", "a|b", "|a||b|"),
        ('"', '"', '""""'),
        ('"', "\x00\x1f\u2028\r\n\\", '"\x00\x1f\u2028\r\n\\"'),
    ],
)
def test_in_quotes_only_the_quote_is_doubled(quote: str, text: str, field: str) -> None:
    line = encode(EncodeCsv(quote=quote), batch(NOTE, [(text,)])).decode()
    assert line == ",".join([f"{quote}{word}{quote}" for word in ("I", "table1", "test")] + [field]) + "\r\n"


@pytest.mark.parametrize("terminator", ["\n", "\n\n", "\x00", "~~", "x\n"])
def test_every_row_ends_with_the_terminator(terminator: str) -> None:
    lines = encode(EncodeCsv(terminator=terminator), batch(PERSON, [(1, "a"), (2, None)]))
    assert lines == f'"I","table1","test",1,"a"{terminator}"I","table1","test",2,\\N{terminator}'.encode()


def test_the_leading_columns_stand_bare_in_their_order() -> None:
    options = EncodeCsv(include_commit_ts=True, output_old_value=True, delimiter="|+|", null="NULL", terminator="\n")
    changes = batch(PERSON, [(1, None)], ops=[Op.DELETE], commit_ts=[2**64 - 1])
    line = encode(options, changes)
    assert line == b'"D"|+|"table1"|+|"test"|+|18446744073709551615|+|false|+|1|+|NULL\n'


def test_half_a_delimiter_at_the_end_of_a_value_does_not_move_the_field() -> None:
    pair = table(Column("a", "text"), Column("b", "text"))
    line = encode(EncodeCsv(quote="", delimiter="||", terminator="\n"), batch(pair, [("x|", "y")]))
    assert line == b"I||table1||test||x\\|||y\n"


def test_a_table_name_is_text_like_any_other() -> None:
    odd = table(Column("id", "int"), name='a"b.c,d')
    assert encode(EncodeCsv(), batch(odd, [(1,)])) == b'"I","c,d","a""b",1\r\n'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999999.0, "999999"),
        (1e6, "1e+06"),
        (123456789.0, "1.23456789e+08"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (3.0, "3"),
        (-0.0, "-0"),
        (1e100, "1e+100"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
    ],
)
def test_floats_are_written_as_go_prints_them(value: float, text: str) -> None:
    assert encode(EncodeCsv(), batch(NUMBER, [(value,)])) == f'"I","table1","test",{text}\r\n'.encode()


def test_one_float_out_of_range_does_not_change_how_the_others_look() -> None:
    both = encode(EncodeCsv(), batch(NUMBER, [(1.5,), (1e9,)]))
    assert both == encode(EncodeCsv(), batch(NUMBER, [(1.5,)])) + encode(EncodeCsv(), batch(NUMBER, [(1e9,)]))


def test_each_kind_of_value_in_its_form() -> None:
    mixed = table(
        Column("d", "decimal"),
        Column("t", "datetime"),
        Column("y", "year"),
        Column("b", "bit"),
        Column("e", "enum", elements=("red", "blue")),
        Column("s", "set", elements=("x", "y", "z")),
        Column("raw", "varbinary"),
    )
    row = ("1.50", "0000-00-00 00:00:00", 2026, 2**64 - 1, 2, 5, b"\x00\xff")
    common = '"1.50","0000-00-00 00:00:00",2026,18446744073709551615,"blue","x,z",'
    changes = batch(mixed, [row])
    assert encode(EncodeCsv(), changes).decode() == f'"I","table1","test",{common}"AP8="\r\n'
    as_hex = encode(EncodeCsv(binary_encoding_method="hex"), changes)
    assert as_hex.decode() == f'"I","table1","test",{common}"00ff"\r\n'


def test_an_enum_of_index_zero_and_an_empty_set_are_empty_strings() -> None:
    both = table(Column("e", "enum", elements=("a",)), Column("s", "set", elements=("a",)))
    assert encode(EncodeCsv(), batch(both, [(0, 0)])) == b'"I","table1","test","",""\r\n'


def test_virtual_columns_are_left_out() -> None:
    schema = table(Column("id", "int"), Column("twice", "int", virtual=True), Column("name", "char"))
    assert encode(EncodeCsv(), batch(schema, [(1, "n")])) == b'"I","table1","test",1,"n"\r\n'


def test_the_header_names_the_columns_that_are_written() -> None:
    options = EncodeCsv(output_field_header=True, include_commit_ts=True, output_old_value=True, delimiter="|")
    made = operator(options).process(batch(PERSON, [(1, "a")]))
    assert made.head.format.extension == "csv"
    assert made.head.format.header == (
        b"ticdc-meta$operation|ticdc-meta$table|ticdc-meta$schema|ticdc-meta$commit-ts|ticdc-meta$is-update|id|name\r\n"
    )
    assert b"ticdc-meta" not in made.body[0].to_pybytes()
    assert operator(EncodeCsv()).process(batch(PERSON, [(1, "a")])).head.format.header == b""


@pytest.mark.parametrize("name", ["a,b", "a\nb", "a\r\nb", 'a"b'])
def test_a_header_that_could_not_be_read_back_is_refused(name: str) -> None:
    with pytest.raises(RunFailed, match=r"\[csv.header\]"):
        encode(EncodeCsv(output_field_header=True), batch(table(Column(name, "int")), [(1,)]))


def test_a_name_that_runs_into_the_delimiter_behind_it_has_no_header() -> None:
    with pytest.raises(RunFailed, match=r"\[csv.header\]"):
        encode(EncodeCsv(output_field_header=True, delimiter="||"), batch(table(Column("a|", "int")), [(1,)]))


def test_old_values_that_the_source_does_not_give_are_refused_with_the_place() -> None:
    changes = batch(PERSON, [(1, "a")], ops=[Op.UPDATE])
    with pytest.raises(
        RunFailed, match=rf"node 'under_test', table test.table1, at {COMMIT_TS}/0: \[encode.no_before\]"
    ):
        encode(EncodeCsv(output_old_value=True), changes)


def test_inserts_need_no_old_values() -> None:
    line = encode(EncodeCsv(output_old_value=True), batch(PERSON, [(1, "a")]))
    assert line == b'"I","table1","test",false,1,"a"\r\n'
