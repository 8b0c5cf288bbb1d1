"""Crashes: by a real SIGKILL, and by an image of the files taken in front of every statement."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from afterbay.state.lock import lock_state
from tests.support.state import SINK, SOURCE, Run, Wire, image, intent, open_state, schema

# The child holds still at a point of its life, says so, and is killed there.
CHILD = """
import sys
from pathlib import Path
from tests.support.state import Run, Wire, intent, is_commit

def hold(word):
    print(word, flush=True)
    sys.stdin.read()

directory, point = Path(sys.argv[1]), sys.argv[2]
wire = Wire()
run = Run(directory, wire=wire, on_checkpoint=lambda *_: hold("told") if point == "told" else None)
token = run.ledger.mint(7, "d1")
run.ledger.promise(7, {"at": 7})
begun = run.state.begin(intent(7, 1))
if point == "begun":
    hold("begun")
if point == "committing":
    wire.before = lambda sql: hold("committing") if is_commit(sql) else None
run.state.finish(begun, [token])
"""


def killed_at(point: str, directory: Path) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), point],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == f"{point}\n"
        assert lock_state(directory).locked
        child.kill()
        child.wait()


def test_i6_killed_between_begin_and_finish_the_intent_is_there(tmp_path: Path) -> None:
    killed_at("begun", tmp_path)
    run = Run(tmp_path)
    assert [item.intent for item in run.state.restart.intents] == [intent(7, 1)]
    assert (run.state.restart.positions, run.state.restart.checkpoints) == ({}, {})
    run.state.close()


def test_i2_killed_before_the_commit_neither_file_nor_checkpoint_is_there(tmp_path: Path) -> None:
    killed_at("committing", tmp_path)
    state = open_state(tmp_path)
    assert [item.intent for item in state.restart.intents] == [intent(7, 1)]
    assert (state.restart.positions, state.restart.checkpoints) == ({}, {})
    state.close()


def test_i2_killed_before_the_source_was_told_file_and_checkpoint_are_there(tmp_path: Path) -> None:
    killed_at("told", tmp_path)
    state = open_state(tmp_path)
    assert state.restart.intents == ()
    assert state.restart.positions[SINK, SOURCE, "d1"].row == intent(7, 1).last
    assert state.restart.checkpoints[SOURCE].commit_ts == 7
    state.close()


def images_of(life: Callable[[Wire], None], directory: Path, to: Path) -> list[Path]:
    """Runs `life` on `directory` and keeps an image of its files in front of every statement, and of the end."""
    images: list[Path] = []

    def before(_: str) -> None:
        images.append(image(directory, to / str(len(images))))

    life(Wire(before))
    before("the end")
    return images


def test_a_crash_at_any_statement_of_the_making_leaves_a_fresh_state(tmp_path: Path) -> None:
    """Empty file, half the migrations, no name yet: the next start goes on from there."""
    home = tmp_path / "home"
    home.mkdir()
    crashed = images_of(lambda wire: open_state(home, wire=wire).close(), home, tmp_path)
    assert len(crashed) > 30
    for directory in crashed:
        state = open_state(directory)
        assert state.restart.fresh
        state.claim(SINK)
        state.close()


def test_i1_i6_a_crash_at_any_statement_of_a_run_leaves_one_of_its_states(tmp_path: Path) -> None:
    home = tmp_path / "home"
    open_state(home).close()

    def life(wire: Wire) -> None:
        run = Run(home, wire=wire)
        run.state.claim(SINK)
        run.state.schema(SOURCE, "d1", 3, schema(3))
        run.store(7, 1)
        run.state.withdraw(run.state.begin(intent(8, 2)))
        run.store(9, 2)
        run.state.close()

    seen: list[tuple[int | None, int, int, int | None]] = []
    for directory in images_of(life, home, tmp_path):
        state = open_state(directory)
        restart = state.restart
        checkpoint = restart.checkpoints.get(SOURCE)
        position = restart.positions.get((SINK, SOURCE, "d1"))
        durable = position.row.commit_ts if position is not None else 0
        if checkpoint is not None:
            assert checkpoint.commit_ts == durable  # never ahead of what is stored
            assert restart.schemas[SOURCE]["d1"] == schema(3)
        number = state.directory_number(SINK, "bank/d1/1")
        at = (checkpoint.commit_ts if checkpoint else None, durable, len(restart.intents), number)
        if not seen or seen[-1] != at:
            seen.append(at)
        state.close()
    assert seen == [
        (None, 0, 0, None),
        (None, 0, 1, 1),
        (7, 7, 0, 1),
        (7, 7, 1, 2),
        (7, 7, 0, 1),
        (7, 7, 1, 2),
        (9, 9, 0, 2),
    ]
