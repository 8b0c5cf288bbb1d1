"""Random small histories are clean; one damaged byte in any file is told.

Held against the log every damage is told but that of what nothing says twice: the times of canal-json lines, and how
the line of a file of one line ends. Alone, a store cannot tell a value from another: what `verify` passes over then,
the tests' own reader passes over as well, and the report says that rows and statements are not checkable. Of canal-json
it is a file that is another right one, as `tests/support/canal_damage.py` says it, but for that line end.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay_nodes.encoders.encode_canal_json import EncodeCanalJson
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.verify.report import Question
from tests.reader.bucket import read_bucket
from tests.reader.canal_rows import CanalForm
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.support import canal
from tests.support.canal_damage import is_another_line_end, is_another_right_file
from tests.verify.histories import FORMATS, TYPES, Encoder, Stored, run, stored_against_state, told, verified

_TIMES = re.compile(rb'"es":[0-9]+,"ts":[0-9]+')
_TEXTS = st.sampled_from([None, "", "a", "\\N", 'q"q', "l\r\ni", "ü😀", "x" * 40])


@st.composite
def histories(draw: st.DrawFn) -> list[bytes]:
    """Log lines: two tables, rows of every kind in transactions of several rows, DDLs between them."""
    lines = [canal.ddl(90, "CREATE DATABASE shop")] if draw(st.booleans()) else []
    lines.append(canal.ddl(100, "CREATE TABLE pets (id BIGINT PRIMARY KEY, name VARCHAR(20), age INT)", table="pets"))
    columns = ["id", "name", "age"]
    live: dict[str, dict[str, str | None]] = {}
    commit_ts = 101
    for number in range(draw(st.integers(1, 14))):
        commit_ts += draw(st.integers(0, 2))
        step = draw(st.sampled_from(["insert", "insert", "update", "delete", "cars", "ddl"]))
        if step == "cars":
            lines.append(canal.row("cars", commit_ts, {"id": str(number), "v": draw(_TEXTS)}))
        elif step == "ddl" and len(columns) < 5:
            commit_ts += 1
            name = f"more{number}"
            columns.append(name)
            lines.append(canal.ddl(commit_ts, f"ALTER TABLE pets ADD COLUMN {name} VARCHAR(9)", table="pets"))
            live = {key: {**row, name: None} for key, row in live.items()}
            commit_ts += 1
        elif step == "update" and live:
            key = draw(st.sampled_from(sorted(live)))
            old, live[key] = live[key], {**live[key], "name": draw(_TEXTS)}
            lines.append(canal.row("pets", commit_ts, live[key], old=old, types=types(columns)))
        elif step == "delete" and live:
            row = live.pop(draw(st.sampled_from(sorted(live))))
            lines.append(canal.row("pets", commit_ts, row, kind="DELETE", types=types(columns)))
        else:
            row = {name: draw(_TEXTS) for name in columns} | {
                "id": str(number),
                "age": draw(st.sampled_from([None, "7"])),
            }
            live[str(number)] = row
            lines.append(canal.row("pets", commit_ts, row, types=types(columns)))
    return [*lines, canal.watermark(commit_ts + draw(st.integers(0, 3)))]


def types(columns: Sequence[str]) -> dict[str, str]:
    return {name: TYPES.get(name, "varchar") for name in columns}


@contextmanager
def stores(lines: list[bytes], encoder: Encoder) -> Iterator[Stored]:
    """The store that the pipeline makes of the lines, in many files where it can."""
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        yield run(Path(folder), lines, encoder, file_size="1KiB")


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=8, deadline=None)
@given(lines=histories(), data=st.data())
def test_histories_are_clean_and_each_damage_is_told_with_the_log(
    name: str, lines: list[bytes], data: st.DataObject
) -> None:
    with stores(lines, FORMATS[name]) as stored:
        assert told(verified(stored.lake, stored.log)) == []
        assert told(stored_against_state(stored)) == []
        for key, at, byte in damages(stored, data, 12):
            path = stored.lake / key
            good = path.read_bytes()
            path.write_bytes(good[:at] + bytes([byte]) + good[at + 1 :])
            report = verified(stored.lake, stored.log)
            if report.is_clean:
                in_times = any(found.start() <= at < found.end() for found in _TIMES.finditer(good))
                assert in_times or is_another_line_end(good, path.read_bytes()), (key, at, byte)
                assert any("times" in it.what for it in report.unchecked)
            path.write_bytes(good)


@settings(max_examples=30, deadline=None)
@given(lines=histories(), with_old=st.booleans(), data=st.data())
def test_alone_it_sees_all_that_the_other_reader_sees(lines: list[bytes], with_old: bool, data: st.DataObject) -> None:
    """And no more than the report says is left open: values of rows, statements."""
    encoder = EncodeCsv(include_commit_ts=True, output_old_value=with_old)
    form = CsvDialect(commit_ts=True, old_value=with_old)
    with stores(lines, encoder) as stored:
        alone(stored, StoreShape("csv"), form, data)


CANAL_FORMS = {
    "plain": (EncodeCanalJson(), CanalForm()),
    "without commit-ts": (EncodeCanalJson(enable_tidb_extension=False), CanalForm(tidb_extension=False)),
    "changed columns": (EncodeCanalJson(content_compatible=True), CanalForm(only_updated_columns=True)),
}


@pytest.mark.parametrize("name", CANAL_FORMS)
@settings(max_examples=15, deadline=None)
@given(lines=histories(), data=st.data())
def test_alone_it_sees_as_much_of_canal_json(name: str, lines: list[bytes], data: st.DataObject) -> None:
    """A data file that passes with a damaged byte is another right one: `canal_damage` says what that is."""
    encoder, form = CANAL_FORMS[name]
    with stores(lines, encoder) as stored:
        alone(stored, StoreShape("json"), form, data)


def alone(stored: Stored, shape: StoreShape, form: CsvDialect | CanalForm, data: st.DataObject) -> None:
    for key, at, byte in damages(stored, data, 12):
        path = stored.lake / key
        good = path.read_bytes()
        path.write_bytes(good[:at] + bytes([byte]) + good[at + 1 :])
        report = verified(stored.lake)
        if report.is_clean:
            if isinstance(form, CanalForm) and is_another_line_end(good, path.read_bytes()):
                path.write_bytes(good)
                continue
            other = read_bucket(stored.lake, shape, form)
            assert other.findings == (), (key, at, byte)
            if isinstance(form, CanalForm) and key in stored.data_files():
                assert is_another_right_file(good, path.read_bytes()), (key, at, byte)
            assert not key.endswith(".index") or other.unindexed
            left = {it.what for it in report.unchecked}
            assert {Question.ROWS.value[0], Question.STATEMENTS.value[0]} <= left
        path.write_bytes(good)


def damages(stored: Stored, data: st.DataObject, count: int) -> Iterator[tuple[str, int, int]]:
    """(file, place, another byte) of some damages; metadata is left as it is: any lower checkpoint is right."""
    files = {key: content for key, content in stored.files().items() if content and key != "metadata"}
    keys = st.sampled_from(sorted(files))
    for _ in range(count):
        key = data.draw(keys)
        at = data.draw(st.integers(0, len(files[key]) - 1))
        near = st.sampled_from(sorted(set(b'0123456789,"\\IUD{}: \r\nx') - {files[key][at]}))
        byte = data.draw(near | st.integers(0, 255).filter(lambda byte, was=files[key][at]: byte != was))  # type: ignore[misc]
        yield key, at, byte
