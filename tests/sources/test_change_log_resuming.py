"""The change log, resumed: exactly the rest is sent, wherever a run ended, or nothing at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from afterbay.errors import AfterbayError, RunFailed
from afterbay.messages import TableChange
from afterbay.positions import ResumePoint
from afterbay_nodes.sources import log_reader
from afterbay_nodes.sources.change_log import ChangeLog
from tests.support.canal import ddl, ids, watermark, write
from tests.support.change_logs import behind, one, play, stamps
from tests.support.nasty_log import nasty_log
from tests.support.outlet import RecordingOutlet, record, schemas_at


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
    for point in whole.promises[::5]:
        regains_its_place(source, whole, point)


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
        regains_its_place(source, whole, point)


def regains_its_place(source: ChangeLog, whole: RecordingOutlet, point: ResumePoint) -> None:
    """A state that was made anew has no cursor: the same is sent, and the cursor is there again for the next start."""
    again = record(source, resume=ResumePoint(point.commit_ts, {}))
    assert everything(again) == everything(whole, above=point.commit_ts)
    assert again.promises[-1] == whole.promises[-1]
    for following in again.promises[:2]:
        rest = record(source, resume=following, schemas=schemas_at(again, following))
        assert everything(rest) == everything(whole, above=following.commit_ts)


def test_a_log_that_begins_above_the_place_is_refused(tmp_path: Path) -> None:
    log = write(tmp_path / "log", one(30, 2), watermark(30), one(31, 4))
    assert stamps(record(ChangeLog(path=str(log)), resume=ResumePoint(30, {}))) == [(31, 0)]
    with pytest.raises(RunFailed, match=r"change_log\.begins"):
        record(ChangeLog(path=str(log)), resume=ResumePoint(20, {}))


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
    point = ResumePoint(10, log_reader.Mark(str(log), *behind(log, 2)).to_cursor())
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
