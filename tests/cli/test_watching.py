"""`top`, `tap` and `ui` as a user has them, beside a run in another process."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import COMMAND, afterbay, started
from tests.support.live import until

FILE = """
name: orders
state: ./state
sensitive: [owner]
nodes:
  bank: {type: demo, rows: 1000000000}
  csv: {type: encode_csv, inputs: bank}
  lake: {type: blackhole, inputs: csv}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which a pipeline runs."""
    (tmp_path / "orders.yaml").write_text(FILE)
    with started("run", "orders.yaml", cwd=tmp_path, errors=tmp_path / "errors") as run:
        until((tmp_path / "state" / "live.sock").exists, bool)
        yield tmp_path
        run.send_signal(signal.SIGTERM)


def test_top_tells_what_the_nodes_do_in_plain_lines(folder: Path) -> None:
    done = afterbay("top", "orders.yaml", "--once", cwd=folder)
    assert done.exit_code == 0, done.err
    assert "\x1b" not in done.out
    assert done.out.startswith("orders   running for")
    for word in ("bank", "csv", "lake", "rows/s", "blocked"):
        assert word in done.out
    found = afterbay("top", "--state", "state", "--once", "--json", cwd=folder).data
    assert found["live"] is True
    assert [node["name"] for node in found["figures"]["nodes"]] == ["bank", "csv", "lake"]
    assert found["figures"]["nodes"][0]["rows_per_second"] is not None


def test_tap_prints_some_rows_and_says_what_it_left_out(folder: Path) -> None:
    done = afterbay("tap", "orders.yaml", "bank", "--rows", "4", "--json", cwd=folder)
    assert done.exit_code == 0, done.err
    rows = [json.loads(line)["row"] for line in done.out.splitlines()]
    assert len(rows) == 4
    assert {row["owner"] for row in rows if "owner" in row} <= {"[redacted]"}
    assert "passed bank; 4 shown" in done.err
    assert " as csv, " in afterbay("tap", "orders.yaml", "csv", "--rows", "1", cwd=folder).out
    wrong = afterbay("tap", "orders.yaml", "nobody", "--json", cwd=folder)
    assert (wrong.exit_code, wrong.codes) == (2, ["tap.node"])


def test_without_a_run_tap_is_refused_and_top_shows_the_last(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(FILE.replace("1000000000", "1000"))
    assert afterbay("top", "orders.yaml", "--json", cwd=tmp_path).codes == ["state.absent"]
    assert afterbay("run", "orders.yaml", "--quiet", cwd=tmp_path).exit_code == 0
    assert afterbay("tap", "orders.yaml", "bank", "--json", cwd=tmp_path).codes == ["live.absent"]
    assert "not running; figures of the last run" in afterbay("top", "orders.yaml", cwd=tmp_path).out


@pytest.mark.parametrize("call", [("ui", "--port", "0"), ("run", "--ui", "0")])
def test_a_page_is_served_until_it_is_stopped(call: tuple[str, ...], tmp_path: Path) -> None:
    verb, *options = call
    (tmp_path / "orders.yaml").write_text(FILE)
    afterbay("run", "orders.yaml", "--until", "1s", "--quiet", cwd=tmp_path)
    errors = tmp_path / "told"
    with errors.open("wb") as file:
        page = subprocess.Popen([*COMMAND, verb, "orders.yaml", *options], cwd=tmp_path, stderr=file)
    try:
        told = until(lambda: errors.read_text(), lambda text: "http://" in text and text.endswith("\n"))
        (url,) = [line for line in told.splitlines() if line.startswith("http://127.0.0.1:")]
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert b"<title>Afterbay</title>" in answer.read()
        with urllib.request.urlopen(f"{url}events", timeout=30) as events:
            kinds = [line for line in (events.readline() for _ in range(8)) if line.startswith(b"event")]
            assert kinds[:2] == [b"event: graph\n", b"event: look\n"]
        page.send_signal(signal.SIGINT)
        assert page.wait(60) == 0
    finally:
        page.kill()
        page.wait()
