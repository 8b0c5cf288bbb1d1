"""What stands around the values of canal-json lines is held against the protocol, byte by byte."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.errors import RunFailed
from afterbay.messages import ChangeBatch, Op
from afterbay.schema import Column, TableSchema
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.verify.canal_frames import CanalFrames
from afterbay_nodes.verify.fault import Fault
from tests.support import canal, canal_damage
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


def fault(data: bytes, schema: TableSchema = SCHEMA) -> tuple[int, str] | None:
    """(row, what is wrong) of the first fault in the file's lines."""
    file = pa.py_buffer(data)
    frames = CanalFrames(file, schema, "f.json")
    try:
        found = (frames.fault(rows) for rows in Decoders().rows(file, "json", schema, "f.json"))
        first = next((it for it in found if it is not None), None)
    except RunFailed as error:
        first = Fault.of_error(error, "f.json")
    return None if first is None else (first.row, first.message)


def test_good_lines_are_good() -> None:
    assert fault(GOOD) is None
    assert fault(FULL) is None
    assert fault(encode(EncodeCanalJson(enable_tidb_extension=False), batch(SCHEMA, ROWS))) is None
    assert fault(encode(EncodeCanalJson(), batch(SCHEMA, ROWS, commit_ms=[-5, 0, 7]))) is None


CASES: Mapping[str, tuple[bytes, bytes, str]] = {
    "an id": (b'"id":0', b'"id":1', "keys of this line"),
    "another key": (b'"isDdl"', b'"isDDL"', "unknown field `isDDL`"),
    "a blank": (b'"es":', b'"es": ', "keys of this line"),
    "a statement": (b'"sql":""', b'"sql":"x"', "keys of this line"),
    "keys in another order": (b'"database":"zoo","table":"pets"', b'"table":"pets","database":"zoo"', "keys of this"),
    "another key column": (b'"pkNames":["id"]', b'"pkNames":["n"]', r"pkNames are \['n'\].*key \['id'\]"),
    "no key column": (b'"pkNames":["id"]', b'"pkNames":null', "pkNames are None"),
    "no such database": (b'"database":"zoo"', b'"database":"zoe"', "'zoe.pets', the file of"),
    "another Java type": (b'"name":12', b'"name":13', "sqlType of column 'name' is 13, not 12"),
    "the Java type of a small value": (b'"n":-5', b'"n":4', "sqlType of column 'n' is 4, not -5"),
    "a type that is none": (b'"name":"varchar"', b'"name":"varchas"', "mysqlType of column 'name' is 'varchas'"),
    "a sign": (b'"int unsigned"', b'"int"', "mysqlType of column 'n' is 'int'"),
    "a width that is another": (b'"name":"varchar"', b'"name":"varchar(17)"', r"'varchar\(17\)'"),
    "a column too many": (b'"year":12}', b'"year":12,"x":4}', "do not have the columns"),
    "bytes that are no text": (b'"name":"varchar"', b'"name":"varch\xffr"', "`sqlType` or `mysqlType` is none"),
    "no extension": (b'"_tidb"', b'"_tidc"', "unknown field `_tidc`"),
    "no commit-ts in the extension": (b'"commitTs"', b'"commitTz"', "missing required field `commitTs`"),
    "a key twice": (b'"es":', b'"ts":', "missing required field `es`"),
    "a column twice": (b'"name":"}],x"', b'"name":"","name":"}],x"', "'name' is there twice"),
    "a column in another order": (b'"id":"1","n":"2147483648"', b'"n":"2147483648","id":"1"', "images are not written"),
    "another escape": (b'"name":"}],x"', b'"name":"}],\\u0078"', "images are not written"),
    "an escape in a type": (b'"name":"varchar"', b'"name":"v\\u0061rchar"', "not written as the protocol"),
    "an escape in a name": (b'"table":"pets"', b'"table":"p\\u0065ts"', "names of this line"),
    "a zero before a number": (b'"id":"1"', b'"id":"01"', r'images.*"id":"01".*make.*"id":"1"'),
    "a blank behind the images": (b'"_tidb":{', b'"_tidb": {', "images are not written"),
    "a time of 64 bits": (b'"ts":', b'"ts":9999999999', "Unix milliseconds"),
    "a leading zero": (b'"commitTs":4', b'"commitTs":04', "not a canal-json row"),
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
    assert fault(lines[0] + without) == (
        2,
        "`_tidb.commitTs` is None; it is to be a 64-bit number, as in the lines before",
    )
    large = GOOD.splitlines(keepends=True)[1].replace(b'"n":4', b'"n":-5')
    assert fault(large) == (1, "sqlType of column 'n' is -5, not 4")


def test_a_writers_option_holds_for_all_lines_of_a_file() -> None:
    """Only changed columns in `old`, only the key in deletes: either way is right, both in one file are not."""
    changes = batch(
        SCHEMA,
        [ROWS[1], ROWS[1], ROWS[2]],
        ops=[Op.UPDATE, Op.DELETE, Op.DELETE],
        before=[(2, 4, "x", 2, 5), *ROWS[1:]],
    )
    whole = encode(EncodeCanalJson(), changes).splitlines(keepends=True)
    changed = encode(EncodeCanalJson(only_output_updated_columns=True), changes).splitlines(keepends=True)
    keys = encode(EncodeCanalJson(delete_only_output_handle_key_columns=True), changes).splitlines(keepends=True)
    assert changed[0] != whole[0]
    assert keys[1] != whole[1]
    for right in (whole, changed, keys, [changed[0], *keys[1:]], [whole[0], *keys[1:]]):
        assert fault(b"".join(right)) is None
    mixed = fault(whole[0] + changed[0])
    assert mixed is not None
    assert mixed[0] == 2
    mixed = fault(whole[1] + keys[2])
    assert mixed is not None
    assert mixed[0] == 2


def test_es_is_the_time_of_the_tso_in_all_lines_or_in_none() -> None:
    first, second, *_ = GOOD.splitlines(keepends=True)
    es = re.search(rb'"es":([0-9]+)', second)
    assert es is not None
    assert fault(first + second.replace(es[0], es[0][:-1] + bytes([es[0][-1] ^ 1]))) == (
        2,
        "`es` is the time of the commit-ts in some lines of the file only",
    )


def test_a_flipped_bit_is_told_unless_the_line_is_another_right_one() -> None:
    """What goes unseen is named by `canal_damage`, which shares no code with what sees it."""
    changes = batch(
        SCHEMA, [ROWS[1], ROWS[2]], ops=[Op.UPDATE, Op.DELETE], before=[ROWS[0], ROWS[2]], commit_ts=[2**60, 2**60 + 1]
    )
    by_key = EncodeCanalJson(delete_only_output_handle_key_columns=True, enable_tidb_extension=False)
    for form in (EncodeCanalJson(), EncodeCanalJson(content_compatible=True, terminator="\n"), by_key):
        good = encode(form, changes)
        unseen = 0
        for at in range(len(good)):
            for bit in (0, 1, 2, 5) if form == EncodeCanalJson() else (0, 5):
                bad = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
                if fault(bad) is None:
                    assert canal_damage.is_another_right_file(good, bad), (at, bad[max(0, at - 20) : at + 20])
                    unseen += 1
        assert 0 < unseen < len(good) // 2


def test_names_of_elements_are_those_of_the_schema_file() -> None:
    assert fault(FULL.replace(b"b,''c", b"b,''d", 1)) == (
        1,
        "mysqlType of column 'kind' is \"enum('a','b,''d')\", the schema file has enum",
    )


@settings(max_examples=60, deadline=None)
@given(found=change_batches(), full=st.booleans(), keys=st.booleans(), changed=st.booleans())
def test_whatever_the_encoder_writes_is_good(found: ChangeBatch, full: bool, keys: bool, changed: bool) -> None:
    node = EncodeCanalJson(
        content_compatible=full, delete_only_output_handle_key_columns=keys, only_output_updated_columns=changed
    )
    assert fault(encode(node, found), found.schema) is None


def test_a_store_with_such_a_line(tmp_path: Path) -> None:
    stored = run(tmp_path, [canal.row("t", 5, {"id": "1", "v": "x"}), canal.watermark(6)], EncodeCanalJson())
    (key,) = stored.data_files()
    path = stored.lake / key
    path.write_bytes(path.read_bytes().replace(b'"sql":""', b'"sql":" "'))
    assert told(verified(stored.lake)) == [("canal.frame", key, 1)]
