"""The nasty log is as nasty as it says, and the same each time."""

from __future__ import annotations

import json
from itertools import pairwise

from tests.support.nasty_kinds import PIECES, WHOLE
from tests.support.nasty_log import _STEPS, ROWS, _Maker, nasty_log


def test_it_has_its_rows_tables_and_ddls() -> None:
    log = nasty_log()
    messages = [json.loads(line) for line in log.lines]
    rows = [message for message in messages if message["data"] is not None]
    statements = {(m["_tidb"]["commitTs"], m["sql"]) for m in messages if m["isDdl"]}
    assert log.row_lines == ROWS == 40_000
    assert len(rows) == ROWS + log.repeats
    assert len(statements) == log.ddls == 18
    assert len({(m["database"], m["table"]) for m in rows} - {("log", "history")}) == 8
    assert log.repeats > 1000
    assert sum(m["isDdl"] for m in messages) > 18
    assert log.stored_rows > ROWS  # key updates are stored as a delete and an insert


def test_every_trap_is_in_it() -> None:
    cells = [cell for v in nasty_log().tables.values() for version in v for row in version.rows for cell in row.cells]
    whole = {cell.csv for cell in cells}
    heap = "".join(filter(None, whole))
    assert {*WHOLE, None} <= whole
    assert all(piece in heap for piece in PIECES)


def test_each_table_is_in_commit_order_and_transactions_span_rows_and_tables() -> None:
    log = nasty_log()
    for stamps in log.commit_ts().values():
        assert all(one <= two for one, two in pairwise(stamps))
    customers, orders = (set(log.commit_ts()["shop", name]) for name in ("customers", "orders"))
    assert len(customers & orders) > 100
    assert len(log.commit_ts()["shop", "orders"]) > 2 * len(orders)


def test_no_row_comes_first_after_its_watermark() -> None:
    """The log keeps its own promises: what is at or below a watermark after it was there before it."""
    watermark, seen = 0, set[bytes]()
    for line in nasty_log().lines:
        message = json.loads(line)
        if message["type"] == "TIDB_WATERMARK":
            watermark = message["_tidb"]["watermarkTs"]
        elif message["_tidb"]["commitTs"] <= watermark:
            assert line in seen
        seen.add(line)


def test_a_seed_gives_one_log() -> None:
    assert _Maker(500, 7, _STEPS).make().lines == _Maker(500, 7, _STEPS).make().lines
    assert _Maker(500, 7, _STEPS).make().lines != _Maker(500, 8, _STEPS).make().lines
