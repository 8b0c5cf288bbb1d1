"""Signals while a run goes on: the first drains, the second cancels, the handlers are given back."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from afterbay.cli.progress import Progress
from afterbay.cli.snapshot import Snapshot
from afterbay.cli.supervise import Ended, StopSignals, supervise
from afterbay.errors import RunFailed
from tests.support.fake_run import FakeRun, ends, goes_on


class Heard(Progress):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: list[Snapshot] = []

    def show(self, now: Snapshot) -> None:
        self.shown.append(now)

    def say(self, text: str) -> None:
        self.said.append(text)

    def close(self) -> None:
        """Nothing to give back."""


def sends(number: signal.Signals) -> Callable[[FakeRun], None]:
    return lambda _: signal.raise_signal(number)


def watch(run: FakeRun, heard: Heard | None = None) -> Ended:
    with StopSignals() as signals:
        signals.started()
        return supervise(run, signals, heard or Heard(), stop_timeout=30, monotonic=run.monotonic)


def test_a_run_that_ends_by_itself_exits_0() -> None:
    run = FakeRun([goes_on, ends("completed")])
    assert watch(run).exit_code == 0
    assert run.calls == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_drains_and_exits_0(number: signal.Signals) -> None:
    run, heard = FakeRun([sends(number), goes_on, goes_on, ends("drained")]), Heard()
    ended = watch(run, heard)
    assert run.calls == ["drain 30"]
    assert (ended.exit_code, ended.report.outcome) == (0, "drained")
    assert len(heard.said) == 1
    assert heard.said[0].startswith(number.name)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_cancels_and_exits_with_its_number(number: signal.Signals, exit_code: int) -> None:
    run = FakeRun([sends(signal.SIGINT), goes_on, sends(number), goes_on, ends("cancelled")])
    assert watch(run).exit_code == exit_code
    assert run.calls == ["drain 30", "cancel"]


def test_two_signals_at_once_first_drain_then_cancel() -> None:
    def twice(run: FakeRun) -> None:
        sends(signal.SIGTERM)(run)
        sends(signal.SIGTERM)(run)

    run = FakeRun([twice, goes_on, ends("cancelled")])
    assert watch(run).exit_code == 143
    assert run.calls == ["drain 30", "cancel"]


def test_a_third_signal_changes_nothing() -> None:
    run = FakeRun([sends(signal.SIGINT), sends(signal.SIGINT), sends(signal.SIGINT), ends("cancelled")])
    assert watch(run).exit_code == 130
    assert run.calls == ["drain 30", "cancel"]


def test_a_drain_that_the_stop_ladder_cut_short_exits_1() -> None:
    assert watch(FakeRun([sends(signal.SIGINT), goes_on, ends("cancelled")])).exit_code == 1


def test_a_drain_that_ends_before_the_second_signal_is_seen_is_a_success() -> None:
    def late(run: FakeRun) -> None:
        sends(signal.SIGINT)(run)
        run.end("drained")

    assert watch(FakeRun([sends(signal.SIGINT), late])).exit_code == 0


def test_a_failed_run_raises_what_failed() -> None:
    def fails(_: FakeRun) -> None:
        raise RunFailed("store.gone", "no bucket")

    with pytest.raises(RunFailed, match="no bucket"):
        watch(FakeRun([goes_on, fails]))


def test_a_display_that_fails_does_not_leave_a_run_behind() -> None:
    class Broken(Heard):
        def show(self, now: Snapshot) -> None:
            raise BrokenPipeError("stderr is gone")

    run = FakeRun([goes_on])
    with pytest.raises(BrokenPipeError):
        watch(run, Broken())
    assert run.calls == ["cancel"]


def test_the_display_sees_every_tick_and_the_end() -> None:
    def passes(run: FakeRun) -> None:
        run.telemetry.node("changes").passed(10, 100)

    heard = Heard()
    watch(FakeRun([passes, passes, ends("completed")]), heard)
    assert [(shown.seconds, shown.rows_in) for shown in heard.shown] == [(1, 10), (2, 20), (3, 20)]


def test_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopSignals():
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) != before
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_while_the_run_starts_is_kept_and_a_second_one_unwinds_the_start() -> None:
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGTERM)
        assert signals.received == [signal.SIGTERM]
        with pytest.raises(SystemExit) as stopped:
            signal.raise_signal(signal.SIGTERM)
    assert stopped.value.code == 143


def test_a_signal_that_came_while_the_run_started_drains_it() -> None:
    run = FakeRun([goes_on, ends("drained")])
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGINT)
        signals.started()
        supervise(run, signals, Heard(), stop_timeout=30, monotonic=run.monotonic)
    assert run.calls == ["drain 30"]
