"""What `Pipeline` asks of the runtime: checked first, then started, and cancelled if the caller is interrupted."""

from __future__ import annotations

from typing import Any

import pytest

from afterbay.errors import PipelineInvalid, RunFailed
from afterbay.node import Until
from afterbay.pipeline import Pipeline
from tests.support.nodes import REGISTRY, Hole, Numbers, Store


class FakeRun:
    """Stands for the runtime: remembers what it was asked, and waits as told."""

    def __init__(self, *outcomes: object) -> None:
        self._outcomes = list(outcomes)
        self.asked: dict[str, Any] = {}
        self.cancelled = 0

    def start(self, plan: Any, **asked: Any) -> FakeRun:
        self.asked = {"plan": plan.name, **asked}
        return self

    def wait(self) -> object:
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def cancel(self) -> None:
        self.cancelled += 1


def pipeline() -> Pipeline:
    return Pipeline("orders", registry=REGISTRY).add("a", Numbers()).add("b", Hole(), inputs="a")


def running(monkeypatch: pytest.MonkeyPatch, *outcomes: object) -> FakeRun:
    run = FakeRun(*outcomes)
    monkeypatch.setattr("afterbay.runtime.run.start", run.start)
    return run


def test_a_run_is_started_as_asked_and_gives_its_report(monkeypatch: pytest.MonkeyPatch) -> None:
    run = running(monkeypatch, "report")
    assert pipeline().run(until="30s", adopt=True) == "report"  # type: ignore[comparison-overlap]
    assert run.asked == {"plan": "orders", "until": 30.0, "adopt": True, "telemetry": None, "patience": None}


def test_a_named_end_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    run = running(monkeypatch)
    pipeline().start(until="caught-up")
    assert run.asked["until"] is Until.CAUGHT_UP


def test_nothing_is_started_if_the_pipeline_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    run = running(monkeypatch)
    with pytest.raises(PipelineInvalid, match=r"edge\.type"):
        pipeline().add("c", Store(uri="x"), inputs="a").run()
    with pytest.raises(PipelineInvalid, match=r"until\.invalid"):
        pipeline().run(until="tomorrow")
    assert run.asked == {}


def test_an_interrupt_cancels_the_run_and_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    run = running(monkeypatch, KeyboardInterrupt(), "the report of the cancelled run")
    with pytest.raises(KeyboardInterrupt):
        pipeline().run()
    assert run.cancelled == 1


def test_a_failure_of_the_run_is_passed_on_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = RunFailed("x", "it broke")
    run = running(monkeypatch, failure)
    with pytest.raises(RunFailed) as caught:
        pipeline().run()
    assert caught.value is failure
    assert run.cancelled == 0
