"""A pipeline as Python code has it: from asyncio without blocking it, its events, its status, its picture."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from afterbay import EnvironmentRefused, Pipeline, RunFailed
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.blackhole import Blackhole
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sources.change_log import ChangeLog
from afterbay_nodes.sources.demo import Demo
from afterbay_nodes.transforms.spool import Spool

ENDLESS = 10_000_000


def bank(folder: Path, rows: int = 2_000, rate: float | None = None) -> Pipeline:
    pipeline = Pipeline("bank", state=folder / "state")
    pipeline.add("bank", Demo(rows=rows, tables=2, accounts=50, rate=rate))
    pipeline.add("csv", EncodeCsv(include_commit_ts=True), inputs="bank")
    pipeline.add("spool", Spool(disk_quota="64MiB"), inputs="csv")
    return pipeline.add("lake", CloudStorage(uri=str(folder / "lake"), flush_interval=0.1), inputs="spool")


def test_the_loop_goes_on_while_a_run_is_awaited(tmp_path: Path) -> None:
    async def main() -> int:
        turns = 0
        work = asyncio.ensure_future(bank(tmp_path, rows=60_000).arun())
        while not work.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert work.result().outcome == "completed"
        return turns

    assert asyncio.run(main()) > 20


def test_a_cancelled_task_drains_its_run_and_stays_cancelled(tmp_path: Path) -> None:
    pipeline = bank(tmp_path, rows=ENDLESS, rate=4_000)

    async def main() -> None:
        async with asyncio.timeout(60):
            work = asyncio.ensure_future(pipeline.arun())
            while not (tmp_path / "lake" / "bank").exists():
                await asyncio.sleep(0.01)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work

    asyncio.run(main())
    status = pipeline.status()
    assert not status.locked, "the run is over before the task is"
    assert status.rows > 0
    assert status.intents == ()
    assert pipeline.verify()["lake"].faults == ()


def test_a_task_that_is_cancelled_while_its_run_starts_leaves_none_behind(tmp_path: Path) -> None:
    pipeline = bank(tmp_path, rows=ENDLESS, rate=4_000)

    async def main() -> None:
        async with asyncio.timeout(60):
            work = asyncio.ensure_future(pipeline.arun())
            while not (tmp_path / "state" / "checkpoint.db").exists():
                await asyncio.sleep(0)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work

    asyncio.run(main())
    assert not pipeline.status().locked


def test_a_task_that_is_cancelled_while_it_waits_for_another_run_waits_no_longer(tmp_path: Path) -> None:
    pipeline = bank(tmp_path, rows=ENDLESS, rate=4_000)
    other = pipeline.start()

    async def main() -> None:
        async with asyncio.timeout(60):
            work = asyncio.ensure_future(pipeline.arun(wait=True))
            await asyncio.sleep(0.3)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work

    asyncio.run(main())
    assert not other.ended
    other.cancel()
    other.wait()


def test_events_end_with_the_report_and_tell_each_checkpoint(tmp_path: Path) -> None:
    events = list(bank(tmp_path).start().events(every=0.02))
    last = events[-1]
    assert last.kind == "ended"
    assert last.report is not None
    assert last.counts.rows_stored == last.report.rows_stored
    told = [event.checkpoints for event in events if event.kind == "checkpoint"]
    assert told[-1] == last.report.checkpoints
    assert [event.kind for event in events].count("ended") == 1


def test_events_come_to_asyncio_as_well(tmp_path: Path) -> None:
    async def main() -> list[str]:
        run = await bank(tmp_path).astart()
        kinds = [event.kind async for event in run.aevents(every=0.02)]
        assert (await run).outcome == "completed", "a run that has ended can still be awaited"
        return kinds

    assert asyncio.run(main())[-1] == "ended"


def test_a_failure_reaches_who_awaits_and_who_follows(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("no json\n")

    def broken(name: str) -> Pipeline:
        pipeline = Pipeline(name, state=tmp_path / name)
        pipeline.add("log", ChangeLog(path=str(tmp_path / "log.jsonl")))
        return pipeline.add("hole", Blackhole(), inputs="log")

    with pytest.raises(RunFailed):
        asyncio.run(broken("one").arun())
    with pytest.raises(RunFailed):
        list(broken("two").start().events(every=0.02))


def test_a_report_counts_each_table_under_its_name_in_the_store(tmp_path: Path) -> None:
    pipeline = bank(tmp_path)
    report = pipeline.run()
    assert tuple(report.tables) == pipeline.stored_tables()
    assert sum(totals.rows for totals in report.tables.values()) == report.rows_stored
    assert sum(totals.files for totals in report.tables.values()) == report.files
    assert sum(totals.bytes for totals in report.tables.values()) == report.bytes
    assert max(totals.commit_ts for totals in report.tables.values()) <= report.checkpoints["bank"]
    verified = pipeline.verify()["lake"]
    assert verified.is_clean
    assert {name: it.rows for name, it in verified.tables.items()} == {n: it.rows for n, it in report.tables.items()}


def test_verification_names_the_table_of_a_damaged_file(tmp_path: Path) -> None:
    pipeline = bank(tmp_path)
    pipeline.run()
    damaged = next(iter((tmp_path / "lake" / "bank" / "accounts_0").rglob("CDC0*.csv")), None) or next(
        iter((tmp_path / "lake").rglob("CDC0*.csv"))
    )
    damaged.write_bytes(damaged.read_bytes()[:-20])
    found = pipeline.verify()["lake"]
    assert not found.is_clean
    table = ".".join(damaged.relative_to(tmp_path / "lake").parts[:2])
    assert found.faults_of(table)


def test_status_before_the_first_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentRefused) as refused:
        bank(tmp_path).status()
    assert refused.value.code == "state.absent"


def test_a_notebook_draws_the_graph_or_says_what_is_wrong(tmp_path: Path) -> None:
    pipeline = bank(tmp_path)
    picture = pipeline._repr_svg_()
    assert picture is not None
    assert picture.startswith("<svg")
    assert picture in pipeline._repr_html_()
    assert repr(pipeline).startswith("<Pipeline bank: 4 nodes")
    wrong = Pipeline("wrong", state=tmp_path / "s").add("bank", Demo()).add("hole", Blackhole(), inputs="b<b>nk")
    assert wrong._repr_svg_() is None
    assert "b&lt;b&gt;nk" in wrong._repr_html_()
    assert "<b>" not in wrong._repr_html_()
