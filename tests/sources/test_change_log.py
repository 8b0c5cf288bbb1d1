"""The change log: promises, repeats, resuming, files, and lines that are refused."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from afterbay.errors import AfterbayError, EnvironmentRefused, RunFailed
from afterbay.messages import Op, SchemaChange, TableChange
from afterbay.node import ResumePoint, Until
from afterbay.schema import RowPosition
from afterbay_nodes.sources import log_files, log_player, log_reader
from afterbay_nodes.sources.change_log import ChangeLog
from tests.support.canal import ddl, ids, row, watermark, write
from tests.support.nasty_log import nasty_log
from tests.support.outlet import RecordingOutlet, Row, record, schemas_at

CREATE = "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(10))"


@pytest.fixture
def every_watermark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small reads and a promise at each watermark that ends one, so that few lines show what many would."""
    monkeypatch.setattr(log_player, "SETTLE_BYTES", 1)
    monkeypatch.setattr(log_reader, "BLOCK", 256)


def play(path: Path, **options: object) -> RecordingOutlet:
    return record(ChangeLog.model_validate({"path": str(path), **options}))


def stamps(outlet: RecordingOutlet) -> list[tuple[int, int]]:
    return [(row.stamp.commit_ts, row.stamp.ordinal) for row in outlet.rows]


def one(commit_ts: int, number: int, table: str = "t", partition: int | None = None) -> bytes:
    return row(table, commit_ts, {"id": str(number), "v": "x"}, partition=partition)


# -- rows


def test_rows_become_batches_with_images_operations_and_ordinals(tmp_path: Path) -> None:
    log = write(
        tmp_path / "log",
        ddl(5, CREATE),
        row("t", 10, {"id": "1", "v": "a"}),
        row("t", 10, {"id": "2", "v": None}),
        row("t", 11, {"id": "1", "v": "b"}, old={"v": "a"}),
        row("t", 12, {"id": "2", "v": None}, kind="DELETE"),
        watermark(12),
    )
    first, second, third, fourth = play(log).rows
    assert first == Row("shop.t", 5, Op.INSERT, RowPosition(10, 0), {"id": 1, "v": "a"}, None)
    assert second.stamp == RowPosition(10, 1)
    assert second.values == {"id": 2, "v": None}
    assert (third.op, third.values, third.before) == (Op.UPDATE, {"id": 1, "v": "b"}, {"id": 1, "v": "a"})
    assert (fourth.op, fourth.values) == (Op.DELETE, {"id": 2, "v": None})


def test_an_update_of_the_key_is_split_in_place(tmp_path: Path) -> None:
    update = row("t", 10, {"id": "2", "v": "a"}, old={"id": "1", "v": "a"})
    log = write(tmp_path / "log", one(10, 1), update, one(10, 3))
    assert [(r.op, r.values["id"], r.stamp.ordinal) for r in play(log).rows] == [
        (Op.INSERT, 1, 0),
        (Op.DELETE, 1, 1),
        (Op.INSERT, 2, 2),
        (Op.INSERT, 3, 3),
    ]
    whole = play(log, output_raw_change_event=True).rows
    assert [(r.op, r.stamp.ordinal) for r in whole] == [(Op.INSERT, 0), (Op.UPDATE, 1), (Op.INSERT, 2)]


def test_values_of_every_type_arrive_as_their_arrow_type(tmp_path: Path) -> None:
    values = {
        "id": ("bigint unsigned", "18446744073709551615", 2**64 - 1),
        "tiny": ("tinyint", "-128", -128),
        "zero": ("int unsigned zerofill", "00042", 42),
        "f": ("float", "1.5", 1.5),
        "d": ("double", "-1e-7", -1e-7),
        "dec": ("decimal(10,2)", "-12.30", "-12.30"),
        "bits": ("bit", "65", 65),
        "y": ("year", "2024", 2024),
        "day": ("date", "0000-00-00", "0000-00-00"),
        "at": ("datetime", "2024-02-29 23:59:59.999999", "2024-02-29 23:59:59.999999"),
        "t": ("time", "-838:59:59", "-838:59:59"),
        "raw": ("varbinary", "\x00\xff\n", b"\x00\xff\n"),
        "e": ("enum('a','b')", "2", 2),
        "s": ("set('a','b')", "3", 3),
        "doc": ("json", '{"a": "é"}', '{"a": "é"}'),
        "text": ("varchar(16)", "🌊\\N", "🌊\\N"),
    }
    line = row("t", 10, {n: v[1] for n, v in values.items()}, types={n: v[0] for n, v in values.items()})
    (found,) = play(write(tmp_path / "log", line)).rows
    assert found.values == {name: value[2] for name, value in values.items()}


@pytest.mark.parametrize(("text", "value"), [("NaN", "nan"), ("+Inf", "inf"), ("-Inf", "-inf")])
def test_a_float_may_say_that_it_is_no_number(tmp_path: Path, text: str, value: str) -> None:
    line = row("t", 10, {"f": text, "d": text}, types={"f": "float", "d": "double"}, key=[])
    (found,) = play(write(tmp_path / "log", line)).rows
    assert [str(number) for number in found.values.values()] == [value, value]


@pytest.mark.parametrize("text", ["1e999", "-1e999", "inf", "Infinity", "nan", "NaN(1)", ""])
def test_a_number_out_of_range_does_not_become_infinite(tmp_path: Path, text: str) -> None:
    line = row("t", 10, {"d": text}, types={"d": "double"}, key=[])
    with pytest.raises(RunFailed, match=r"\[change_log.value\]"):
        play(write(tmp_path / "log", line))


def test_a_table_that_no_ddl_made_is_announced_in_the_order_of_its_first_row(tmp_path: Path) -> None:
    line = row("t", 10, {"v": "x", "id": "1"}, types={"id": "int unsigned", "v": "varchar"})
    (told,) = play(write(tmp_path / "log", watermark(9), line)).announced
    assert told.dispatcher == "shop.t"
    assert told.schema.version == 9
    assert [(c.name, c.type, c.unsigned, c.primary_key) for c in told.schema.columns] == [
        ("v", "varchar", False, False),
        ("id", "int", True, True),
    ]


def test_a_hostile_table_name_is_only_a_name(tmp_path: Path) -> None:
    outlet = play(write(tmp_path / "log", one(10, 1, "../../etc"), one(11, 1, "a.b"), one(12, 1, "..")))
    dispatchers = [r.dispatcher for r in outlet.rows]
    assert dispatchers == ["shop.%2E%2E%2F%2E%2E%2Fetc", "shop.a%2Eb", "shop.%2E%2E"]
    assert outlet.batches[0].schema.name == ("shop", "../../etc")


# -- promises and repeats


@pytest.mark.usefixtures("every_watermark")
def test_a_promise_comes_only_from_a_watermark_or_the_end(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1), one(11, 2), watermark(10), one(12, 3), one(13, 4))
    assert [point.commit_ts for point in play(log).promises] == [10, 13]


@pytest.mark.usefixtures("every_watermark")
def test_a_stopped_run_promises_no_more_than_its_last_watermark(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10), *(one(11 + n, n) for n in range(9)))
    outlet = record(ChangeLog(path=str(log)), stop_after=1)
    assert [point.commit_ts for point in outlet.promises] == [10]


def test_rows_at_or_below_the_watermark_are_repeats(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10), one(10, 1), one(9, 0), one(11, 2))
    outlet = play(log)
    assert stamps(outlet) == [(10, 0), (11, 0)]
    assert outlet.repeats == 2


def test_after_a_rewind_rows_at_the_last_commit_ts_are_told_apart_by_ordinal(tmp_path: Path) -> None:
    again = [one(10, 1), one(11, 2), one(11, 3)]
    outlet = play(write(tmp_path / "log", *again, *again, one(11, 4), one(12, 5)))
    assert stamps(outlet) == [(10, 0), (11, 0), (11, 1), (11, 2), (12, 0)]
    assert [r.values["id"] for r in outlet.rows] == [1, 2, 3, 4, 5]
    assert outlet.repeats == 3


def test_tables_are_rewound_on_their_own(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1, "a"), one(20, 2, "a"), one(15, 1, "b"), one(10, 1, "a"), one(16, 2, "b"))
    outlet = play(log)
    assert [(r.dispatcher, r.stamp.commit_ts) for r in outlet.rows if r.dispatcher == "shop.b"] == [
        ("shop.b", 15),
        ("shop.b", 16),
    ]
    assert outlet.repeats == 1


def test_a_ddl_sent_twice_is_applied_once(tmp_path: Path) -> None:
    alter = ddl(20, "ALTER TABLE t ADD COLUMN w INT")
    log = write(tmp_path / "log", ddl(5, CREATE), one(10, 1), alter, alter, watermark(20), alter, ddl(5, CREATE))
    assert [change.commit_ts for change in play(log).ddls] == [5, 20]


def test_repeats_are_refused_on_request(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10), one(10, 1))
    with pytest.raises(RunFailed, match=r"log:3.*\[change_log\.repeat\]"):
        play(log, on_repeat="error")


def test_a_ddl_below_rows_of_its_table_that_were_sent_is_refused(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1), one(30, 2), ddl(20, "ALTER TABLE t ADD COLUMN w INT"))
    with pytest.raises(RunFailed, match=r"log:3.*change_log\.order"):
        play(log)


# -- resuming


def created(table: TableChange) -> TableChange:
    """A table made under a name that was used before is graph-wide, but not if the use was before the resume."""
    return table if table.before is not None else replace(table, dispatcher_before=None)


def everything(outlet: RecordingOutlet, above: int = -1) -> list[object]:
    rows = [r for r in outlet.rows if r.stamp.commit_ts > above]
    rows.sort(key=lambda r: (r.dispatcher, r.stamp))
    ddls = [replace(change, tables=tuple(map(created, change.tables))) for change in outlet.ddls]
    ddls = [change for change in ddls if change.commit_ts > above]
    return [*rows, *sorted(ddls, key=lambda change: (change.commit_ts, change.query))]


@pytest.mark.usefixtures("every_watermark")
def test_resumed_at_any_promise_of_a_nasty_log_it_sends_exactly_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "BLOCK", 4096)
    source = ChangeLog(path=nasty_log(1_500).write_parts(tmp_path))
    whole = record(source)
    assert len(whole.promises) > 10
    for point in whole.promises[::2]:
        rest = record(source, resume=point, schemas=schemas_at(whole, point))
        assert everything(rest) == everything(whole, above=point.commit_ts)


REFUSED = ("change_log.order", "change_log.column", "change_log.exchange", "change_log.partition")
DDLS = (
    "ALTER TABLE {} ADD INDEX (v)",
    "ALTER TABLE a EXCHANGE PARTITION p WITH TABLE c",
    "CREATE TABLE d (id BIGINT); CREATE TABLE e (id BIGINT)",
    "ALTER TABLE {} DO SOMETHING NEW",
    "ALTER TABLE {} MODIFY v TEXT",
    "CREATE TABLE {} (id BIGINT PRIMARY KEY, v VARCHAR(9))",
    "CREATE TABLE {} SELECT 1",
    "DROP TABLE {}",
    "RENAME TABLE {} TO c",
    "RENAME TABLE a TO c, b TO a, c TO b",
    "TRUNCATE TABLE {}",
    "DROP DATABASE shop",
    "SOMETHING ELSE",
)
small_logs = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(("row", "row", "row", "watermark")), st.sampled_from(DDLS)),
        st.sampled_from(("a", "b", "c", "p1", "p2")),
        st.sampled_from((0, 1, 2, -1, -3)),
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(small_logs)
@pytest.mark.usefixtures("every_watermark")
def test_resumed_at_any_promise_of_any_log_it_sends_exactly_the_rest(
    tmp_path: Path, steps: list[tuple[str, str, int]]
) -> None:
    """Rows of three tables and their partitions, out of step, rewound and repeated, above and below the watermarks; any
    DDL in between.
    """
    lines, now, applied = [], 10, []
    for number, (kind, (table, *part), step) in enumerate(steps):
        now = max(1, now + step)
        match kind:
            case "row":
                lines.append(one(10 * now, number, table, int(part[0]) if part else None))
            case "watermark":
                lines.append(watermark(10 * now))
            case sql if step >= 0 or not applied:
                # A DDL stands behind all that is below it.
                now = max([now, *(ts // 10 + 1 for ts, _ in applied)])
                told = [ids("p", 80, 1, 2)] if table == "p" and "{}" in sql else []
                applied.append((10 * now + 5, ddl(10 * now + 5, sql.format(table), tables=told)))
                lines.append(applied[-1][1])
            case _:
                lines.append(applied[step][1] if len(applied) >= -step else applied[-1][1])
    source = ChangeLog(path=str(write(tmp_path / "log", *lines)))
    try:
        whole = record(source)
    except RunFailed as failure:
        assert failure.code in REFUSED  # noqa: PT017 - others are no reason to skip
        reject()
    for point in whole.promises:
        rest = record(source, resume=point, schemas=schemas_at(whole, point))
        assert everything(rest) == everything(whole, above=point.commit_ts)


@pytest.mark.usefixtures("every_watermark")
def test_rows_above_a_watermark_that_stand_before_it_are_read_again(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1), one(30, 2), one(15, 3, "u"), watermark(20), one(31, 4))
    whole = play(log)
    point = next(point for point in whole.promises if point.commit_ts == 20)
    rest = record(ChangeLog(path=str(log)), resume=point, schemas=schemas_at(whole, point))
    assert stamps(rest) == [(30, 0), (31, 0)]


@pytest.mark.usefixtures("every_watermark")
def test_reading_again_up_to_the_checkpoint_is_no_repeat_of_the_log(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(30, 2), one(15, 3, "u"), watermark(20), one(31, 4))
    whole = play(log, on_repeat="error")
    point = whole.promises[0]
    source = ChangeLog(path=str(log), on_repeat="error")
    assert stamps(record(source, resume=point, schemas=schemas_at(whole, point))) == [(30, 0), (31, 0)]


@pytest.mark.usefixtures("every_watermark")
def test_a_file_that_changed_or_went_is_refused_and_one_that_grew_is_read_on(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10), one(11, 2))
    whole = play(log)
    point = whole.promises[-1]
    with log.open("ab") as file:
        file.write(one(12, 3) + b"\n")
    rest = record(ChangeLog(path=str(log)), resume=point, schemas=whole.schemas)
    assert stamps(rest) == [(12, 0)]
    write(log, one(10, 1), watermark(10), one(11, 9))
    with pytest.raises(RunFailed, match=r"change_log\.cursor.*was changed"):
        record(ChangeLog(path=str(log)), resume=point, schemas=whole.schemas)
    log.rename(tmp_path / "log2")
    write(tmp_path / "log3", one(13, 4))
    with pytest.raises(AfterbayError, match=r"change_log\.cursor.*no longer"):
        record(ChangeLog(path=str(tmp_path / "log*")), resume=point, schemas=whole.schemas)


def test_a_moved_file_is_known_by_the_line_before_the_position_and_by_nothing_less(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10), one(11, 2))
    schemas = play(log).schemas
    point = ResumePoint(10, log_reader.Mark(str(log), *_behind(log, 2)).to_cursor())
    start = ResumePoint(9, log_reader.Mark(str(log), 0, 1, b"", 0).to_cursor())
    (tmp_path / "sub").mkdir()
    moved = ChangeLog(path=str(log.rename(tmp_path / "sub" / "log")))
    assert stamps(record(moved, resume=point, schemas=schemas)) == [(11, 0)]
    with pytest.raises(RunFailed, match=r"change_log\.cursor.*no longer"):
        record(moved, resume=start, schemas=schemas)  # at the start of a file no line tells it from another


def grown(log: Path, *lines: bytes) -> Path:
    """The log with these lines behind."""
    with log.open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))
    return log


@pytest.mark.parametrize(
    ("line", "ts"),
    [
        (one(100, 9), 100),
        (one(100, 2, "u"), 100),
        (one(50, 3, "w"), 50),
        (ddl(100, "ALTER TABLE t ADD COLUMN w INT"), 100),
    ],
    ids=["the rest of a transaction", "its other table", "another partition's row", "a ddl"],
)
def test_what_is_appended_at_or_below_the_promise_of_an_end_is_no_repeat(tmp_path: Path, line: bytes, ts: int) -> None:
    log = write(tmp_path / "log", watermark(40), one(100, 1))
    first = play(log)
    assert first.promises[-1].commit_ts == 100
    grown(log, line, one(101, 4))
    point = first.promises[-1]
    with pytest.raises(RunFailed, match=rf"log:3.*\[change_log\.late\].* {ts} .*promised 100") as caught:
        record(ChangeLog(path=str(log)), resume=point, schemas=first.schemas)
    assert "TIDB_WATERMARK" in (caught.value.diagnostics[0].hint or "")
    aside = ChangeLog(path=str(log), on_bad_line="reject", rejects=str(tmp_path / "rejects"))
    rest = record(aside, resume=point, schemas=first.schemas)
    assert (stamps(rest), rest.repeats) == ([(101, 0)], 0)
    assert json.loads((tmp_path / "rejects").read_text())["text"].encode() == line


def test_below_the_last_watermark_what_is_appended_is_a_repeat_also_behind_an_end(tmp_path: Path) -> None:
    log = write(tmp_path / "log", watermark(40), one(100, 1))
    first = play(log)
    grown(log, one(40, 1, "u"), watermark(60), one(60, 1, "u"), one(101, 2))
    second = record(ChangeLog(path=str(log)), resume=first.promises[-1], schemas=first.schemas)
    assert (stamps(second), second.repeats) == ([(101, 0)], 2)
    grown(log, one(60, 3, "u"), one(61, 4, "u"))
    with pytest.raises(RunFailed, match=r"log:8.*change_log\.late"):
        record(ChangeLog(path=str(log)), resume=second.promises[-1], schemas=second.schemas)


def test_an_end_that_a_watermark_covers_and_a_cursor_of_before_promise_as_ever(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(100, 1), watermark(100))
    first = play(log)
    assert "watermark" not in first.promises[-1].cursor
    grown(log, one(100, 1), one(101, 2))
    rest = record(ChangeLog(path=str(log)), resume=first.promises[-1], schemas=first.schemas)
    assert (stamps(rest), rest.repeats) == ([(101, 0)], 1)


def test_a_stream_cannot_tell_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = play(write(tmp_path / "log", one(100, 1)))
    again = write(tmp_path / "again", one(100, 1), one(50, 1, "u"), one(101, 2))
    with again.open("rb") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        outlet = record(ChangeLog(path="-"), resume=first.promises[-1], schemas=first.schemas)
    assert (stamps(outlet), outlet.repeats) == ([(101, 0)], 2)
    assert caplog.text.count("only the end of an earlier stream promised that") == 1


def test_half_a_line_at_the_end_waits_for_its_rest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = write(tmp_path / "log.1", one(10, 1), watermark(10))
    rejects = tmp_path / "rejects"
    source = ChangeLog(path=str(tmp_path / "log.*"), on_bad_line="reject", rejects=str(rejects))
    with log.open("ab") as file:
        file.write(one(11, 2)[:50])
    first = record(source)
    assert "log.1:3: the last line is not whole" in caplog.text
    with log.open("ab") as file:
        file.write(one(11, 2)[50:] + b"\n" + one(12, 3)[:50])
    second = record(source, resume=first.promises[-1], schemas=first.schemas)
    assert stamps(second) == [(11, 0)]
    assert not rejects.exists()
    write(tmp_path / "log.2", one(13, 4))
    third = record(source, resume=second.promises[-1], schemas=second.schemas)
    assert stamps(third) == [(13, 0)]
    assert json.loads(rejects.read_text())["place"] == f"{log}:4", "the next file is there: it has ended"


def test_a_cursor_of_another_source_is_refused(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1))
    with pytest.raises(RunFailed, match=r"change_log\.cursor"):
        record(ChangeLog(path=str(log)), resume=ResumePoint(3, {"stride": 1}))


# -- files


def test_files_are_read_in_name_order_whatever_their_compression(tmp_path: Path) -> None:
    lines = [one(10 + n, n) + b"\n" for n in range(3)]
    (tmp_path / "log.2").write_bytes(gzip.compress(lines[1][:40]) + gzip.compress(lines[1][40:]))
    (tmp_path / "log.3").write_bytes(lines[2])
    (tmp_path / "log.1").write_bytes(lines[0])
    outlet = record(ChangeLog(path=str(tmp_path / "log.*")))
    assert stamps(outlet) == [(10, 0), (11, 0), (12, 0)]
    assert outlet.promises[-1].cursor["file"] == str(tmp_path / "log.3")


def test_a_log_compressed_since_is_resumed_at_the_same_place(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10), one(11, 2))
    point = ResumePoint(10, log_reader.Mark(str(log), *_behind(log, 2)).to_cursor())
    log.write_bytes(gzip.compress(log.read_bytes()))
    schemas = play(log).schemas
    assert stamps(record(ChangeLog(path=str(log)), resume=point, schemas=schemas)) == [(11, 0)]


def _behind(log: Path, count: int) -> tuple[int, int, bytes, int]:
    lines = log.read_bytes().split(b"\n")[:count]
    return sum(map(len, lines)) + count, count + 1, lines[-1], len(lines[-1]) + 1


@pytest.mark.usefixtures("every_watermark")
@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_nothing_of_a_damaged_compressed_file_is_sent(tmp_path: Path, kind: str) -> None:
    """The damage is in a value, near the end: only the checksum behind it can tell (I7)."""
    log = tmp_path / "log"
    text = b"".join(row("t", ts, {"id": "1", "v": f"v{ts}"}) + b"\n" + watermark(ts) + b"\n" for ts in range(10, 60))
    packed = bytearray(gzip.compress(text, 0) if kind == "gzip" else stored_zstd(text))
    packed[packed.index(b'"v50"') + 1] = ord("w")
    log.write_bytes(packed)
    outlet = RecordingOutlet()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.outlet.RecordingOutlet", lambda *_: outlet)
        with pytest.raises(RunFailed, match=r"log \[change_log\.damaged\]") as caught:
            play(log)
    assert outlet.sent == []
    assert "nothing of it was read" in (caught.value.diagnostics[0].hint or "")


def stored_zstd(text: bytes) -> bytes:
    """A zstd frame of raw blocks with a checksum: its bytes are those of the text."""
    size = 1 << 16
    blocks = [text[at : at + size] for at in range(0, len(text), size)]
    headers = [(len(block) << 3 | (at == len(blocks) - 1)).to_bytes(3, "little") for at, block in enumerate(blocks)]
    body = b"".join(header + block for header, block in zip(headers, blocks, strict=True))
    # Magic number, descriptor (checksum, no content size), window of 128 KiB; the low 4 bytes of xxh64 of the text.
    return b"\x28\xb5\x2f\xfd" + b"\x04" + b"\x38" + body + zstd_checksum(text)


def zstd_checksum(text: bytes) -> bytes:
    """As the library writes it at the end of a frame."""
    module = log_files._zstd_module()
    return bytes(module.compress(text, options={module.CompressionParameter.checksum_flag: 1})[-4:])


def test_compressed_data_on_stdin_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(gzip.compress(one(10, 1) + b"\n"))
    with log.open("rb") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(EnvironmentRefused, match=r"change_log\.compressed"):
            record(ChangeLog(path="-"))


def test_a_compressed_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(gzip.compress(os.urandom(1000).hex().encode() + b"\n")[:-20])
    with pytest.raises(RunFailed, match=r"log\.gz.*change_log\.damaged"):
        play(log, on_bad_line="reject", rejects=str(tmp_path / "rejects"))


def test_a_line_that_is_cut_off_is_refused_and_one_without_a_line_feed_is_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(one(10, 1) + b"\n" + one(11, 2))
    assert stamps(play(log)) == [(10, 0), (11, 0)]
    log.write_bytes(one(10, 1) + b"\n" + one(11, 2)[:-3])
    with pytest.raises(RunFailed, match=r"log:2 \[change_log\.line\]"):
        play(log)


def test_no_file_is_an_error_of_the_environment(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentRefused, match=r"change_log\.missing"):
        play(tmp_path / "none*")


def test_stdin_that_pauses_has_its_whole_transactions_sent_first(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\n".join([one(10, 1), one(11, 2), watermark(11), b""]))
    with os.fdopen(reading, "rb") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)

        class Closing(RecordingOutlet):
            """The writer goes on once it sees the promise: it would wait for ever if that came later."""

            def promise(self, commit_ts: int, cursor: object) -> None:
                super().promise(commit_ts, cursor)  # type: ignore[arg-type]
                if commit_ts == 11:
                    os.write(writing, one(12, 3) + b"\n")
                    os.close(writing)

        monkeypatch.setattr("tests.support.outlet.RecordingOutlet", Closing)
        outlet = record(ChangeLog(path="-"))
    assert [point.commit_ts for point in outlet.promises] == [11, 12]
    assert stamps(outlet) == [(10, 0), (11, 0), (12, 0)]


def test_stdin_goes_on_by_commit_ts_and_numbers_its_rows_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows above the checkpoint that a dead run had stored are known by their ordinals: these must be the same (I6)."""
    point = ResumePoint(10, log_reader.Mark("-", 4711, 9, b"of another stream", 18).to_cursor())
    again = write(tmp_path / "again", one(9, 1), one(10, 2), one(11, 3), one(11, 4), one(12, 5))
    schemas = play(again).schemas
    with again.open("rb") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        outlet = record(ChangeLog(path="-", on_repeat="error"), resume=point, schemas=schemas)
    assert stamps(outlet) == [(11, 0), (11, 1), (12, 0)]
    assert outlet.repeats == 2


def test_a_followed_log_goes_on_where_it_grows_and_into_the_next_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write(tmp_path / "log.1", one(10, 1), watermark(10))
    after: Iterator[bytes] = iter([one(11, 2) + b"\n" + watermark(11), b"\n", b"next"])

    class Growing(RecordingOutlet):
        """Each wait at the end of the log finds something more."""

        def wait(self, seconds: float) -> None:
            more = next(after)
            if more == b"next":
                write(tmp_path / "log.2", one(12, 3), watermark(12))
                self.stop_after = 3
                return
            with log.open("ab") as file:
                file.write(more)

    monkeypatch.setattr("tests.support.outlet.RecordingOutlet", Growing)
    outlet = record(ChangeLog(path=str(tmp_path / "log.*")), until=Until.FOREVER)
    assert stamps(outlet) == [(10, 0), (11, 0), (12, 0)]
    assert [point.commit_ts for point in outlet.promises] == [10, 11, 12]


def follow(log: Path, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> RecordingOutlet:
    """The log is followed; at the end of it this happens, and at the next end the run is stopped."""

    class Disturbed(RecordingOutlet):
        def wait(self, seconds: float) -> None:
            self.stop_after = 0 if self.waits else None
            super().wait(seconds)
            if self.stop_after is None:
                happens()

    monkeypatch.setattr("tests.support.outlet.RecordingOutlet", Disturbed)
    return record(ChangeLog(path=str(log)), until=Until.FOREVER)


def test_a_file_that_is_cut_off_while_it_is_followed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10))
    with pytest.raises(
        RunFailed, match=r"log \[change_log\.changed\] the file was cut off while it was read"
    ) as caught:
        follow(log, monkeypatch, lambda: write(log, one(11, 2)))
    assert "no copytruncate" in (caught.value.diagnostics[0].hint or "")


@pytest.mark.parametrize("more", [(), (watermark(12),)], ids=["as long as before", "longer"])
def test_a_file_that_is_cut_off_and_filled_again_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[bytes, ...]
) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10))
    with pytest.raises(RunFailed, match=r"change_log\.changed.*filled again"):
        follow(log, monkeypatch, lambda: write(log, one(11, 2), watermark(11), *more))


def test_another_file_under_the_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = write(tmp_path / "log", one(10, 1), watermark(10))

    def rotate() -> None:
        log.rename(tmp_path / "old")
        write(log, one(11, 2), watermark(11))

    with pytest.raises(RunFailed, match=r"log \[change_log\.changed\] another file"):
        follow(log, monkeypatch, rotate)
    with pytest.raises(AfterbayError, match=r"change_log\.missing"):
        follow(log, monkeypatch, log.unlink)


def test_a_file_that_is_overwritten_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_player, "SETTLE_BYTES", 1)
    monkeypatch.setattr(log_reader, "BLOCK", 4096)
    monkeypatch.setattr(log_files, "BLOCK", 4096)
    log = write(tmp_path / "log", *(line for ts in range(10, 99) for line in (one(ts, ts), watermark(ts))))
    size = log.stat().st_size

    class Overwriting(RecordingOutlet):
        def promise(self, commit_ts: int, cursor: object) -> None:
            super().promise(commit_ts, cursor)  # type: ignore[arg-type]
            log.write_bytes(b" " * size)

    monkeypatch.setattr("tests.support.outlet.RecordingOutlet", Overwriting)
    with pytest.raises(RunFailed, match=r"change_log\.changed.*overwritten"):
        play(log)


def test_a_followed_compressed_file_does_not_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(gzip.compress(one(10, 1) + b"\n"))

    def grow() -> None:
        with log.open("ab") as file:
            file.write(gzip.compress(one(11, 2) + b"\n"))

    with pytest.raises(RunFailed, match=r"log\.gz \[change_log\.changed\] a compressed file changed"):
        follow(log, monkeypatch, grow)


# -- bad lines


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{not json", "change_log.line"),
        (row("t", 20, {"id": "1", "v": "x"}).replace(b'"data": [{', b'"data": [{"id": "2", '), "change_log.twice"),
        (row("t", 20, {"id": "1", "v": "x"}).replace(b'"es": ', b'"es": 3, "es": '), "change_log.twice"),
        (one(20, 1).replace(b'"commitTs": ', b'"commitTs": 3, "commitTs": '), "change_log.twice"),
        (ddl(20, "DROP TABLE t").replace(b'"sql": ', b'"sql": "", "sql": '), "change_log.twice"),
        (b"[1, 2]", "change_log.line"),
        (b'{"type": "INSERT", "data": 7}', "change_log.line"),
        (row("t", 20, {"id": "1", "v": "x"}).replace(b'"commitTs"', b'"other"'), "change_log.line"),
        (row("t", 20, {"id": "1", "v": "x"}, kind="MERGE"), "change_log.line"),
        (row("t", 20, {"id": "1", "v": "x"}, kind="UPDATE"), "change_log.line"),
        (row("t", 20, {"id": "1", "v": "x", "w": "new"}), "change_log.column"),
        (row("t", 20, {"id": "1"}), "change_log.column"),
        (row("t", 20, {"id": "1", "v": "x"}, types={"id": "bigint", "v": "geometry"}), "change_log.column"),
        (row("t", 20, {"id": "one", "v": "x"}), "change_log.value"),
        (row("t", 20, {"id": "0x10", "v": "x"}), "change_log.value"),
        (row("t", 20, {"id": "9223372036854775808", "v": "x"}), "change_log.value"),
        (row("t", 20, {"id": "1", "v": "x"}).replace(b'"x"', b'"\\ud800"'), "change_log.line"),
        (one(20, 1).replace(b'"commitTs": 20', b'"commitTs": 0'), "change_log.line"),
        (one(20, 1).replace(b'"commitTs": 20', b'"commitTs": 9223372036854775808'), "change_log.line"),
        (one(20, 1).replace(b'"commitTs": 20', b'"commitTs": 18446744073709551616'), "change_log.line"),
        (one(20, 1).replace(b'"es": 7', b'"es": 9223372036854775808'), "change_log.line"),
        (one(20, 1).replace(b'"es": 7', b'"es": -9223372036854775809'), "change_log.line"),
    ],
)
def test_a_bad_line_is_refused_with_its_place_or_put_aside(tmp_path: Path, line: bytes, code: str) -> None:
    log = write(tmp_path / "log", ddl(5, CREATE), one(10, 1), line, one(30, 3), watermark(30))
    with pytest.raises(RunFailed) as caught:
        play(log)
    assert caught.value.code == code
    assert caught.value.place is not None
    assert (caught.value.place.file, caught.value.place.line) == (str(log), 3)

    rejects = tmp_path / "rejects"
    outlet = play(log, on_bad_line="reject", rejects=str(rejects))
    assert stamps(outlet) == [(10, 0), (30, 0)]
    (record_,) = [json.loads(text) for text in rejects.read_text().splitlines()]
    assert (record_["place"], record_["text"].encode()) == (f"{log}:3", line)
    assert code in record_["reason"]


@pytest.mark.parametrize("raw", [b"\xed\xa0\x80", b"\xff", b"\xf0\x9f"])
def test_a_line_that_is_no_unicode_is_refused(tmp_path: Path, raw: bytes) -> None:
    line = one(10, 1).replace(b'"x"', b'"' + raw + b'"')
    with pytest.raises(RunFailed, match=r"\[change_log.line\]"):
        play(write(tmp_path / "log", line))


@pytest.mark.parametrize(
    ("good", "bad"), [(b'"varchar"', b'"varchar\xff"'), (b'["id"]', b'["id\xed\xa0\x80"]')], ids=["types", "keys"]
)
def test_types_and_keys_that_are_no_unicode_are_a_bad_line(tmp_path: Path, good: bytes, bad: bytes) -> None:
    log = tmp_path / "log"
    log.write_bytes(one(10, 1) + b"\n" + one(11, 2).replace(good, bad) + b"\n" + one(12, 3) + b"\n")
    with pytest.raises(RunFailed, match=r"log:2.*\[change_log\.line\] bad `mysqlType` or `pkNames`"):
        play(log)
    rejects = tmp_path / "rejects"
    assert stamps(play(log, on_bad_line="reject", rejects=str(rejects))) == [(10, 0), (12, 0)]
    assert json.loads(rejects.read_text())["place"] == f"{log}:2"


def test_a_line_longer_than_allowed_is_refused_without_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "BLOCK", 4096)
    long = row("t", 20, {"id": "2", "v": "x" * 50_000})
    log = write(tmp_path / "log", one(10, 1), long, one(30, 3), watermark(30), one(31, 4))
    with pytest.raises(RunFailed, match=r"log:2 \[change_log\.line\].*50"):
        play(log, longest_line="10KiB")
    outlet = play(log, longest_line="10KiB", on_bad_line="reject", rejects=str(tmp_path / "rejects"))
    assert stamps(outlet) == [(10, 0), (30, 0), (31, 0)]
    assert outlet.promises[-1].cursor["line"] == 6


def test_rejects_are_on_disk_before_a_promise_covers_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    rejects = tmp_path / "rejects"
    log = write(tmp_path / "log", b"{bad", one(10, 1), watermark(10))
    play(log, on_bad_line="reject", rejects=str(rejects))
    assert synced == [rejects.stat().st_size]


def test_the_options_say_what_they_need_of_each_other() -> None:
    assert [d.code for d in ChangeLog(path="x", on_bad_line="reject").check()] == ["node.option"]
    assert [d.code for d in ChangeLog(path="x", rejects="y").check()] == ["node.option"]
    assert not list(ChangeLog(path="x", on_bad_line="reject", rejects="y").check())


@pytest.mark.parametrize(
    ("path", "rejects"),
    [
        ("log", "./log"),
        ("*.jsonl", "rejects.jsonl"),
        ("sub/../*.jsonl", "{here}/rejects.jsonl"),
        ("**/*.jsonl", "some/folder/rejects.jsonl"),
        ("**", "rejects"),
        ("linked/*", "sub/rejects"),
        ("sub/*", "linked/rejects"),
        ("log-[ab]", "log-b"),
        ("log", "alias"),
    ],
)
def test_rejects_that_the_log_would_read_again_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, rejects: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "linked").symlink_to("sub")
    (tmp_path / "log").touch()
    (tmp_path / "alias").symlink_to("log")
    log = ChangeLog(path=path, on_bad_line="reject", rejects=rejects.format(here=tmp_path))
    (found,) = log.check()
    assert (found.code, found.field) == ("node.option", "rejects")
    assert "is one of the files that `path`" in found.message


@pytest.mark.parametrize(
    ("path", "rejects"),
    [
        ("*.jsonl", "rejects"),
        ("*.jsonl", "sub/rejects.jsonl"),
        ("*", ".rejects"),
        ("**/*.jsonl", ".hidden/rejects.jsonl"),
        ("-", "-"),
    ],
)
def test_rejects_beside_the_log_are_fine(path: str, rejects: str) -> None:
    assert not list(ChangeLog(path=path, on_bad_line="reject", rejects=rejects).check())


# -- size


def test_a_transaction_larger_than_a_batch_goes_in_open_batches_and_ends_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_player, "TABLE_BYTES", 2_000)
    monkeypatch.setattr(log_player, "OPEN_BYTES", 4_000)
    log = write(tmp_path / "log", *(one(10, n) for n in range(60)), one(11, 60))
    batches = play(log).batches
    assert [batch.open for batch in batches[:-1]].count(True) > 1
    assert not batches[-1].open
    assert stamps(play(log)) == [*((10, n) for n in range(60)), (11, 0)]


def test_the_nasty_log_arrives_complete_and_repeats_are_counted(tmp_path: Path) -> None:
    log = nasty_log(4_000)
    outlet = record(ChangeLog(path=log.write_parts(tmp_path)))
    assert sum(batch.num_rows for batch in outlet.batches) == log.stored_rows
    assert outlet.repeats == log.repeats
    assert len(outlet.ddls) == log.ddls
    assert all(isinstance(change, SchemaChange) for change in outlet.ddls)
