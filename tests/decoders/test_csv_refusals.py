"""Damaged CSV files are refused with their row, after what is right; nothing is yielded silently wrong."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pyarrow as pa
import pytest

from afterbay.errors import PipelineInvalid, RunFailed
from afterbay.schema import Column, TableSchema
from afterbay_nodes.decoders.csv_form import CsvForm
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
