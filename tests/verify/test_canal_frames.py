"""What stands around the values of canal-json lines is held against the protocol, byte by byte."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.schema import Column
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.verify.canal_frames import frame_fault
from tests.support import canal
from tests.support.batches import batch, encode, table
from tests.support.strategies import change_batches
from tests.verify.histories import run, told, verified

SCHEMA = table(
    Column("id", "bigint", nullable=False, primary_key=True),
    Column("n", "int", unsigned=True),
    Column("name", "varchar", length=16),
    Column("kind", "enum", elements=("a", "b,'c")),
    Column("year", "year"),
    name="zoo.pets",
)
ROWS = [(1, 2**31, "}],x", 1, 2026), (2, 5, '"mysqlType":{', 2, None), (3, None, None, None, 1999)]
GOOD = encode(EncodeCanalJson(), batch(SCHEMA, ROWS))
FULL = encode(EncodeCanalJson(content_compatible=True, terminator="\n"), batch(SCHEMA, ROWS))


def fault(data: bytes) -> tuple[int, str] | None:
    found = frame_fault(pa.py_buffer(data), SCHEMA, "f.json")
    return None if found is None else (found.row, found.message)


def test_good_lines_are_good() -> None:
    assert fault(GOOD) is None
    assert fault(FULL) is None
    assert fault(encode(EncodeCanalJson(enable_tidb_extension=False), batch(SCHEMA, ROWS))) is None


CASES: Mapping[str, tuple[bytes, bytes, str]] = {
    "an id": (b'"id":0', b'"id":1', "keys of this line"),
    "another key": (b'"isDdl"', b'"isDDL"', "keys of this line"),
    "a blank": (b'"es":', b'"es": ', "keys of this line"),
    "a statement": (b'"sql":""', b'"sql":"x"', "keys of this line"),
    "keys in another order": (b'"database":"zoo","table":"pets"', b'"table":"pets","database":"zoo"', "keys of this"),
    "another key column": (b'"pkNames":["id"]', b'"pkNames":["n"]', r"pkNames are \['n'\].*key \['id'\]"),
    "no key column": (b'"pkNames":["id"]', b'"pkNames":null', "pkNames are None"),
    "no such database": (b'"database":"zoo"', b'"database":"zoe"', "names of this line"),
    "another Java type": (b'"name":12', b'"name":13', "sqlType of column 'name' is 13, not 12"),
    "the Java type of a small value": (b'"n":-5', b'"n":4', "sqlType of column 'n' is 4, not -5"),
    "a type that is none": (b'"name":"varchar"', b'"name":"varchas"', "mysqlType of column 'name' is 'varchas'"),
    "a sign": (b'"int unsigned"', b'"int"', "mysqlType of column 'n' is 'int'"),
    "a width that is another": (b'"name":"varchar"', b'"name":"varchar(17)"', r"'varchar\(17\)'"),
    "a column too many": (b'"year":12}', b'"year":12,"x":4}', "do not have the columns"),
    "bytes that are no text": (b'"name":"varchar"', b'"name":"varch\xffr"', "cannot be read|'name'"),
    "no extension": (b'"_tidb"', b'"_tidc"', "keys of this line"),
    "a leading zero": (b'"commitTs":4', b'"commitTs":04', "keys of this line"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_as_the_protocol_writes_it(name: str) -> None:
    old, new, said = CASES[name]
    assert old in GOOD
    first = fault(GOOD.replace(old, new, 1))
    assert first is not None
    assert first[0] == 1
    assert re.search(said, first[1])


def test_types_stay_the_same_from_line_to_line() -> None:
    lines = FULL.splitlines(keepends=True)
    other = lines[1].replace(b'"varchar(16)"', b'"varchar"')
    assert fault(lines[0] + other) == (2, "mysqlType is not that of the lines before")
    without = lines[1].replace(lines[1][lines[1].index(b',"_tidb"') :], b"}\n")
    assert fault(lines[0] + without) == (2, "only some lines of the file have `_tidb`")
    large = GOOD.splitlines(keepends=True)[1].replace(b'"n":4', b'"n":-5')
    assert fault(large) == (1, "sqlType of column 'n' is -5, not 4")


def test_names_of_elements_are_those_of_the_schema_file() -> None:
    assert fault(FULL.replace(b"b,''c", b"b,''d", 1)) == (
        1,
        "mysqlType of column 'kind' is \"enum('a','b,''d')\", the schema file has enum",
    )


@settings(max_examples=60, deadline=None)
@given(found=change_batches(), full=st.booleans(), keys=st.booleans())
def test_whatever_the_encoder_writes_is_good(found: object, full: bool, keys: bool) -> None:
    node = EncodeCanalJson(content_compatible=full, delete_only_output_handle_key_columns=keys)
    data = encode(node, found)  # type: ignore[arg-type]
    assert frame_fault(pa.py_buffer(data), found.schema, "f.json") is None  # type: ignore[attr-defined]


def test_a_store_with_such_a_line(tmp_path: Path) -> None:
    stored = run(tmp_path, [canal.row("t", 5, {"id": "1", "v": "x"}), canal.watermark(6)], EncodeCanalJson())
    (key,) = stored.data_files()
    path = stored.lake / key
    path.write_bytes(path.read_bytes().replace(b'"isDdl":false', b'"isddl":false'))
    assert told(verified(stored.lake)) == [("canal.frame", key, 1)]
