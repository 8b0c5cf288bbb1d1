"""Damaged files are refused with their row, after what is right; nothing is yielded silently wrong."""

from __future__ import annotations

import json
import math
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pytest

from afterbay.errors import PipelineInvalid, RunFailed
from afterbay.schema import Column, TableSchema
from afterbay_nodes.decoders.csv_form import CsvForm
from afterbay_nodes.decoders.debezium_form import DebeziumReading
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.decoders.stored_rows import CHUNK_BYTES, StoredRows
from afterbay_nodes.encoders.csv_dialect import CsvDialect
from tests.support.batches import table

PETS = table(
    Column("id", "int", nullable=False, primary_key=True),
    Column("name", "varchar"),
    Column("weight", "double"),
    Column("born", "date"),
    Column("photo", "blob"),
    Column("kind", "enum", elements=("cat", "mouse")),
    Column("price", "decimal"),
    Column("tags", "set", elements=("x", "y")),
    name="zoo.pets",
)
ROW = '"I","pets","zoo",1001,%d,"Tom ""T"" Cat",1.5,"2026-01-02","AAE=","cat","1.50","x,y"\r\n'
GOOD = "".join(ROW % number for number in (1, 2, 3))
LAST = ROW % 3
TAIL = LAST[LAST.index(",1.5") :]


def read(
    text: str | bytes, form: CsvForm | None = None, schema: TableSchema = PETS, extension: str = "csv"
) -> list[Any]:
    data = text.encode() if isinstance(text, str) else text
    decoders = Decoders(StoredForm(csv=form or CsvForm()))
    return [chunk.rows.to_pylist() for chunk in decoders.rows(pa.py_buffer(data), extension, schema, "a/CDC7.csv")]


def last(old: str, new: str) -> str:
    """The good file with its third row changed."""
    assert old in LAST
    return GOOD[: -len(LAST)] + LAST.replace(old, new, 1)


def test_the_good_file_is_good() -> None:
    (rows,) = read(GOOD)
    assert rows[2] == {
        "id": 3,
        "name": 'Tom "T" Cat',
        "weight": 1.5,
        "born": "2026-01-02",
        "photo": b"\x00\x01",
        "kind": 1,
        "price": "1.50",
        "tags": 3,
    }


DAMAGES: dict[str, tuple[str | bytes, str, str]] = {
    "cut off in a string": (GOOD[:-30], "csv.torn", "cut off"),
    "cut off between fields": (GOOD[: GOOD.rindex(",") + 1], "csv.torn", "cut off|terminator"),
    "cut off before the terminator": (GOOD[:-2], "csv.torn", "cut off"),
    "cut off within the terminator": (GOOD[:-1], "csv.torn", "cut off"),
    "cut off behind a line end in a string": (last('Cat"', "\r\n")[: -len(TAIL)], "csv.torn", "cut off"),
    "a quote is not doubled": (last('""T', '"T'), "csv.torn", "not doubled"),
    "text behind a closing quote": (last('Cat"', 'Cat"s'), "csv.torn", "not doubled"),
    "a field too many": (last('"I"', '"I","pets"'), "csv.columns", "13 fields.*make 12"),
    "a field too few": (last(",1.5", ""), "csv.columns", "11 fields.*make 12"),
    "an empty line": (GOOD[: -len(LAST)] + "\r\n" + LAST, "csv.columns", "1 fields"),
    "another table's row": (last("pets", "cars"), "csv.names", "'cars'.*'zoo.pets'"),
    "another database's row": (last("zoo", "bar"), "csv.names", "'bar'"),
    "an unknown operation": (last('"I"', '"X"'), "csv.operation", "'X'"),
    "no operation": (last('"I"', "\\N"), "csv.operation", "None"),
    "no commit-ts": (last("1001", "\\N"), "csv.commit_ts", "64-bit"),
    "a commit-ts of letters": (last("1001", "10O1"), "csv.commit_ts", "10O1"),
    "a commit-ts of 65 bits": (last("1001", str(2**64)), "csv.commit_ts", str(2**64)),
    "a bare string": (last('"Tom ""T"" Cat"', "Tom"), "csv.quoting", "to be quoted"),
    "a quoted number": (last("1001,3", '1001,"3"'), "csv.quoting", "not to be quoted"),
    "a number with a space": (last("1001,3", "1001, 3"), "csv.value", "' 3' is no int"),
    "a hexadecimal number": (last("1001,3", "1001,0x3"), "csv.value", "'0x3' is no int"),
    "no number": (last("1001,3", "1001,"), "csv.value", "'' is no int"),
    "a number out of range": (last("1001,3", "1001,2147483648"), "csv.value", "'2147483648' is no int"),
    "a float that is none": (last("1.5,", "1.5.1,"), "csv.value", "'1.5.1' is no double"),
    "a float out of range": (last("1.5,", "1e999,"), "csv.value", "'1e999' is no double"),
    "a date that is none": (last("2026-01-02", "2026-1-2"), "csv.value", "'2026-1-2' is no date"),
    "a decimal that is none": (last("1.50", "1,50"), "csv.value", "'1,50' is no decimal"),
    "base64 without its padding": (last("AAE=", "AAE"), "csv.value", "'AAE' is no blob"),
    "base64 with bits behind its end": (last("AAE=", "AAF="), "csv.value", "'AAF=' is no blob"),
    "base64 with another letter": (last("AAE=", "AA!="), "csv.value", "'AA!=' is no blob"),
    "base64 with padding inside": (last("AAE=", "A==="), "csv.value", "'A===' is no blob"),
    "an unknown element": (last('"cat"', '"dog"'), "csv.value", "'dog' is no enum"),
    "an unknown member": (last('"x,y"', '"x,z"'), "csv.value", "'x,z' is no set"),
    "bytes that are not UTF-8": (last("Tom", "T\udcffm").encode("utf-8", "surrogateescape"), "csv.text", "not UTF-8"),
    "a byte-order mark": (last('"I"', '\ufeff"I"'), "csv.torn", "not doubled"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_csv_file_is_refused_with_its_row(name: str) -> None:
    text, code, said = DAMAGES[name]
    with pytest.raises(RunFailed, match=said) as caught:
        read(text)
    assert caught.value.code == code
    place = caught.value.place
    assert place is not None
    assert (place.file, place.table, place.position) == ("a/CDC7.csv", "zoo.pets", "row 3")


def test_the_row_is_right_far_into_a_file_and_what_is_before_it_comes() -> None:
    count = 3 * CHUNK_BYTES // len(ROW)
    text = "".join(ROW % number for number in range(count)) + last("1001,3", "1001,x")
    right: list[StoredRows] = []
    with pytest.raises(RunFailed) as caught:
        right.extend(Decoders().rows(pa.py_buffer(text.encode()), "csv", PETS, "f"))
    assert caught.value.place is not None
    assert caught.value.place.position == f"row {count + 3}"
    assert [chunk.first_row for chunk in right] == [1, *accumulate((c.num_rows for c in right[:-1]), initial=1)][1:]
    assert 0 < count - sum(chunk.num_rows for chunk in right) < 2 * CHUNK_BYTES // len(ROW)


def test_a_row_larger_than_a_chunk_is_read_whole() -> None:
    big = "x\r\n" * CHUNK_BYTES
    text = (ROW % 1) + (ROW % 2).replace("Tom", big) + (ROW % 3)
    rows = [row for chunk in read(text) for row in chunk]
    assert [len(row["name"]) for row in rows] == [11, 3 * CHUNK_BYTES + 8, 11]


def test_line_ends_and_row_starts_inside_values_are_no_rows() -> None:
    value = '\r\n"I","pets","zoo",1001,'
    quoted = value.replace('"', '""')
    text = "".join((ROW % number).replace("Tom", quoted * 2000) for number in range(200))
    assert len(text) > 2 * CHUNK_BYTES
    rows = [row for chunk in read(text) for row in chunk]
    assert [row["id"] for row in rows] == list(range(200))
    assert {row["name"] for row in rows} == {value * 2000 + ' "T" Cat'}


HEADER = "ticdc-meta$operation,ticdc-meta$table,ticdc-meta$schema,ticdc-meta$commit-ts,"
NAMES = "id,name,weight,born,photo,kind,price,tags"


def test_a_header_is_recognised_and_held_against_the_schema_file() -> None:
    assert read(f"{HEADER}{NAMES}\r\n{GOOD}") == read(GOOD)
    assert read(f"{HEADER}{NAMES}\r\n") == []
    for wrong in (f"{HEADER}{NAMES[3:]}\r\n{GOOD}", f"{HEADER}{NAMES}", f"{HEADER}name,{NAMES}\r\n"):
        with pytest.raises(RunFailed, match="the header names") as caught:
            read(wrong)
        assert caught.value.code == "csv.header"


IDS = table(
    Column("id", "bigint", nullable=False, primary_key=True),
    Column("n", "int"),
    Column("twice", "int"),
    name="zoo.ids",
    version=1000,
)


def dated(answer: bool | None) -> CsvForm:
    return CsvForm(commit_ts=answer)


def test_what_may_be_a_commit_ts_or_an_id_is_told_or_refused() -> None:
    """`twice` may be virtual: no schema file says it, and no statement is here."""
    text = '"I","ids","zoo",1001,5,6\r\n"I","ids","zoo",1002,6,7\r\n'
    with pytest.raises(RunFailed, match="no commit-ts and all 3 columns, or as a commit-ts, if one") as caught:
        read(text, schema=IDS)
    assert caught.value.code == "csv.ambiguous"
    assert caught.value.hint is not None
    assert "--csv-commit-ts yes" in caught.value.hint
    assert read(text, dated(False), IDS) == [[{"id": 1001, "n": 5, "twice": 6}, {"id": 1002, "n": 6, "twice": 7}]]
    with pytest.raises(RunFailed, match="make 7 to 8") as caught:
        read(text, dated(True), IDS)
    assert caught.value.code == "csv.columns"


@pytest.mark.parametrize(
    "rows",
    [
        ["999,5,6"],  # below the version
        ["1001,5,6", "1000,5,6"],  # falls
        ["1001,5,6", "\\N,5,6"],  # is null
        ["1001,5,6", "1002,\\N,6", "1003,3000000000,6"],  # `id` takes it, and `n` does not
        ["-1001,5,6"],
    ],
)
def test_ids_that_cannot_be_a_commit_ts_are_ids(rows: list[str]) -> None:
    columns = (IDS.columns[0], IDS.columns[1], Column("last", "int", primary_key=True))
    schema = table(*columns, name="zoo.ids", version=1000)
    text = "".join(f'"I","ids","zoo",{row}\r\n' for row in rows)
    if "3000000000" in text:
        with pytest.raises(RunFailed, match="3000000000"):
            read(text, schema=schema)
        return
    (found,) = read(text, schema=schema)
    assert [str(row["id"]).replace("None", "\\N") for row in found] == [row.split(",")[0] for row in rows]


def test_a_header_that_is_not_what_was_said_is_refused() -> None:
    with pytest.raises(RunFailed, match="names a commit-ts; it was said otherwise"):
        read(f"{HEADER}{NAMES}\r\n{GOOD}", dated(False))
    assert read(f"{HEADER}{NAMES}\r\n{GOOD}", dated(True)) == read(GOOD, dated(True))


@pytest.mark.parametrize(
    ("form", "text", "code"),
    [
        (CsvDialect("||", "", "\\N", "\n"), "I||pets||zoo||1\n", "csv.columns"),
        (CsvDialect(",", "", "\\N", "\n"), "I,pets,zoo,1,a\\xb,1,2026-01-02,,,1,x\n", "csv.torn"),
        (CsvDialect(",", "", "\\N", "\n"), "I,pets,zoo,1,a\\", "csv.torn"),
    ],
)
def test_other_dialects_are_refused_as_well(form: CsvDialect, text: str, code: str) -> None:
    with pytest.raises(RunFailed) as caught:
        read(text, CsvForm(form))
    assert caught.value.code == code


def test_a_form_that_nothing_can_be_written_with_is_invalid() -> None:
    with pytest.raises(PipelineInvalid, match="share the character"):
        CsvForm(CsvDialect('"', '"', "\\N", "\r\n"))


def test_an_empty_file_has_no_rows_and_an_unknown_one_is_refused() -> None:
    assert read("") == read("", extension="parquet") == []
    with pytest.raises(RunFailed, match="extension 'xml'") as caught:
        read("<xml/>", extension="xml")
    assert caught.value.code == "decode.format"


def canal(**changed: Any) -> bytes:
    message: dict[str, Any] = {"id": 0, "database": "zoo", "table": "small", "pkNames": ["id"], "isDdl": False}
    message |= {"type": "UPDATE", "es": 1, "ts": 2, "sql": "", "sqlType": {}, "mysqlType": {}}
    message |= {"old": [{"id": "1"}], "data": [{"id": "2", "b": "\u00ff"}], "_tidb": {"commitTs": 9}}
    return json.dumps(message | changed).encode() + b"\r\n"


SMALL = table(Column("id", "int", primary_key=True), Column("b", "blob"), name="zoo.small")


def test_a_canal_file_whose_old_values_are_only_the_changed_ones() -> None:
    decoders = Decoders()
    (chunk,) = decoders.rows(pa.py_buffer(canal() * 2), "json", SMALL, "f")
    assert chunk.before is not None
    assert chunk.before.to_pylist() == [{"id": 1, "b": b"\xff"}] * 2
    (large,) = decoders.rows(pa.py_buffer(canal(data=[{"id": "2", "b": "x" * 2 * CHUNK_BYTES}])), "json", SMALL, "f")
    assert large.num_rows == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (canal()[:-1], "canal.torn"),
        (canal()[:-2], "canal.torn"),
        (canal()[:-9], "canal.torn"),
        (canal()[:-9] + b"\r\n", "canal.line"),
        (canal(type="QUERY"), "canal.type"),
        (canal(isDdl=True), "canal.type"),
        (canal(table="other"), "canal.names"),
        (canal(database="other"), "canal.names"),
        (canal(data=[]), "canal.data"),
        (canal(data=None), "canal.line"),
        (canal(old=None), "canal.old"),
        (canal(type="INSERT"), "canal.old"),
        (canal(old=[{"c": "1"}]), "canal.columns"),
        (canal(data=[{"id": "2"}]), "canal.columns"),
        (canal(data=[{"id": "2", "b": "", "c": ""}]), "canal.columns"),
        (canal(data=[{"id": "x", "b": ""}]), "canal.value"),
        (canal(data=[{"id": 2, "b": ""}]), "canal.line"),
        (canal(data=[{"id": "2", "b": "\u0100"}]), "canal.value"),
        (canal(_tidb=None), "canal.commit_ts"),
        (canal(_tidb={"commitTs": -1}), "canal.commit_ts"),
        (canal(_tidb={}), "canal.line"),
        (canal(more=1), "canal.line"),
        (canal().replace(b'"es"', b'"et"'), "canal.line"),
        (canal().replace(b'"mysqlType": {}', b'"mysqlType": {"a": "i\xfft"}'), "canal.line"),
        (canal().replace(b'"es": 1', b'"es": 1, "es": 1'), "canal.twice"),
        (canal().replace(b'"commitTs": 9', b'"commitTs": 8, "commitTs": 9'), "canal.twice"),
        (canal().replace(b'"b": "', b'"id": "3", "b": "'), "canal.twice"),
        (canal().replace(b'"old": [{', b'"old": [{"id": "7", '), "canal.twice"),
        (canal().replace(b'"sqlType": {}', b'"sqlType": {"a": 1, "a": 1}'), "canal.twice"),
    ],
)
def test_a_damaged_canal_file_is_refused_with_its_row(line: bytes, code: str) -> None:
    with pytest.raises(RunFailed) as caught:
        list(Decoders().rows(pa.py_buffer(canal() * 2 + line), "json", SMALL, "f"))
    assert caught.value.code == code
    assert caught.value.place is not None
    assert caught.value.place.position == "row 3"


def debezium(op: str = "u", **changed: Any) -> bytes:
    event: dict[str, Any] = {"before": {"id": 1, "b": None}, "after": {"id": 2, "b": "/w=="}}
    event |= {"source": source(), "op": op, "ts_ms": 1, "transaction": None}
    return json.dumps(event | changed, separators=(",", ":")).encode() + b"\r\n"


def source(**changed: Any) -> dict[str, Any]:
    """All that the encoder writes."""
    fixed = {"version": "2.4.0.Final", "connector": "afterbay", "name": "x", "ts_ms": 1, "snapshot": "false"}
    fixed |= {"db": "zoo", "table": "small", "server_id": 0, "gtid": None, "file": "", "pos": 0, "row": 0, "thread": 0}
    return fixed | {"query": None, "commit_ts": 9, "ordinal": 0} | changed


def of_others(**more: Any) -> bytes:
    """An event as other connectors write them."""
    return debezium(source={"connector": "mysql", "db": "zoo", "table": "small", "more": []} | more)


def test_a_debezium_file_with_its_before_images() -> None:
    lines = debezium() + debezium("c", before=None) + debezium("d", after=None)
    (chunk,) = Decoders().rows(pa.py_buffer(lines), "json", SMALL, "f")
    assert chunk.rows.to_pylist() == [{"id": 2, "b": b"\xff"}] * 2 + [{"id": 1, "b": None}]
    assert chunk.before is not None
    assert chunk.before.to_pylist() == [{"id": 1, "b": None}] + [{"id": None, "b": None}] * 2
    assert chunk.ordinals is not None
    (other,) = Decoders().rows(pa.py_buffer(of_others()), "json", SMALL, "f")
    assert other.commit_ts is other.ordinals is None
    (dated,) = Decoders().rows(pa.py_buffer(of_others(commit_ts=7)), "json", SMALL, "f")
    assert dated.commit_ts.to_pylist() == [7]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"commit_ts"', b'"commit_tt"', "debezium.line"),
        (b'"ordinal"', b'"ordinaL"', "debezium.line"),
        (b'"connector"', b'"connectoR"', "debezium.line"),
        (b'"afterbay"', b'"afterbaz"', "debezium.line"),
        (b'"server_id":0', b'"server_id":1', "debezium.line"),
        (b'"snapshot":"false"', b'"snapshot":"falsf"', "debezium.line"),
        (b'"transaction":null', b'"transaction":1', "debezium.line"),
        (b'"ts_ms":1,"transaction"', b'"ts_mt":1,"transaction"', "debezium.line"),
        (b'"version":"2', b'"version":"\xff', "debezium.line"),
        (b'"pos":0', b'"pos":0,"pos":0', "debezium.twice"),
        (b'"after":{', b'"after":{"id":7,', "debezium.twice"),
        (b'"before":{', b'"before":{"id":7,', "debezium.twice"),
    ],
)
def test_our_own_debezium_events_have_each_key_once_and_no_other(old: bytes, new: bytes, code: str) -> None:
    (chunk,) = Decoders().rows(pa.py_buffer(debezium()), "json", SMALL, "f")
    assert chunk.num_rows == 1
    assert old in debezium()
    for around in (b"%b", b'{"payload":%b}'):
        with pytest.raises(RunFailed) as caught:
            list(
                Decoders().rows(pa.py_buffer(around % debezium().replace(old, new)[:-2] + b"\r\n"), "json", SMALL, "f")
            )
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (of_others(commit_ts=9).replace(b'"db":', b'"db":"a","db":'), "debezium.twice"),
        (debezium()[:-1], "debezium.torn"),
        (debezium()[:-2], "debezium.torn"),
        (debezium()[:-9] + b"\r\n", "debezium.line"),
        (b'{"payload":' + debezium()[:-2] + b"}\r\n", "debezium.line"),
        (debezium("r"), "debezium.op"),
        (debezium(source=source(table="other")), "debezium.names"),
        (debezium(source=source(db="other")), "debezium.names"),
        (debezium(source=source(commit_ts=None)), "debezium.line"),
        (of_others(), "debezium.commit_ts"),
        (debezium(source=source(commit_ts=2**64)), "debezium.commit_ts"),
        (debezium(source=source(ordinal=-1)), "debezium.ordinal"),
        (debezium("c"), "debezium.images"),
        (debezium("d"), "debezium.images"),
        (debezium(after=None), "debezium.images"),
        (debezium(before=None), "debezium.images"),
        (debezium(before={"id": 1}), "debezium.columns"),
        (debezium(after={"id": 1, "c": None}), "debezium.columns"),
        (debezium(after={"id": "1", "b": None}), "debezium.value"),
        (debezium(after={"id": True, "b": None}), "debezium.value"),
        (debezium(after={"id": 1.0, "b": None}), "debezium.value"),
        (debezium(after={"id": 2**31, "b": None}), "debezium.value"),
        (debezium(after={"id": 2**80, "b": None}), "debezium.value"),
        (debezium(after={"id": 1, "b": "/x=="}), "debezium.value"),
        (debezium(after={"id": 1, "b": {}}), "debezium.value"),
        (debezium(before={"id": None, "b": 3}), "debezium.value"),
    ],
)
def test_a_damaged_debezium_file_is_refused_with_its_row(line: bytes, code: str) -> None:
    with pytest.raises(RunFailed) as caught:
        list(Decoders().rows(pa.py_buffer(debezium() * 2 + line), "json", SMALL, "f"))
    assert caught.value.code == code
    assert caught.value.place is not None
    assert caught.value.place.position == "row 3"


def one_column(column: Column, *values: Any, form: StoredForm | None = None) -> list[Any]:
    """What comes back of inserts into a table of one column, as Debezium JSON."""
    schema = table(column, name="zoo.small")
    lines = b"".join(debezium("c", before=None, after={column.name: value}) for value in values)
    chunks = list(Decoders(form).rows(pa.py_buffer(lines), "json", schema, "f"))
    return [value for chunk in chunks for value in chunk.rows.column(0).to_pylist()]


PRICE = Column("price", "decimal", length=10, scale=2)


def test_how_debezium_decimals_are_written_is_told_by_those_that_can_be_read_one_way() -> None:
    assert one_column(PRICE, None, "1.50", "1234") == [None, "1.50", "1234"]
    assert one_column(PRICE, "1234", "AJY=") == ["-26588.24", "1.50"]
    assert one_column(PRICE, None) == [None]
    many = ["1234"] * (CHUNK_BYTES // 100)
    assert one_column(PRICE, *many, "AJY=")[:: len(many)] == ["-26588.24", "1.50"]
    told = StoredForm(debezium=DebeziumReading(decimal_mode="string"))
    assert one_column(PRICE, "1234", form=told) == ["1234"]
    with pytest.raises(RunFailed, match="text, or base64") as caught:
        one_column(PRICE, "1234")
    assert caught.value.code == "debezium.decimal"
    for mixed in (["1.50", "AJY="], ["AJY=", "1.50"], ["AJY=", "AACW"], ["1.50", 1]):
        with pytest.raises(RunFailed, match="is no decimal") as caught:
            one_column(PRICE, *mixed)
        assert caught.value.code == "debezium.value"


@pytest.mark.parametrize(
    ("column", "values", "wanted"),
    [
        (Column("a", "bit", length=1), [True, False, None], [1, 0, None]),
        (Column("a", "bit", length=9), ["AgE=", None], [258, None]),
        (Column("a", "date"), [-1, None], ["1969-12-31", None]),
        (Column("a", "datetime", scale=3), [1], ["1970-01-01 00:00:00.001"]),
        (Column("a", "datetime", scale=6), [1], ["1970-01-01 00:00:00.000001"]),
        (Column("a", "datetime"), [1000, 10], ["1970-01-01 00:00:01", "1970-01-01 00:00:00.01"]),
        (Column("a", "time", scale=0), [-3020399000000, 0], ["-838:59:59", "00:00:00"]),
        (Column("a", "timestamp"), ["2018-06-20T13:37:03.10Z"], ["2018-06-20 21:37:03.10"]),
        (Column("a", "timestamp"), ["0000-00-00 00:00:00"], ["0000-00-00 00:00:00"]),
        (Column("a", "float"), [], []),
        (Column("a", "double"), ["NaN", "-Infinity", 3], [pytest.approx(float("nan"), nan_ok=True), -math.inf, 3.0]),
    ],
)
def test_debezium_values_of_a_column(column: Column, values: list[Any], wanted: list[Any]) -> None:
    form = StoredForm(debezium=DebeziumReading(time_zone="Asia/Shanghai"))
    assert one_column(column, *values, form=form) == wanted


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column("a", "bit", length=1), 1),
        (Column("a", "bit", length=9), "AQ=="),
        (Column("a", "bit", length=9), "AAI="),
        (Column("a", "date"), 2932897),
        (Column("a", "date"), 2**40),
        (Column("a", "date"), "20260102"),
        (Column("a", "datetime", scale=0), 1),
        (Column("a", "datetime"), 2**62),
        (Column("a", "time"), 839 * 3600 * 10**6),
        (Column("a", "time"), -(2**63)),
        (Column("a", "timestamp"), 1),
        (Column("a", "timestamp"), "2018-02-30T13:37:03Z"),
        (Column("a", "timestamp"), "2018-06-20T13:37:03+01:00Z"),
        (Column("a", "float"), 1e300),
        (Column("a", "double"), "1.5"),
        (Column("a", "double"), True),
        (Column("a", "enum", elements=("x",)), 1),
        (Column("a", "set", elements=("x",)), "y"),
        (Column("a", "varchar"), 1),
    ],
)
def test_debezium_values_that_a_column_cannot_have_are_refused(column: Column, value: Any) -> None:
    with pytest.raises(RunFailed) as caught:
        one_column(column, None, value)
    assert caught.value.code == "debezium.value"
    assert caught.value.place is not None
    assert caught.value.place.position == "row 2"


def test_a_time_zone_that_is_not_known_is_invalid() -> None:
    with pytest.raises(PipelineInvalid, match="not known"):
        DebeziumReading(time_zone="Nowhere/At_All")
