"""Damaged canal-json files are refused with their row, after what is right."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from afterbay.errors import RunFailed
from afterbay.schema import Column
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.decoders.stored_rows import CHUNK_BYTES
from tests.support.batches import table

SMALL = table(Column("id", "int", primary_key=True), Column("b", "blob"), name="zoo.small")


def canal(**changed: Any) -> bytes:
    message: dict[str, Any] = {"id": 0, "database": "zoo", "table": "small", "pkNames": ["id"], "isDdl": False}
    message |= {"type": "UPDATE", "es": 1, "ts": 2, "sql": "", "sqlType": {}, "mysqlType": {}}
    message |= {"old": [{"id": "1"}], "data": [{"id": "2", "b": "\u00ff"}], "_tidb": {"commitTs": 9}}
    return json.dumps(message | changed).encode() + b"\r\n"


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
