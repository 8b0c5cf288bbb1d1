"""The report: counts by kind of node, and the summary a person checks."""

from __future__ import annotations

import json
from pathlib import Path

from afterbay.cli.summary import summary
from afterbay.compile.plan import Plan, PlanNode
from afterbay.messages import ChangeBatch
from afterbay.positions import ResumePoint
from afterbay.runtime.report import Counts, RunReport, commit_time
from afterbay.telemetry import FlushReason, Telemetry
from afterbay_nodes.sources.demo import Demo
from tests.support.plans import Changes, Lake, chain, diamond, plan_of


def measured() -> Telemetry:
    """100 rows came, 5 were filtered on the way, 2 had been stored before, 93 are stored in three files."""
    telemetry = Telemetry("orders")
    telemetry.node("changes").passed(60, 600)
    telemetry.node("changes").passed(40, 400)
    telemetry.node("changes").schema_changed()
    telemetry.node("split").passed(95, 950)
    telemetry.node("split").filtered(5)
    telemetry.node("csv").passed(95, 900)
    lake = telemetry.node("lake")
    lake.flushed(FlushReason.SIZE, 50, 500, 0.1)
    lake.flushed(FlushReason.SIZE, 40, 400, 0.1)
    lake.flushed(FlushReason.CLOSE, 3, 30, 0.1)
    lake.repeated(2)
    lake.drained("table", 0.2)
    return telemetry


def report(telemetry: Telemetry, rows_before: int | None = None) -> RunReport:
    return RunReport.of(
        chain(),
        telemetry,
        outcome="completed",
        checkpoints={"changes": ResumePoint(4711, {"line": 9})},
        seconds=2.0,
        rows_before=rows_before,
    )


def test_sources_count_as_in_and_sinks_as_stored() -> None:
    found = report(measured())
    assert (found.rows_in, found.rows_stored, found.rows_filtered, found.rows_repeated) == (100, 93, 5, 2)
    assert (found.files, found.bytes, found.ddls) == (3, 930, 1)
    assert found.flushes == {"close": 1, "size": 2}
    assert found.checkpoints == {"changes": 4711}
    assert found.stored_in == ("s3://bucket/orders",)
    assert found.rows_per_second == 50.0


def test_two_sinks_count_a_row_twice_and_name_two_places() -> None:
    plan, telemetry = diamond(), Telemetry("fan-out")
    telemetry.node("bank").passed(10, 100)
    telemetry.node("bank").schema_changed()
    for sink in ("files", "bucket"):
        telemetry.node(sink).flushed(FlushReason.SIZE, 10, 100, 0.1)
        telemetry.node(sink).drained("graph", 0.1)
    assert Counts.of(plan, telemetry).rows_stored == 20
    found = RunReport.of(plan, telemetry, outcome="drained", checkpoints={}, seconds=1.0)
    assert (found.ddls, found.ddls_stored) == (1, 2), "a DDL came once, and is stored once a sink"
    assert "  DDLs          1  (stored 2)\n" in summary(found, "x.yaml")
    assert found.stored_in[0] == "./files"
    assert found.stored_in[2] == "audit (lake)"


def test_the_report_as_data_has_every_field() -> None:
    data = report(measured()).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert set(RunReport.__dataclass_fields__) <= set(data)


def test_a_run_that_did_nothing_has_no_rate() -> None:
    plan = plan_of("idle", {"a": (Changes(), ()), "b": (Lake(), ("a",))})
    found = RunReport.of(plan, Telemetry("idle"), outcome="completed", checkpoints={}, seconds=0.0)
    assert found.rows_per_second == 0.0
    assert "none yet" in summary(found, "idle.yaml")


def test_the_summary_says_all_a_person_checks() -> None:
    assert summary(report(measured()), "pipelines/orders.yaml") == (
        "orders: completed in 2.00 s\n"
        "\n"
        "  rows in       100  (50 rows/s)\n"
        "  rows stored   93\n"
        "  filtered      5  (dropped on purpose)\n"
        "  repeated      2  (stored before, dropped)\n"
        "  files         3  (close 1, size 2)\n"
        "  bytes         930  (930 B)\n"
        "  DDLs          1\n"
        "  checkpoint    4711  (changes)\n"
        "  stored in     s3://bucket/orders\n"
        "\n"
        "Next:\n"
        "  afterbay status pipelines/orders.yaml   how far it is, and what is stored\n"
        "  afterbay graph pipelines/orders.yaml    the pipeline as a diagram"
    )


def test_the_next_commands_name_the_program_as_it_was_called() -> None:
    text = summary(report(measured()), "orders.yaml", ".venv/bin/uv run afterbay")
    assert "\n  .venv/bin/uv run afterbay status orders.yaml   how far" in text


def test_what_earlier_runs_have_stored_is_told_beside_what_this_one_did() -> None:
    assert report(measured(), rows_before=1000).rows_stored_so_far == 1093
    assert "  rows stored   93  (1,093 so far)\n" in summary(report(measured(), rows_before=1000), "x.yaml")
    assert "so far" not in summary(report(measured(), rows_before=0), "x.yaml"), "a first run has no before"


def test_a_run_that_found_nothing_new_says_so() -> None:
    text = summary(report(Telemetry("orders"), rows_before=500_020), "x.yaml")
    assert text.splitlines()[2:5] == [
        "  nothing new   500,020 rows stored so far",
        "  checkpoint    4711  (changes)",
        "  stored in     s3://bucket/orders",
    ]
    assert "  nothing new   since the checkpoint\n" in summary(report(Telemetry("orders")), "x.yaml")


def test_a_checkpoint_is_told_with_its_time_where_the_sources_clock_tells_one() -> None:
    bank = Plan("bank", Path(), (PlanNode("bank", Demo(), "source", (), None, (("out", ChangeBatch),)),), ())
    at = ResumePoint(463267587696885760, {})
    found = RunReport.of(bank, Telemetry("bank"), outcome="completed", checkpoints={"bank": at}, seconds=1.0)
    assert found.checkpoint_times == {"bank": "2026-01-01T00:00:00.040+00:00"}
    assert "  checkpoint    463267587696885760  (bank, 2026-01-01 00:00:00.040 UTC)\n" in summary(found, "x.yaml")
    assert report(measured()).checkpoint_times == {}, "its source tells none"


def test_a_number_that_is_no_time_is_told_as_a_number() -> None:
    class Odd(Demo):
        def commit_ms(self, point: ResumePoint) -> int:
            return 1 << 62

    assert commit_time(Odd(), ResumePoint(1, {})) is None
