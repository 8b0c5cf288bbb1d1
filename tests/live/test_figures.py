"""What a run tells of itself is what its metrics say, and what its state says when it has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from afterbay.errors import EnvironmentRefused
from afterbay.live.look import Looker
from afterbay.live.rates import Rates
from tests.support.live import asked, going_on, lake, until


def test_figures_are_those_of_the_metrics(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, asked(run) as ask:
        until(lambda: ask.ask("figures"), lambda found: found["nodes"][3]["files"] >= 5)
        run.pause()
        until(lambda: ask.ask("figures"), lambda found: found["nodes"][3]["rows"] == found["nodes"][0]["rows"])
        found: Any = ask.ask("figures")
        for node in found["nodes"]:
            totals = run.telemetry.node(node["name"]).totals
            assert (node["rows"], node["bytes"], node["files"]) == (totals.rows, totals.bytes, totals.files)
        (spool,) = found["spools"]
        levels = run.telemetry.spools()["spool"]
        assert (spool["memory"], spool["disk"], spool["quota"]) == (levels.memory, levels.disk, 64 << 20)
        assert spool["memory_limit"] == levels.memory_limit > 0
        shards = found["nodes"][3]["shards"]
        assert len(shards) == 4
        assert sum(shard["rows"] for shard in shards) == found["nodes"][3]["rows"]
        assert sum(table["rows"] for table in found["tables"]) == found["nodes"][3]["rows"]
        assert {flush["reason"] for flush in found["flushes"]} <= set(run.telemetry.node("lake").totals.flushes)


def test_positions_are_in_their_order(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, asked(run) as ask:
        found: Any = until(lambda: ask.ask("figures"), lambda found: found["partitions"][0]["checkpoint"] is not None)
        for _ in range(20):
            (at,) = found["partitions"]
            assert int(at["checkpoint"]) <= int(at["flushed"]) <= int(at["spooled"]) <= int(at["received"])
            found = ask.ask("figures")


def test_a_paused_run_stores_what_it_has_and_goes_on_when_it_is_told_to(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, asked(run) as ask:
        until(lambda: ask.ask("figures"), lambda found: found["nodes"][0]["rows"] > 0)
        ask.ask("pause")
        found: Any = until(
            lambda: ask.ask("figures"),
            lambda found: found["nodes"][3]["rows"] == found["nodes"][0]["rows"],
        )
        assert found["phase"] == "paused"
        ask.ask("resume")
        until(lambda: ask.ask("figures"), lambda later: later["nodes"][3]["rows"] > found["nodes"][3]["rows"])


def test_a_drain_ends_a_pause(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run, asked(run) as ask:
        ask.ask("pause")
        ask.ask("drain", timeout=60)
        report = run.wait(60)
        assert report is not None
        assert report.outcome == "drained"
        assert report.rows_stored == report.rows_in


def test_an_ended_run_is_looked_at_in_its_state(tmp_path: Path) -> None:
    pipeline = lake(tmp_path, rows=5000)
    report = pipeline.run(until="end")
    looker = Looker(tmp_path / "state")
    found = looker.look()
    assert not found["live"]
    assert found["figures"]["phase"] == "ended"
    assert [node["name"] for node in found["graph"]["nodes"]] == ["bank", "csv", "spool", "lake"]
    assert [node["rows"] for node in found["figures"]["nodes"]] == [report.rows_in] * 4
    assert found["figures"]["partitions"][0]["checkpoint"] == str(report.checkpoints["bank"])
    assert sum(table["rows"] for table in found["figures"]["tables"]) == report.rows_in


def test_a_foreign_run_is_looked_at_in_its_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with going_on(lake(tmp_path)) as run, asked(run) as ask:
        until(lambda: ask.ask("figures"), lambda found: found["partitions"][0]["checkpoint"] is not None)
        (run.plan.state_dir / "live.sock").rename(run.plan.state_dir / "not-ours.sock")
        found = Looker(run.plan.state_dir).look()
    assert (found["live"], found["figures"]["phase"]) == (False, "foreign")
    assert str(run.plan.state_dir) in found["why"]
    assert [node["name"] for node in found["graph"]["nodes"]] == ["bank", "csv", "spool", "lake"]
    assert found["figures"]["partitions"][0]["checkpoint"] is not None


def test_without_a_run_and_a_state_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentRefused) as refused:
        Looker(tmp_path).look()
    assert refused.value.code == "state.absent"


def test_what_a_run_left_and_cannot_be_read_is_as_if_it_had_left_nothing(tmp_path: Path) -> None:
    lake(tmp_path, rows=100).run(until="end")
    for text in ("", "{", "[]", '{"afterbay": 1}', '{"afterbay": 1, "graph": 1, "figures": 2}'):
        (tmp_path / "state" / "last-run.json").write_text(text)
        found = Looker(tmp_path / "state").look()
        assert [node["name"] for node in found["graph"]["nodes"]] == ["lake"]


def moment(seconds: float, **node: Any) -> dict[str, Any]:
    filled = {"name": "csv", "rows": 0, "bytes": 0, "threads": 2, "busy_seconds": 0.0, "blocked_seconds": 0.0, **node}
    return {"pid": 1, "seconds": seconds, "nodes": [filled]}


def test_rates_are_of_the_last_seconds_and_shares_come_to_one() -> None:
    rates = Rates()
    assert rates.add(moment(10))["nodes"][0]["rows_per_second"] is None
    (node,) = rates.add(moment(12, rows=300, bytes=600, busy_seconds=1.0, blocked_seconds=2.0))["nodes"]
    assert (node["rows_per_second"], node["bytes_per_second"]) == (150, 300)
    assert (node["busy"], node["blocked"], node["idle"]) == (0.25, 0.5, 0.25)
    for second in range(13, 30):
        (node,) = rates.add(moment(second, rows=300, busy_seconds=1.0, blocked_seconds=2.0))["nodes"]
    assert (node["rows_per_second"], node["busy"], node["blocked"], node["idle"]) == (0, 0, 0, 1)


def test_another_run_starts_anew() -> None:
    rates = Rates()
    rates.add(moment(10, rows=500))
    assert rates.add(moment(1, rows=5))["nodes"][0]["rows_per_second"] is None


def test_a_share_that_is_not_told_is_no_number() -> None:
    rates = Rates()
    rates.add(moment(1, busy_seconds=None))
    (node,) = rates.add(moment(2, busy_seconds=None, blocked_seconds=2.0))["nodes"]
    assert (node["busy"], node["blocked"], node["idle"]) == (None, 1.0, None)


def test_two_files_of_one_moment_are_both_told(tmp_path: Path) -> None:
    with going_on(lake(tmp_path)) as run:
        until(lambda: run.figures()["flushes"], bool)
        sight = run.telemetry.node("lake").sight
        file = sight.flushes()[-1]
        sight.stored(file)
        sight.stored(file)
        run.figures()


def test_figures_that_cannot_be_taken_fail_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = lake(tmp_path, rows=1000).start(until="end")
    run.telemetry.node("lake").sight.watch_failing(lambda: 1 // 0)  # type: ignore[arg-type,return-value]
    report = run.wait(60)
    assert report is not None
    assert report.outcome == "completed"
    assert "are not kept" in caplog.text
