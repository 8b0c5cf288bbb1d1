"""The verbs, each on a small pipeline of ready nodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterbay.cli.app import call
from afterbay.cli.starter import Source, pipeline_name
from afterbay.errors import RunFailed
from afterbay.state.status import IntentStatus, OutageStatus, StateStatus
from tests.support.fake_run import FakeRun, ends, goes_on

PIPELINE = """\
name: orders
state: ./state
nodes:
  changes: {type: demo}
  csv: {type: encode_csv, inputs: changes, parallelism: 2}
  spool: {type: spool, inputs: csv, disk_quota: 1GiB}
  lake: {type: cloud_storage, inputs: spool, uri: ./out, shards: 4}
"""

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The pipeline file, in the current directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.yaml").write_text(PIPELINE, encoding="utf-8")
    return "orders.yaml"


class TestValidate:
    def test_a_good_file_is_ok(self, orders: str, capsys: Captured) -> None:
        assert call(["validate", orders]) == 0
        assert capsys.readouterr() == ("orders.yaml: ok (4 nodes)\n", "")

    def test_every_file_is_checked_and_every_finding_told(self, orders: str, tmp_path: Path, capsys: Captured) -> None:
        (tmp_path / "bad.yaml").write_text(PIPELINE.replace("type: spool", "type: spol"), encoding="utf-8")
        assert call(["validate", "bad.yaml", orders]) == 2
        out, err = capsys.readouterr()
        assert out == "orders.yaml: ok (4 nodes)\n"
        assert "bad.yaml:6:" in err
        assert "did you mean 'spool'?" in err
        assert "bad.yaml: 1 finding\n" in err

    def test_a_value_that_is_clamped_is_a_warning_with_its_place(
        self, orders: str, tmp_path: Path, capsys: Captured
    ) -> None:
        text = PIPELINE.replace("shards: 4", "shards: 4, file_size: 1, flush_interval: 0s, file_index_digit: 3")
        (tmp_path / "odd.yaml").write_text(text, encoding="utf-8")
        assert call(["validate", "odd.yaml"]) == 0
        out, err = capsys.readouterr()
        assert out == "odd.yaml: ok (4 nodes)\n"
        assert err.count("warning: odd.yaml:7:") == 3
        assert (
            "[option.clamped] node 'lake' (cloud_storage): `file_size` 1B is outside 1KiB to 512MiB: 1KiB is used"
            in err
        )
        assert "`flush_interval` 0s is outside 100ms to 10m: 100ms is used" in err
        assert "`file_index_digit` 3 is outside 6 to 20: 20 is used" in err
        for verb in (["validate", "--json"], ["plan", "--json"]):
            assert call([*verb, "odd.yaml"]) == 0
            data = json.loads(capsys.readouterr().out)
            warnings = data["files"][0]["warnings"] if verb[0] == "validate" else data["warnings"]
            assert [item["field"] for item in warnings] == ["file_size", "flush_interval", "file_index_digit"]
            assert {item["place"]["line"] for item in warnings} == {7}

    def test_findings_as_data(self, orders: str, tmp_path: Path, capsys: Captured) -> None:
        (tmp_path / "bad.yaml").write_text("nodes: {}\n", encoding="utf-8")
        assert call(["validate", "--json", orders, "bad.yaml"]) == 2
        data = json.loads(capsys.readouterr().out)
        assert data["ok"] is False
        assert [file["ok"] for file in data["files"]] == [True, False]
        assert data["files"][1]["diagnostics"][0]["place"]["file"] == "bad.yaml"

    def test_a_missing_file_is_an_invalid_call(self, capsys: Captured, tmp_path: Path) -> None:
        assert call(["validate", str(tmp_path / "none.yaml")]) == 2
        assert "none.yaml" in capsys.readouterr().err


class TestPlan:
    def test_the_table_tells_types_instances_and_fingerprint(self, orders: str, capsys: Captured) -> None:
        assert call(["plan", orders]) == 0
        out = capsys.readouterr().out
        assert "NODE     TYPE           INPUTS   TAKES         GIVES         INSTANCES  FACTS" in out
        assert "csv      encode_csv     changes  ChangeBatch   EncodedBatch  2" in out
        assert "lake     cloud_storage  spool    SpoolEntry    -             4 shards" in out
        assert "fingerprint " in out

    def test_the_plan_as_data(self, orders: str, capsys: Captured) -> None:
        assert call(["plan", "--json", orders, "--state", "elsewhere"]) == 0
        data = json.loads(capsys.readouterr().out)
        assert Path(data["state_dir"]).name == "elsewhere"
        assert [node["name"] for node in data["nodes"]] == ["changes", "csv", "spool", "lake"]
        assert data["edges"][2] == {"source": "spool", "port": "out", "target": "lake", "payload": "SpoolEntry"}


class TestUsage:
    @pytest.mark.parametrize("verb", ["init", "validate"])
    def test_a_file_is_shown_once_and_plainly(self, verb: str, capsys: Captured) -> None:
        assert call([verb, "--help"]) == 0
        usage = capsys.readouterr().out.partition("\n")[0]
        assert usage.count("FILE") == 1
        assert "[[" not in usage

    def test_a_wrong_choice_is_told_without_the_validators_words(self, orders: str, capsys: Captured) -> None:
        assert call(["run", orders, "--log-level", "loud"]) == 2
        assert "Invalid value for '--log-level': 'loud' is not one of" in capsys.readouterr().err

    def test_a_sink_inside_the_state_is_refused(self, orders: str, tmp_path: Path, capsys: Captured) -> None:
        (tmp_path / "odd.yaml").write_text(PIPELINE.replace("./out", "./state/out"), encoding="utf-8")
        assert call(["validate", "odd.yaml"]) == 2
        assert "odd.yaml:7:3 [graph.root] node 'lake' would store in the folder of the state" in capsys.readouterr().err

    @pytest.mark.parametrize("outer", [".", "./out/..", "./state/.."])
    def test_a_state_inside_a_sinks_root_is_refused(
        self, orders: str, tmp_path: Path, capsys: Captured, outer: str
    ) -> None:
        (tmp_path / "odd.yaml").write_text(PIPELINE.replace("./out", outer), encoding="utf-8")
        assert call(["validate", "odd.yaml"]) == 2
        found = capsys.readouterr().err
        assert f"[graph.root] node 'lake' has a root around the folder of the state, {tmp_path}/state" in found

    @pytest.mark.parametrize(("dir", "way"), [("./out/spool", "has a root around"), (".", "would store in")])
    def test_a_spool_folder_and_a_sinks_root_are_not_one_in_the_other(
        self, orders: str, tmp_path: Path, capsys: Captured, dir: str, way: str
    ) -> None:
        (tmp_path / "odd.yaml").write_text(
            PIPELINE.replace("type: spool", f"type: spool, dir: {dir}"), encoding="utf-8"
        )
        assert call(["validate", "odd.yaml"]) == 2
        assert f"[graph.root] node 'lake' {way} the folder of node 'spool'" in capsys.readouterr().err


class TestGraph:
    @pytest.mark.parametrize(
        ("arguments", "starts"),
        [
            ([], "---\ntitle"),
            (["--format", "dot"], "digraph {"),
            (["--format", "svg"], "<svg "),
            (["--format", "json"], "{"),
            (["--json"], "{"),
        ],
    )
    def test_formats(self, orders: str, arguments: list[str], starts: str, capfdbinary: Any) -> None:
        assert call(["graph", orders, *arguments]) == 0
        assert capfdbinary.readouterr().out.decode().startswith(starts)

    def test_the_name_of_the_output_says_the_format(self, orders: str, tmp_path: Path) -> None:
        assert call(["graph", orders, "-o", "orders.svg"]) == 0
        assert (tmp_path / "orders.svg").read_text(encoding="utf-8").startswith("<svg ")

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--json", "--format", "svg"], "--json is another format than --format svg"),
            (["-o", "orders.png"], "there is no diagram format for the ending of orders.png"),
        ],
    )
    def test_what_cannot_be_drawn_is_refused(
        self, orders: str, arguments: list[str], told: str, tmp_path: Path, capsys: Captured
    ) -> None:
        assert call(["graph", orders, *arguments]) == 2
        out, err = capsys.readouterr()
        assert told in out + err
        assert not (tmp_path / "orders.png").exists()

    def test_a_format_that_is_said_wins_over_the_ending(self, orders: str, tmp_path: Path) -> None:
        assert call(["graph", orders, "--format", "dot", "-o", "orders.txt"]) == 0
        assert (tmp_path / "orders.txt").read_text(encoding="utf-8").startswith("digraph {")

    def test_an_output_that_cannot_be_written_is_refused_by_the_environment(
        self, orders: str, capsys: Captured
    ) -> None:
        assert call(["graph", orders, "-o", "missing/orders.svg"]) == 3
        assert "[output.unwritable]" in capsys.readouterr().err


class TestStatus:
    def test_it_tells_what_a_run_has_stored(self, orders: str, capsys: Captured) -> None:
        Path(orders).write_text(PIPELINE.replace("type: demo", "type: demo, rows: 1000, tables: 2"), encoding="utf-8")
        assert call(["run", "--json", orders]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["rows_stored"] == report["rows_in"] >= 1000
        assert call(["status", orders]) == 0
        out = capsys.readouterr().out
        assert out.startswith("orders   not running\n")
        assert f"checkpoint    {report['checkpoints']['changes']}  (changes, 2026-01-01 00:00:00." in out
        assert f"lake: {report['rows_stored']:,} rows in {report['files']} files" in out
        assert call(["status", "--state", "state", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["sinks"]["lake"]["rows"] == report["rows_stored"]

    def test_files_of_a_dead_run_are_told_as_such(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
    ) -> None:
        found = StateStatus(
            directory=tmp_path,
            pipeline="orders",
            locked=False,
            holder=None,
            checkpoints={},
            sinks={},
            intents=(IntentStatus("lake", "a/b/1/CDC1.csv", 1, 10), IntentStatus("lake", "a/c/1/CDC1.csv", 2, 20)),
            schemas={},
            migrations=(),
            created_at="2024-01-01T00:00:00+00:00",
            updated_at=None,
            outages={"lake": OutageStatus("put", "a/b/1/CDC1.csv", "refused", "2024-01-01T00:00:09+00:00")},
        )
        monkeypatch.setattr("afterbay.state.status.read_status", lambda _: found)
        assert call(["status", "--state", "state"]) == 0
        out = capsys.readouterr().out
        assert "checkpoint    none yet" in out
        failing = "lake: put of 'a/b/1/CDC1.csv' since 2024-01-01T00:00:09+00:00: refused  (tried again)"
        assert f"failing       {failing}\n" in out
        assert "under way     2 files, 3 rows  (begun by a run that died; the next run settles them)" in out

    def test_without_a_state_it_says_what_to_do(self, orders: str, capsys: Captured) -> None:
        assert call(["status", orders]) == 3
        assert "run the pipeline once" in capsys.readouterr().err


class TestNodes:
    def test_the_list_has_every_ready_node_sources_first(self, capsys: Captured) -> None:
        assert call(["nodes", "list", "--json"]) == 0
        found = {item["type"]: item for item in json.loads(capsys.readouterr().out)}
        assert {"demo", "change_log", "filter", "route", "select_columns", "encode_csv", "encode_canal_json"} <= set(
            found
        )
        assert {"python", "spool", "cloud_storage", "blackhole"} <= set(found)
        assert next(iter(found)) in ("change_log", "demo")
        assert (found["encode_csv"]["takes"], found["encode_csv"]["gives"]) == ("ChangeBatch", "EncodedBatch")
        assert [name for name, item in found.items() if not item["summary"]] == []

    def test_a_node_is_shown_with_its_keys(self, capsys: Captured) -> None:
        assert call(["nodes", "show", "demo"]) == 0
        out = capsys.readouterr().out
        assert "demo   source, nothing -> ChangeBatch" in out
        seed = next(line for line in out.splitlines() if line.startswith("seed "))
        assert seed.split(maxsplit=3) == ["seed", "integer", "0", "another seed moves other amounts"]

    def test_every_key_of_every_node_can_be_shown(self, capsys: Captured) -> None:
        call(["nodes", "list", "--json"])
        for item in json.loads(capsys.readouterr().out):
            assert call(["nodes", "show", item["type"], "--json"]) == 0
            shown = json.loads(capsys.readouterr().out)
            assert [key["name"] for key in shown["keys"] if not key["type"]] == []

    def test_an_unknown_type_gets_a_suggestion(self, capsys: Captured) -> None:
        assert call(["nodes", "show", "cloud_storge"]) == 2
        assert "did you mean 'cloud_storage'?" in capsys.readouterr().err


class TestSchema:
    def test_it_is_json_for_editors(self, capfdbinary: Any) -> None:
        assert call(["schema"]) == 0
        assert "properties" in json.loads(capfdbinary.readouterr().out)

    def test_with_an_output_json_tells_the_file(self, tmp_path: Path, capsys: Captured) -> None:
        assert call(["schema", "--json", "-o", str(tmp_path / "s.json")]) == 0
        assert json.loads(capsys.readouterr().out) == {"file": str(tmp_path / "s.json")}
        assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))


class TestInit:
    @pytest.mark.parametrize("source", list(Source))
    def test_what_it_writes_validates(self, source: Source, orders: str, capsys: Captured) -> None:
        assert call(["init", "new.yaml", "--source", source.value]) == 0
        assert "afterbay run new.yaml" in capsys.readouterr().out
        assert call(["validate", "new.yaml"]) == 0

    def test_it_never_overwrites(self, orders: str, capsys: Captured) -> None:
        assert call(["init", orders]) == 2
        assert "[init.exists]" in capsys.readouterr().err
        assert Path(orders).read_text(encoding="utf-8") == PIPELINE

    def test_a_folder_that_is_not_there_is_refused_by_the_environment(self, orders: str, capsys: Captured) -> None:
        assert call(["init", "missing/new.yaml"]) == 3
        assert "[init.unwritable]" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("file", "name"),
        [
            ("orders.yaml", "orders"),
            ("2024.yaml", "pipeline-2024"),
            ("null.yml", "pipeline-null"),
            ("å b: c.yaml", "b-c"),
        ],
    )
    def test_the_name_is_always_a_name(self, file: str, name: str) -> None:
        assert pipeline_name(Path(file)) == name


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeRun], list[dict[str, Any]]]:
    """Makes `afterbay run` start the given run; returns the calls that started it."""

    def use(run: FakeRun) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def start(plan: object, **options: Any) -> FakeRun:
            calls.append(options)
            run.telemetry = options["telemetry"]
            return run

        monkeypatch.setattr("afterbay.runtime.run.start", start)
        return calls

    return use


Starts = Callable[[FakeRun], list[dict[str, Any]]]


class TestRun:
    def test_progress_on_stderr_and_the_summary_on_stdout(self, orders: str, starts: Starts, capsys: Captured) -> None:
        starts(FakeRun([goes_on, ends("completed")]))
        assert call(["run", orders]) == 0
        out, err = capsys.readouterr()
        assert out.startswith("orders: completed in 2.00 s\n")
        assert f"afterbay status {orders}" in out
        assert err.splitlines()[1].startswith("00:0")

    def test_json_gives_the_report_alone(self, orders: str, starts: Starts, capsys: Captured) -> None:
        starts(FakeRun([ends("drained")]))
        assert call(["run", "--json", orders]) == 0
        assert json.loads(capsys.readouterr().out)["outcome"] == "drained"

    def test_quiet_says_nothing(self, orders: str, starts: Starts, capsys: Captured) -> None:
        starts(FakeRun([goes_on, ends("completed")]))
        assert call(["run", "--quiet", orders]) == 0
        assert capsys.readouterr() == ("", "")

    @pytest.mark.parametrize(
        ("arguments", "until"),
        [([], None), (["--until", "caught-up"], "caught-up"), (["--until", "1m30s"], 90.0)],
    )
    def test_until_is_a_word_or_a_time(self, arguments: list[str], until: object, orders: str, starts: Starts) -> None:
        calls = starts(FakeRun([ends("completed")]))
        assert call(["run", orders, *arguments]) == 0
        assert calls[0]["until"] == until
        assert calls[0]["adopt"] is False

    def test_a_failed_run_exits_1_with_every_finding(self, orders: str, starts: Starts, capsys: Captured) -> None:
        def fails(_: FakeRun) -> None:
            raise ExceptionGroup("failed", [RunFailed("store.full", "no room"), RunFailed("csv.value", "no number")])

        starts(FakeRun([fails]))
        assert call(["run", orders]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "[store.full] no room" in err
        assert "[csv.value] no number" in err

    def test_threads_that_cannot_be_ended_end_the_process(
        self, orders: str, starts: Starts, monkeypatch: pytest.MonkeyPatch, capsys: Captured
    ) -> None:
        def hangs(_: FakeRun) -> None:
            raise RunFailed("run.stuck", "thread 'orders/lake' has not ended: …")

        class Gone(BaseException):
            pass

        def exit_now(code: int) -> None:
            raise Gone(code)

        monkeypatch.setattr("os._exit", exit_now)
        starts(FakeRun([hangs]))
        with pytest.raises(Gone) as gone:
            call(["run", orders])
        assert gone.value.args == (1,)
        assert "orders/lake" in capsys.readouterr().err

    def test_a_bad_pipeline_starts_nothing(self, orders: str, starts: Starts) -> None:
        Path(orders).write_text("nodes: {}\n", encoding="utf-8")
        calls = starts(FakeRun([]))
        assert call(["run", orders]) == 2
        assert calls == []
