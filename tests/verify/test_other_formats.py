"""Parquet, Avro and Debezium JSON: a good store is clean, and each kind of damage is told with the file that has it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from afterbay_nodes.encoders.encode_avro import EncodeAvro
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from afterbay_nodes.encoders.encode_parquet import EncodeParquet
from afterbay_nodes.verify.file_check import UNTOLD
from tests.verify.histories import Encoder, Stored, run, stored_against_state, told, two_versions, verified

FORMATS: Mapping[str, Encoder] = {
    "parquet": EncodeParquet(output_old_value=True),
    "avro": EncodeAvro(output_old_value=True),
    "debezium": EncodeDebeziumJson(),
    "debezium in a payload": EncodeDebeziumJson(envelope="payload", terminator="\n"),
}
DEBEZIUM = [name for name in FORMATS if name.startswith("debezium")]


_UNTOLD = re.compile(rb'"(version|name)":"(?:[^"\\\\]|\\\\.)*","|"ts_ms":[0-9]+')


def without_untold(data: bytes) -> bytes:
    """Lines without what the report says is not checkable."""
    return _UNTOLD.sub(lambda found: found[1] or b"", data)


def in_two_files(folder: Path, name: str) -> Stored:
    """`shop.pets` at its first version has two files, of two runs."""
    lines = two_versions()
    run(folder, lines[:5], FORMATS[name])
    return run(folder, lines, FORMATS[name])


@pytest.fixture(params=FORMATS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stored(name: str, tmp_path: Path) -> Stored:
    return in_two_files(tmp_path, name)


def pets(stored: Stored) -> tuple[str, str]:
    """The keys of the two files."""
    first, second = (key for key in stored.data_files() if key.startswith("shop/pets/1000/"))
    return first, second


def edit(stored: Stored, key: str, change: Callable[[bytes], bytes]) -> None:
    path = stored.lake / key
    path.write_bytes(change(path.read_bytes()))


def test_a_good_store_is_clean(stored: Stored, name: str) -> None:
    report = verified(stored.lake)
    assert told(report) == []
    counts = {str(table): (it.inserts, it.updates, it.deletes) for table, it in report.tables.items()}
    assert counts == {"shop.cars": (1, 0, 0), "shop.pets": (4, 1, 1)}
    assert told(verified(stored.lake, stored.log)) == []
    assert told(stored_against_state(stored)) == []
    untold = [it.what for it in report.unchecked if it.what in UNTOLD.values()]
    assert untold == ([UNTOLD["debezium-json"]] if name in DEBEZIUM else [])


def test_a_missing_file(stored: Stored) -> None:
    first, second = pets(stored)
    index = f"{second.rpartition('/')[0]}/meta/CDC.index"
    content = (stored.lake / second).read_bytes()
    (stored.lake / second).unlink()
    assert told(verified(stored.lake)) == [("index.without_file", index, 0)]
    (stored.lake / second).write_bytes(content)
    (stored.lake / first).unlink()
    assert told(verified(stored.lake)) == [("number.gap", f"{first.rpartition('/')[0]}/CDC", 0)]


def test_a_missing_index(stored: Stored) -> None:
    _, second = pets(stored)
    index = f"{second.rpartition('/')[0]}/meta/CDC.index"
    (stored.lake / index).unlink()
    assert ("index.behind", index, 0) in told(verified(stored.lake))


def test_a_wrong_number(stored: Stored) -> None:
    _, second = pets(stored)
    folder, _, base = second.rpartition("/")
    (stored.lake / second).rename(stored.lake / folder / base.replace("2.", "3."))
    (stored.lake / folder / "meta" / "CDC.index").write_text(base.replace("2.", "3.") + "\n")
    assert told(verified(stored.lake)) == [("number.gap", f"{folder}/CDC", 0)]


@pytest.mark.parametrize("left", [1, 0.5, -1, -2])
def test_a_file_that_is_cut_off(stored: Stored, left: float) -> None:
    first, _ = pets(stored)
    edit(stored, first, lambda data: data[: int(len(data) * left) if isinstance(left, float) else left])
    ((code, key, _),) = told(verified(stored.lake))
    assert key == first
    assert code in {"parquet.damaged", "avro.damaged", "debezium.torn", "debezium.line", "canal.torn"}


def test_an_empty_file_where_rows_were_is_told_by_state_and_log(stored: Stored) -> None:
    """Alone it is a fence: such a file is legal."""
    first, _ = pets(stored)
    edit(stored, first, lambda _: b"")
    assert told(verified(stored.lake)) == []
    assert told(verified(stored.lake, stored.log)) != []
    assert told(stored_against_state(stored)) != []


def test_a_file_of_another_table(stored: Stored) -> None:
    first, _ = pets(stored)
    (cars,) = (key for key in stored.data_files() if key.startswith("shop/cars/"))
    edit(stored, first, lambda _: (stored.lake / cars).read_bytes())
    ((code, key, _),) = told(verified(stored.lake))
    assert key == first
    assert code in {"parquet.columns", "avro.columns", "debezium.names"}


def turned(name: str, data: bytes) -> bytes:
    """The file with its rows the other way round, else as it was."""
    if name == "parquet":
        table = pq.read_table(pa.BufferReader(data))
        sink = pa.BufferOutputStream()
        pq.write_table(table.take(pa.array(range(table.num_rows - 1, -1, -1))), sink)
        return sink.getvalue().to_pybytes()
    if name == "avro":
        reader = fastavro.reader(io.BytesIO(data))
        rows = list(reader)
        out = io.BytesIO()
        fastavro.writer(out, reader.writer_schema, rows[::-1])
        return out.getvalue()
    return b"".join(data.splitlines(keepends=True)[::-1])


def test_rows_out_of_order(tmp_path: Path, name: str) -> None:
    stored = run(tmp_path, two_versions(), FORMATS[name])
    (first,) = (key for key in stored.data_files() if key.startswith("shop/pets/1000/"))
    edit(stored, first, lambda data: turned(name, data))
    assert told(verified(stored.lake)) == [("commit_ts.order", first, 2)]


def test_files_that_changed_places(stored: Stored) -> None:
    first, second = pets(stored)
    was = (stored.lake / first).read_bytes()
    edit(stored, first, lambda _: (stored.lake / second).read_bytes())
    edit(stored, second, lambda _: was)
    assert ("commit_ts.order", second, 1) in told(verified(stored.lake))


def test_a_flipped_byte_of_a_parquet_page(tmp_path: Path) -> None:
    """Each page has a checksum: the last byte of each column's pages is looked at."""
    stored = in_two_files(tmp_path, "parquet")
    first, _ = pets(stored)
    good = (stored.lake / first).read_bytes()
    group = pq.read_metadata(pa.BufferReader(good)).row_group(0)
    for number in range(group.num_columns):
        column = group.column(number)
        start = column.dictionary_page_offset or column.data_page_offset
        end = start + column.total_compressed_size - 1
        (stored.lake / first).write_bytes(good[:end] + bytes([good[end] ^ 1]) + good[end + 1 :])
        ((code, key, _),) = told(verified(stored.lake))
        assert (code, key) == ("parquet.damaged", first)


@pytest.mark.parametrize("start", range(3))
@pytest.mark.parametrize("name", ["avro", *DEBEZIUM])
def test_a_flipped_byte_is_told_with_the_log_or_leaves_all_values(name: str, start: int, tmp_path: Path) -> None:
    """Clean against the log means that each row is what it was. Of Debezium JSON the rest is told as well."""
    stored = in_two_files(tmp_path, name)
    for key in stored.data_files():
        good = (stored.lake / key).read_bytes()
        for number, at in enumerate(range(start, len(good), 41)):
            bad = good[:at] + bytes([good[at] ^ 1 << number % 8]) + good[at + 1 :]
            (stored.lake / key).write_bytes(bad)
            report = verified(stored.lake, stored.log)
            assert {fault.key for fault in report.faults} <= {key}
            if report.is_clean and name in DEBEZIUM:
                assert without_untold(bad) == without_untold(good), (key, at, bad[at])
        (stored.lake / key).write_bytes(good)
