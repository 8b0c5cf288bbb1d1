"""The power goes at every call of a run that touches a file: what was not synced is gone, or half there (I1-I6).

One real run is recorded by strace: source to store, through spool and state, SQLite's own calls included. What a disk
may hold after the loss is laid out and read by the independent reader, then run to the end and read again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.crash.disk import Recording
from tests.crash.story import Story, lost_power, record, story
from tests.crash.warm import WarmRuns, memory_folder
from tests.support.nasty_log import small_log


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmRuns]:
    with WarmRuns() as runs:
        yield runs


@pytest.fixture(scope="module")
def told() -> Iterator[Story]:
    with memory_folder() as folder:
        yield story(folder, small_log(24, 3))


@pytest.fixture(scope="module")
def recording(told: Story, warm: WarmRuns) -> Recording:
    """Of what runs in the folder of `told`, where every test lays out what it needs."""
    return record(told, warm)


def test_nothing_is_left_but_what_was_synced(told: Story, recording: Recording) -> None:
    assert lost_power(told, recording, False) == []


def test_everything_is_left_that_was_done(told: Story, recording: Recording) -> None:
    """The process dies and the machine does not: between any two calls of any thread."""
    assert lost_power(told, recording, True) == []


def test_some_of_what_was_not_synced_is_left(told: Story, recording: Recording) -> None:
    """Of writes, names and lengths any, in order, a write perhaps torn: for every other moment another choice."""
    assert lost_power(told, recording, None, recording.moments[::2]) == []


@pytest.mark.parametrize("part", [0.3, 0.55, 0.8])
def test_the_power_goes_while_a_death_is_mended(told: Story, recording: Recording, warm: WarmRuns, part: float) -> None:
    """Killed, started again, and then the power: what the dead process left unsynced is not safe either."""
    moments = recording.moments
    again = record(told, warm, recording.killed(moments[int(len(moments) * part)]))
    assert lost_power(told, again, False) == []
    assert lost_power(told, again, None, again.moments[::3]) == []


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(r"/lake/.*\.csv", id="a data file's bytes"),
        pytest.param(r"/lake/.*CDC\.index", id="an index's bytes"),
        pytest.param(r"/lake/.*\.json", id="a schema file's bytes"),
        pytest.param(r"/lake/.*: CDC.*\.csv", id="a data file's name"),
        pytest.param(r"/lake/.*: CDC\.index", id="an index's name"),
        pytest.param(r"/lake/.*: schema_.*", id="a schema file's name"),
        pytest.param(r"/lake/.*: \d+", id="a version's folder"),
        pytest.param(r"/lake/\w+: \w+", id="a table's folder"),
        pytest.param(r"/lake: \w+", id="a schema's folder"),
        pytest.param(r": lake", id="the root"),
        pytest.param(r"/state: checkpoint\.db.*", id="the state's name"),
        pytest.param(r"/state/checkpoint\.db(-wal)?", id="the state's bytes"),
        pytest.param(r": state", id="the state's folder"),
    ],
)
def test_each_sync_is_needed(told: Story, recording: Recording, what: str) -> None:
    """Without it the search finds something: it would see a sync that is missing."""
    careless = recording.unsynced(re.compile(what))
    assert any(lost_power(told, careless, False, [moment]) for moment in reversed(careless.moments))
