"""Each named point of a run raises, hangs or dies, before it does its work and after: what a user sees, and that
nothing is lost or stored twice (I1, I5, I6, I9).
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Literal

import pytest

from afterbay.cli.failure import Failure
from tests.support.canal import ddl, row, watermark
from tests.support.faulty_process import Orders, environment
from tests.support.points import POINTS, Fault, arm
from tests.support.road import Road, small_batches

CREATE = "CREATE TABLE {} (id BIGINT PRIMARY KEY, v VARCHAR(99))"
LINES = [
    ddl(5, CREATE.format("t")),
    ddl(6, CREATE.format("u")),
    *(row(name, 10 + 2 * n, {"id": str(n), "v": "x" * 60}) for n in range(40) for name in ("t", "u")),
    watermark(100),
    ddl(110, "ALTER TABLE t ADD COLUMN w BIGINT"),
    ddl(120, "TRUNCATE TABLE u"),
    *(row("u", 130 + n, {"id": str(n), "v": "y" * 60}) for n in range(40)),
    watermark(200),
]
STORED = {"t": [str(n) for n in range(40)], "u": [str(n) for n in range(40)] * 2}
FORMAT = {"date_separator": "none", "file_size": "1KiB", "shards": 2}
SPOOL = {"memory": "0B", "disk_quota": "1MiB", "segment": "16KiB"}
LATER = {"state.commit": 20, "disk.fsync": 24, "disk.fdatasync": 8, "disk.writev": 8, "disk.unlink": 8, "node.work": 8}
"""Which call of a point it is, behind those of the start; the second of the others, or the first of what comes once."""
ONCE = ("sink.recover", "sink.finish", "source.ddl", "barrier.wait", "barrier.arrive", "sink.schema", "state.ddl")

When = Literal["before", "after"]


def at(point: str, when: When, deed: Literal["raise", "hang", "kill"]) -> Fault:
    return Fault(point, LATER.get(point, 1 if point in ONCE else 2), when, deed)


@pytest.fixture
def road(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Road:
    small_batches(monkeypatch)
    return Road(tmp_path, FORMAT, spool=SPOOL)


def ends_well(road: Road) -> None:
    """A run without faults stores what is missing: all is there, once, in order."""
    road.run(*LINES)
    bucket = road.read(date="none")
    assert {name: [found.values[0] for found in bucket.rows("shop", name)] for name in STORED} == STORED
    assert (bucket.unindexed, bucket.checkpoint) == ((), 200)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", POINTS)
def test_a_point_that_raises_fails_the_run_with_exit_1(
    road: Road, monkeypatch: pytest.MonkeyPatch, point: str, when: When
) -> None:
    met: list[Fault] = []
    with monkeypatch.context() as faults:
        arm([at(point, when, "raise")], met.append, faults.setattr)
        if (point, when) == ("disk.rename", "after"):
            road.run(*LINES)  # what was replaced is replaced again
            assert met
            return
        with pytest.raises(Exception) as caught:  # noqa: PT011 - what it is, the next lines say
            road.run(*LINES)
    assert met
    failure = Failure.of(caught.value)
    assert failure.exit_code == 1
    assert any(str(met[0]) in item.message for item in failure.diagnostics), "the cause is told"
    ends_well(road)


def disturbed(road: Road, fault: Fault) -> subprocess.Popen[str]:
    """The same run as a process of its own, with a fault."""
    orders = Orders([fault], fired=str(road.folder / "fired"), small=True)
    command = orders.command(road.folder, "run", road.write(*LINES), "--json", "--quiet", "--stop-timeout", "1s")
    return subprocess.Popen(
        command, cwd=road.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


@pytest.mark.parametrize("point", POINTS)
def test_a_point_that_hangs_is_named_when_the_run_is_stopped(road: Road, point: str) -> None:
    """SIGTERM: the drain ends in its time, whatever hangs; what cannot be ended is named with its stack. A start that
    hangs has nothing to drain: a second signal ends it.
    """
    fired = road.folder / "fired"
    with disturbed(road, at(point, "before", "hang")) as process:
        try:
            while not fired.exists():
                assert process.poll() is None, "it ended before it came there"
                time.sleep(0.01)
            process.terminate()
            if point == "sink.recover":
                time.sleep(0.1)
                process.terminate()
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    if point == "sink.recover":
        assert process.returncode == 128 + signal.SIGTERM
    else:
        assert process.returncode == 1, out
        (stuck,) = [item for item in json.loads(out)["diagnostics"] if item["code"] == "run.stuck"]
        assert "released.wait()" in stuck["message"], "the stack shows where"
        assert stuck["protects"] == "I9"
    ends_well(road)


@pytest.mark.parametrize("point", POINTS)
def test_a_process_that_is_killed_at_a_point_loses_nothing(road: Road, point: str) -> None:
    """Before the call at every other point, after it at the rest; the chaos run tries both everywhere."""
    when: When = "before" if list(POINTS).index(point) % 2 else "after"
    with disturbed(road, at(point, when, "kill")) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, out
    assert (road.folder / "fired").read_text() == f"kill {when} {point}\n"
    ends_well(road)
