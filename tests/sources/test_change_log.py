"""The change log: rows, promises, repeats, and transactions of any size."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay.messages import Op, SchemaChange
from afterbay.schema import RowPosition
from afterbay_nodes.sources import log_player
from afterbay_nodes.sources.change_log import ChangeLog
from tests.support.canal import ddl, row, watermark, write
from tests.support.change_logs import CREATE, one, play, stamps
from tests.support.nasty_log import nasty_log
from tests.support.outlet import Row, record

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
