"""The demo bank: its books balance, it is a function of its options, and it resumes anywhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay import Pipeline
from afterbay.errors import PipelineInvalid, RunFailed
from afterbay.messages import DdlKind, Op
from afterbay.positions import ResumePoint
from afterbay.runtime.report import RunReport
from afterbay_nodes.sinks.blackhole import Blackhole
from afterbay_nodes.sources.bank import OPENING_BALANCE
from afterbay_nodes.sources.bank_ddl import BankDdl
from afterbay_nodes.sources.demo import Demo
from tests.support.outlet import RecordingOutlet, Row, record, schemas_at

options = st.fixed_dictionaries(
    {
        "rows": st.integers(1, 3_000),
        "tables": st.integers(1, 9),
        "accounts": st.integers(1, 12),
        "seed": st.integers(0, 1 << 40),
        "transaction_rows": st.integers(1, 12).map(lambda half: 2 * half),
        "ddl_every": st.sampled_from([0, 50, 333]),
    }
)


def in_commit_order(outlet: RecordingOutlet) -> list[Row]:
    return sorted(outlet.rows, key=lambda row: (row.stamp.commit_ts, row.dispatcher, row.stamp.ordinal))


def changes(outlet: RecordingOutlet, above: int = -1) -> list[Any]:
    """Rows and DDLs above a commit-ts, however they were cut into batches."""
    rows = [row for row in in_commit_order(outlet) if row.stamp.commit_ts > above]
    return [*rows, *(ddl for ddl in outlet.ddls if ddl.commit_ts > above)]


@settings(max_examples=40, deadline=None)
@given(options)
def test_the_sum_of_all_balances_is_the_same_at_every_transaction_end(chosen: dict[str, Any]) -> None:
    demo = Demo(**chosen)
    outlet = record(demo)
    books: dict[tuple[str, int], dict[str, Any]] = {}
    total = chosen["tables"] * demo.bank.accounts * OPENING_BALANCE
    rows = [row for row in in_commit_order(outlet) if ".accounts_" in row.dispatcher]
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        key = (row.dispatcher, row.values["id"])
        match row.op:
            case Op.INSERT:
                assert key not in books
                books[key] = dict(row.values)
            case Op.UPDATE:
                assert row.before is not None
                known = books[key]
                assert {name: row.before[name] for name in known if name in row.before} == {
                    name: value for name, value in known.items() if name in row.before
                }, "the before-image is what the last change left"
                books[key] = dict(row.values)
            case Op.DELETE:
                assert books.pop(key)["balance"] == row.values["balance"]
        assert row.values["balance"] > 0
        if following is None or following.stamp.commit_ts != row.stamp.commit_ts:
            assert sum(account["balance"] for account in books.values()) == total


@settings(max_examples=15, deadline=None)
@given(options)
def test_resumed_at_any_promise_it_sends_exactly_the_rest(chosen: dict[str, Any]) -> None:
    whole = record(Demo(**chosen))
    for point in whole.promises[:: max(1, len(whole.promises) // 8)]:
        rest = record(Demo(**chosen), resume=point, schemas=schemas_at(whole, point))
        assert changes(rest) == changes(whole, above=point.commit_ts)
        again = record(
            Demo(**chosen), resume=ResumePoint(point.commit_ts, {}), schemas=schemas_at(whole, point)
        )  # a state that was made anew has no cursor
        assert changes(again) == changes(rest)
        assert again.promises == rest.promises
    bank, points = Demo(**chosen).bank, {point.commit_ts for point in whole.promises}
    strides = bank.strides_for(chosen["rows"])
    places = points | {bank.stride_end_ts(stride) for stride in range(strides + 1)}
    if bank.strides_per_ddl:  # the next one, too: more rows would bring it
        ddl = BankDdl(bank, "", "bank")
        places |= {ddl.commit_ts(number) for number in range(1, strides // bank.strides_per_ddl + 2)}
    for other in {point + step for point in points for step in (-1, 1)} - places:
        with pytest.raises(RunFailed, match="never promised"):
            record(Demo(**chosen), resume=ResumePoint(other, {}))


def test_more_rows_go_on_with_the_bank_that_a_state_was_founded_with(tmp_path: Path) -> None:
    def run(rows: int, **options: int) -> RunReport:
        pipeline = Pipeline("bank", state=tmp_path)
        pipeline.add("bank", Demo(rows=rows, **options))
        pipeline.add("hole", Blackhole(), inputs="bank")
        return pipeline.run()

    assert Demo(rows=2_000).bank.accounts != Demo(rows=4_000).bank.accounts
    first = run(2_000)
    second = run(4_000)
    assert first.rows_in >= 2_000
    assert 4_000 <= first.rows_in + second.rows_in < 4_100
    with pytest.raises(PipelineInvalid, match=r"bank\.accounts: null -> 10 .*") as refused:
        run(5_000, accounts=10)
    assert "leave `accounts` out" in str(refused.value)


def test_a_resumed_bank_has_the_accounts_of_its_cursor_and_sends_exactly_the_rest() -> None:
    small, large = Demo(rows=2_000, ddl_every=500), Demo(rows=4_000, ddl_every=500)
    founded = record(small)
    point = founded.promises[-1]
    rest = record(large, resume=point, schemas=schemas_at(founded, point))
    whole = record(Demo(rows=4_000, ddl_every=500, accounts=small.bank.accounts))
    assert changes(rest) == changes(whole, above=point.commit_ts)


@pytest.mark.parametrize("cursor", [{}, {"stride": 1, "ddls": 0}, {"stride": "x", "ddls": 0, "accounts": 10}])
def test_another_sources_cursor_is_refused(cursor: dict[str, Any]) -> None:
    with pytest.raises(RunFailed, match=r"demo\.cursor"):
        record(Demo(), resume=ResumePoint(1, cursor))


def test_a_stopped_run_and_its_continuation_are_one_run() -> None:
    whole = record(Demo(rows=20_000, tables=3))
    first = record(Demo(rows=20_000, tables=3), stop_after=4)
    point = first.promises[-1]
    second = record(Demo(rows=20_000, tables=3), resume=point, schemas=first.schemas)
    assert changes(first) + changes(second) != []
    assert Counter(map(str, changes(first) + changes(second))) == Counter(map(str, changes(whole)))


def test_a_longer_run_of_the_same_bank_goes_on_where_the_shorter_one_ended() -> None:
    short = record(Demo(rows=4_000, tables=2, accounts=50))
    long = record(Demo(rows=9_000, tables=2, accounts=50))
    point = short.promises[-1]
    rest = record(Demo(rows=9_000, tables=2, accounts=50), resume=point, schemas=short.schemas)
    assert changes(rest) == changes(long, above=point.commit_ts)
    assert Demo(rows=4_000, accounts=50).identity() == Demo(rows=9_000, accounts=50).identity()


def test_equal_options_give_equal_streams_and_another_seed_another() -> None:
    assert changes(record(Demo(rows=5_000))) == changes(record(Demo(rows=5_000)))
    assert changes(record(Demo(rows=5_000))) != changes(record(Demo(rows=5_000, seed=1)))


def test_it_sends_the_rows_asked_for_rounded_up_to_whole_transactions() -> None:
    outlet = record(Demo())
    sent = sum(batch.num_rows for batch in outlet.batches)
    assert 200_000 <= sent < 200_000 + 100
    assert outlet.promises[-1].commit_ts == max(batch.last.commit_ts for batch in outlet.batches)


def test_transactions_span_tables_and_have_several_rows_of_one_table() -> None:
    rows = record(Demo(rows=3_000, ddl_every=0)).rows
    opening = min(row.stamp.commit_ts for row in rows)
    tables: dict[int, set[str]] = {}
    for row in rows:
        tables.setdefault(row.stamp.commit_ts, set()).add(row.dispatcher)
    assert all(len(names) >= 2 for names in tables.values())
    assert any(row.stamp.ordinal > 0 for row in rows if row.stamp.commit_ts > opening)
    assert {row.op for row in rows} == set(Op)


def test_all_eight_ddls_come_by_some_in_band_and_some_graph_wide() -> None:
    outlet = record(Demo(rows=60_000, ddl_every=2_000))
    created = 1 + 8 + 1
    later = outlet.ddls[created:]
    assert {ddl.kind for ddl in later} == {
        DdlKind.ADD_COLUMN,
        DdlKind.ADD_INDEX,
        DdlKind.RENAME_TABLE,
        DdlKind.CREATE_TABLE,
        DdlKind.DROP_COLUMN,
        DdlKind.TRUNCATE_TABLE,
        DdlKind.DROP_TABLE,
        DdlKind.DROP_INDEX,
    }
    wide = {ddl.kind for ddl in later if ddl.in_band_dispatcher is None}
    assert wide == {DdlKind.RENAME_TABLE, DdlKind.TRUNCATE_TABLE, DdlKind.DROP_TABLE}
    assert len({ddl.commit_ts for ddl in outlet.ddls}) == len(outlet.ddls)
    assert not {ddl.commit_ts for ddl in outlet.ddls} & {row.stamp.commit_ts for row in outlet.rows}
    assert any(row.values.get("tier") == 1 for row in outlet.rows)


def test_the_state_of_another_source_is_refused() -> None:
    with pytest.raises(Exception, match=r"demo\.cursor"):
        record(Demo(rows=10), resume=ResumePoint(1, {"file": "x"}))


def test_a_rate_spreads_the_rows_over_time() -> None:
    outlet = record(Demo(rows=1_000, tables=2, accounts=10, ddl_every=0, rate=400))
    largest = max(batch.num_rows for batch in outlet.batches[2:])
    assert largest <= 40
    assert sum(outlet.waits) > 1


def test_the_opening_of_many_accounts_is_one_transaction_in_open_batches() -> None:
    outlet = record(Demo(rows=40_000, tables=2, accounts=10_000, ddl_every=0))
    opening = [batch for batch in outlet.batches if batch.last.commit_ts == outlet.promises[1].commit_ts]
    assert [(batch.num_rows, batch.open) for batch in opening] == [(8_192, True), (1_808, False)] * 2
