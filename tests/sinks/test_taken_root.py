"""A root belongs to the one state that took it while it was empty, whoever else comes at the same moment (I4, I6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterbay.errors import EnvironmentRefused
from tests.sinks.test_storage_sink import Crash, Lake, crash_at, rows
from tests.support import faulty_store
from tests.support.flow import SCRIPTS, Event, Promise

FIRST: list[Event] = [rows("a", 1, 3), Promise(3)]
SECOND: list[Event] = [*FIRST, rows("a", 4, 5), Promise(5)]
PLAIN = b'{"checkpoint-ts":0}'


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    SCRIPTS.clear()
    return Lake(tmp_path / "ours")


@pytest.fixture
def other(lake: Lake, tmp_path: Path) -> Lake:
    """Another pipeline, with a state of its own, on the same root."""
    other = Lake(tmp_path / "theirs")
    other.root = lake.root
    return other


def refused(lake: Lake) -> None:
    with pytest.raises(EnvironmentRefused, match=r"root_not_empty.*for example"):
        lake.run(*FIRST)


def test_a_root_that_a_state_has_taken_and_not_written_to_is_taken(lake: Lake, other: Lake) -> None:
    lake.run()
    assert (lake.root / "metadata").read_bytes() == PLAIN
    refused(other)
    lake.run(*FIRST)
    refused(other)
    assert lake.stored("s/a/0") == [1, 2, 3]


@pytest.mark.parametrize("adopt", [False, True])
@pytest.mark.parametrize("idle", [False, True])
def test_of_two_that_find_the_root_empty_one_gets_it(
    lake: Lake, other: Lake, monkeypatch: pytest.MonkeyPatch, idle: bool, adopt: bool
) -> None:
    """We have looked and claimed it in our state; before our mark is there, the other one comes and goes."""
    theirs = [] if idle else FIRST

    def hook(call: str, key: str, when: str) -> None:
        if call == "put_if_absent" and key == "metadata" and when == "before":
            faults.undo()
            other.run(*theirs)

    with monkeypatch.context() as faults:
        faulty_store.install(faults, hook)
        with pytest.raises(EnvironmentRefused, match=r"root_not_empty.*'metadata'"):
            lake.run(*SECOND, adopt=adopt)
    refused(lake)  # its claim is given back
    other.run(*SECOND)
    assert lake.stored("s/a/0") == [1, 2, 3, 4, 5]


STEPS = [(call, when) for call in ("put_if_absent", "replace") for when in ("before", "after")]


@pytest.mark.parametrize(("call", "when"), STEPS)
def test_a_crash_while_the_root_is_taken_leaves_it_ours(
    lake: Lake, other: Lake, monkeypatch: pytest.MonkeyPatch, call: str, when: str
) -> None:
    """Claimed and no mark; a mark that the state has not noted; noted, and not plain yet; plain."""
    with monkeypatch.context() as faults:
        faulty_store.install(faults, crash_at(call, "metadata", when))
        with pytest.raises(Crash):
            lake.run(*FIRST)
    there = (lake.root / "metadata").read_bytes() if (lake.root / "metadata").exists() else None
    if there is not None:
        assert there.startswith(b'{"checkpoint-ts":0'), "what a reader finds in between"
        refused(other)
        assert (lake.root / "metadata").read_bytes() == there
    lake.run()
    assert (lake.root / "metadata").read_bytes() == PLAIN
    lake.run(*FIRST)
    assert lake.stored("s/a/0") == [1, 2, 3]
    assert lake.checkpoint() == 3


@pytest.mark.parametrize("idle", [False, True])
def test_a_crash_before_the_mark_loses_the_root_to_who_came_meanwhile(
    lake: Lake, other: Lake, monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    with monkeypatch.context() as faults:
        faulty_store.install(faults, crash_at("put_if_absent", "metadata", "before"))
        with pytest.raises(Crash):
            lake.run(*FIRST)
    other.run(*([] if idle else FIRST))
    refused(lake)
    other.run(*SECOND)
    assert lake.stored("s/a/0") == [1, 2, 3, 4, 5]
    lake.run(*FIRST, adopt=True)  # its claim was given back: it is asked as a fresh state is
    assert lake.stored("s/a/0") == [1, 2, 3, 4, 5, 1, 2, 3]


def test_a_root_that_was_emptied_before_anything_was_stored_is_taken_again(lake: Lake, other: Lake) -> None:
    lake.run()
    (lake.root / "metadata").unlink()
    lake.run()
    refused(other)
    (lake.root / "metadata").unlink()
    other.run(*FIRST)
    with pytest.raises(EnvironmentRefused, match="state_older"):
        lake.run(*FIRST)


def test_an_adopted_root_without_a_checkpoint_gets_a_mark(lake: Lake, other: Lake) -> None:
    lake.root.mkdir(parents=True)
    (lake.root / "theirs.csv").write_text("x")
    lake.run(adopt=True)
    assert (lake.root / "metadata").read_bytes() == PLAIN
    refused(other)
