"""What `afterbay run` says of a change log: lines that it put aside, runs that go on, and logs that moved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from afterbay.cli.app import call
from tests.support.canal import ddl, row, watermark, write

CREATE = "CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR(10))"

Captured = pytest.CaptureFixture[str]


class Pipeline:
    """A change log to CSV files, in the current directory."""

    def __init__(self, capsys: Captured) -> None:
        self._capsys = capsys
        self.log: dict[str, Any] = {"type": "change_log", "path": "log.jsonl"}

    def run(self, *options: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        nodes = {
            "log": self.log,
            "csv": {"type": "encode_csv", "inputs": "log", "include_commit_ts": True},
            "spool": {"type": "spool", "inputs": "csv"},
            "lake": {"type": "cloud_storage", "inputs": "spool", "uri": "./lake", "date_separator": "none"},
        }
        Path("p.yaml").write_text(json.dumps({"name": "p", "state": "./state", "nodes": nodes}), encoding="utf-8")
        code = call(["run", "p.yaml", *options])
        return code, *self._capsys.readouterr()

    def report(self, *options: str) -> dict[str, Any]:
        """The report of a run that went well."""
        code, out, err = self.run("--json", *options)
        assert code == 0, err + out
        found = json.loads(out)
        assert isinstance(found, dict)
        return found


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Pipeline:
    monkeypatch.chdir(tmp_path)
    return Pipeline(capsys)


def one(commit_ts: int, number: int) -> bytes:
    return row("t", commit_ts, {"id": str(number), "v": "x"})


def stored() -> list[str]:
    """The ids in the lake, in order."""
    lines = [line for file in sorted(Path("lake").rglob("*.csv")) for line in file.read_text().splitlines()]
    return [line.split(",")[4] for line in lines]


def test_lines_that_were_put_aside_are_counted_with_their_file(pipeline: Pipeline) -> None:
    write(Path("log.jsonl"), ddl(5, CREATE), one(10, 1), b"{no", one(30, 3), b"neither", watermark(30))
    pipeline.log |= {"on_bad_line": "reject", "rejects": "./rej.jsonl"}
    code, out, _ = pipeline.run()
    assert code == 0
    assert "  rejected      2  (bad lines, in ./rej.jsonl)\n" in out
    assert len(Path("rej.jsonl").read_text().splitlines()) == 2
    again = pipeline.report()
    assert (again["lines_rejected"], again["rejects"]) == (0, ["./rej.jsonl"])


def test_the_report_as_data_counts_them_too(pipeline: Pipeline) -> None:
    write(Path("log.jsonl"), ddl(5, CREATE), one(10, 1), b"{no", watermark(30))
    pipeline.log |= {"on_bad_line": "reject", "rejects": "./rej.jsonl"}
    found = pipeline.report()
    assert (found["lines_rejected"], found["rejects"]) == (1, ["./rej.jsonl"])
    assert stored() == ["1"]


def test_rejects_inside_the_input_are_refused_with_their_place(pipeline: Pipeline) -> None:
    write(Path("log.jsonl"), ddl(5, CREATE), b"{no")
    pipeline.log |= {"path": "*.jsonl", "on_bad_line": "reject", "rejects": "zrej.jsonl"}
    code, _, err = pipeline.run()
    assert code == 2
    assert "p.yaml:1:" in err
    assert "`rejects` 'zrej.jsonl' is one of the files that `path` '*.jsonl' reads" in err
    assert not Path("zrej.jsonl").exists()


# -- logs that moved


def test_a_log_may_be_moved_and_renamed_between_two_runs(pipeline: Pipeline) -> None:
    log = write(Path("log.jsonl"), ddl(5, CREATE), one(10, 1), watermark(10))
    pipeline.report()
    Path("archive").mkdir()
    moved = log.rename("archive/events.jsonl").absolute()
    with moved.open("ab") as file:
        file.write(one(11, 2) + b"\n" + watermark(11) + b"\n")
    pipeline.log["path"] = str(moved)
    again = pipeline.report()
    assert (again["rows_in"], again["rows_repeated"]) == (1, 0)
    assert stored() == ["1", "2"]


def test_the_files_of_a_log_may_move_to_another_folder_together(pipeline: Pipeline) -> None:
    Path("old").mkdir()
    write(Path("old/1.jsonl"), ddl(5, CREATE), one(10, 1), watermark(10))
    write(Path("old/2.jsonl"), one(11, 2), watermark(11))
    pipeline.log["path"] = "old/*.jsonl"
    pipeline.report()
    Path("old").rename("new")
    write(Path("new/3.jsonl"), one(12, 3), watermark(12))
    pipeline.log["path"] = "./new/*.jsonl"
    assert pipeline.report()["rows_in"] == 1
    assert stored() == ["1", "2", "3"]


def test_another_log_in_its_place_is_refused(pipeline: Pipeline) -> None:
    """The path is no part of the state's identity: the cursor alone tells the logs apart, and it does (I10)."""
    write(Path("log.jsonl"), ddl(5, CREATE), one(10, 1), watermark(10))
    write(Path("other.jsonl"), ddl(6, CREATE), one(20, 7), one(21, 8), watermark(21))
    pipeline.report()
    pipeline.log["path"] = "other.jsonl"
    code, _, err = pipeline.run()
    assert code == 1
    assert "[change_log.cursor] the file was changed, or is of another log" in err
    write(Path("log.jsonl"), ddl(6, CREATE), one(20, 7), one(21, 8), watermark(21))
    pipeline.log["path"] = "log.jsonl"
    assert "[change_log.cursor]" in pipeline.run()[2]
    assert stored() == ["1"]


# -- stdin


@contextmanager
def piped(*lines: bytes) -> Iterator[None]:
    """Stdin has these lines."""
    with write(Path("stdin"), *lines).open("rb") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", file)
        yield


@pytest.mark.parametrize("known", [0, 1, 3], ids=["only what is new", "the last watermark", "all from the start"])
def test_a_stream_goes_on_by_commit_ts_wherever_it_begins(pipeline: Pipeline, known: int) -> None:
    first = [ddl(5, CREATE), one(10, 1), watermark(10)]
    pipeline.log["path"] = "-"
    with piped(*first):
        pipeline.report()
    with piped(*first[len(first) - known :], one(11, 2), watermark(11)):
        again = pipeline.report()
    assert (again["rows_repeated"], again["rows_in"]) == (1 if known == 3 else 0, 1)
    assert stored() == ["1", "2"]


def test_a_state_of_a_stream_is_not_a_files(pipeline: Pipeline) -> None:
    pipeline.log["path"] = "-"
    with piped(ddl(5, CREATE), one(10, 1), watermark(10)):
        pipeline.report()
    pipeline.log["path"] = str(write(Path("log.jsonl"), ddl(5, CREATE), one(10, 1), watermark(10)))
    code, _, err = pipeline.run()
    assert code == 2
    assert 'log.path: "-" -> "files"' in err


# -- how long


def test_a_log_is_followed_for_as_long_as_was_said(pipeline: Pipeline) -> None:
    """At its end it waits for more, until the time is up: "ten minutes" are ten minutes."""
    write(Path("log.jsonl"), ddl(5, CREATE), one(10, 1), watermark(10))
    followed = pipeline.report("--until", "300ms")
    assert followed["outcome"] == "time-up"
    assert followed["seconds"] >= 0.3
    assert pipeline.report()["outcome"] == "completed"
    assert stored() == ["1"]


def test_the_summary_says_that_the_time_was_up(pipeline: Pipeline) -> None:
    write(Path("log.jsonl"), ddl(5, CREATE), one(10, 1), watermark(10))
    assert pipeline.run("--until", "300ms")[1].startswith("p: time was up, drained after 0.")


# -- where


def test_a_run_begins_by_saying_where_its_state_and_its_roots_are(pipeline: Pipeline, tmp_path: Path) -> None:
    write(Path("log.jsonl"), ddl(5, CREATE), one(10, 1), watermark(10))
    said = f"state in {tmp_path}/state, stored in {tmp_path}/lake\n"
    assert pipeline.run()[2].startswith(said)
    assert said not in pipeline.run("--quiet")[2]
    Path("lake/t").mkdir(parents=True, exist_ok=True)
    Path("lake").rename("elsewhere")
    code, _, err = pipeline.run()
    assert code == 3
    assert err.startswith(said), "also where the run is refused: that is when one needs it"


# -- how far


AT = 463267587696885760


def test_a_second_run_says_that_nothing_is_new_how_much_there_is_and_until_when(
    pipeline: Pipeline, capsys: Captured
) -> None:
    write(Path("log.jsonl"), ddl(AT - 2, CREATE), one(AT - 1, 1), one(AT, 2), watermark(AT))
    first = pipeline.report()
    assert (first["ddls"], first["ddls_stored"], first["rows_stored_so_far"]) == (1, 1, 2)
    _, out, _ = pipeline.run()
    assert "  nothing new   2 rows stored so far\n" in out
    assert f"  checkpoint    {AT}  (log, 2026-01-01 00:00:00.040 UTC)\n" in out
    assert pipeline.report()["checkpoint_times"] == {"log": "2026-01-01T00:00:00.040+00:00"}
    assert call(["status", "p.yaml"]) == 0
    assert f"checkpoint    {AT}  (log, 2026-01-01 00:00:00.040 UTC; committed 20" in capsys.readouterr().out
    assert call(["status", "p.yaml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoint_times"] == {"log": "2026-01-01T00:00:00.040+00:00"}
    assert call(["status", "--state", "state"]) == 0
    assert f"checkpoint    {AT}  (log; committed 20" in capsys.readouterr().out
