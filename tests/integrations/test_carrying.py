"""What all integrations share: a run that an interrupt drains, and waiting for a position by the state alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from afterbay import Pipeline, PipelineInvalid
from afterbay.example_nodes.ticker import Ticker
from afterbay.integrations.carrying import carry
from afterbay.integrations.waiting import far_enough, moment_of, position_of
from afterbay_nodes.encoders.encode_csv import EncodeCsv
from afterbay_nodes.sinks.blackhole import Blackhole
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sources.demo import Demo
from afterbay_nodes.transforms.spool import Spool


def bank(folder: Path, rows: int = 1_000, rate: float | None = None) -> Pipeline:
    pipeline = Pipeline("bank", state=folder / "state").add("bank", Demo(rows=rows, tables=2, rate=rate))
    pipeline.add("csv", EncodeCsv(include_commit_ts=True), inputs="bank").add("spool", Spool(), inputs="csv")
    return pipeline.add("lake", CloudStorage(uri=str(folder / "lake"), flush_interval=0.1), inputs="spool")


class Interrupted(BaseException):
    """What an orchestrator raises in the thread that waits."""


def test_whatever_interrupts_the_job_drains_the_run_first(tmp_path: Path) -> None:
    pipeline = bank(tmp_path, rows=10_000_000, rate=20_000)

    def tell(_: str) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        carry(pipeline, until="forever", tell=tell, every=0.2)
    status = pipeline.status()
    assert not status.locked
    assert status.rows > 0
    assert status.intents == ()
    assert pipeline.verify()["lake"].is_clean


def test_a_job_hears_how_far_it_is_and_what_came_of_it(tmp_path: Path) -> None:
    heard: list[str] = []
    report = carry(bank(tmp_path), tell=heard.append)
    assert report.outcome == "completed"
    assert heard[-1].startswith("bank: completed; ")
    assert f"{report.rows_stored:,} rows of 3 tables stored" in heard[-1]


def test_a_position_is_reached_when_the_checkpoint_covers_it(tmp_path: Path) -> None:
    pipeline = bank(tmp_path)
    assert far_enough(pipeline, position=0, moment=None) is None, "before the first run nothing is stored"
    report = pipeline.run()
    (reached,) = report.checkpoints.values()
    assert far_enough(pipeline, position=reached, moment=None) == {"bank": str(reached)}
    assert far_enough(pipeline, position=reached + 1, moment=None) is None
    time = datetime.fromisoformat(report.checkpoint_times["bank"])
    assert far_enough(pipeline, position=None, moment=time) is not None
    assert far_enough(pipeline, position=None, moment=time + timedelta(milliseconds=1)) is None
    assert far_enough(pipeline, position=reached + 1, moment=time) is None, "both are asked for"


def test_a_source_that_tells_no_time_cannot_be_waited_for_by_time(tmp_path: Path) -> None:
    pipeline = Pipeline("ticks", state=tmp_path / "state").add("ticks", Ticker(ticks=5))
    pipeline.add("hole", Blackhole(), inputs="ticks").run()
    with pytest.raises(PipelineInvalid, match="no wall time"):
        far_enough(pipeline, position=None, moment=datetime(2026, 1, 1, tzinfo=UTC))


def test_positions_and_moments_come_as_templates_write_them() -> None:
    assert position_of(" 17 ") == 17
    assert position_of(None) is position_of("") is position_of("None") is None
    assert moment_of("2026-01-02T03:04:05") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert moment_of("None") is None
    with pytest.raises(PipelineInvalid):
        position_of("soon")
    with pytest.raises(PipelineInvalid):
        moment_of("soon")
