"""Failures: unpacked, placed, with the right exit code, as text and as data."""

from __future__ import annotations

import json

import pytest

from afterbay.cli.failure import Failure
from afterbay.errors import Cancelled, EnvironmentRefused, PipelineInvalid, Place, RunFailed


def raised(error: BaseException) -> BaseException:
    """The error with a traceback, as a run has it."""
    try:
        raise error
    except BaseException as caught:
        return caught


def test_a_finding_keeps_its_code_place_and_hint() -> None:
    error = PipelineInvalid(
        "edge.type", "wants SpoolEntry", place=Place("orders.yaml", 17, 5), hint="put a spool between"
    )
    failure = Failure.of(error)
    assert failure.exit_code == 2
    assert failure.to_dict() == {
        "error": "edge.type",
        "diagnostics": [
            {
                "code": "edge.type",
                "message": "wants SpoolEntry",
                "place": {"file": "orders.yaml", "line": 17, "column": 5},
                "hint": "put a spool between",
            }
        ],
    }


def test_a_group_tells_every_leaf_with_node_shard_and_position() -> None:
    group = ExceptionGroup(
        "pipeline 'orders' failed",
        [
            RunFailed("sink.lost", "the file is gone", place=Place(node="lake", shard=3, position="(7, 0)")),
            ExceptionGroup("inner", [RunFailed("csv.value", "not a number", place=Place(node="csv", table="a.b"))]),
        ],
    )
    told = [str(item) for item in Failure.of(group).diagnostics]
    assert told == [
        "node 'lake' shard 3, at (7, 0): [sink.lost] the file is gone",
        "node 'csv', table a.b: [csv.value] not a number",
    ]


def test_notes_of_an_error_are_told() -> None:
    error = RunFailed("spool.damaged", "segment 4 at 128: wrong CRC")
    error.add_note("in node 'spool'")
    assert Failure.of(error).diagnostics[0].message == "segment 4 at 128: wrong CRC (in node 'spool')"


@pytest.mark.parametrize(
    ("leaves", "exit_code"),
    [
        ([EnvironmentRefused("store.down", "no route")], 3),
        ([EnvironmentRefused("store.down", "no route"), RunFailed("x", "y")], 1),
        ([RunFailed("x", "y"), EnvironmentRefused("store.down", "no route")], 1),
        ([PipelineInvalid("call", "y"), EnvironmentRefused("store.down", "no route")], 2),
    ],
)
def test_the_exit_code_of_a_group(leaves: list[Exception], exit_code: int) -> None:
    assert Failure.of(ExceptionGroup("failed", leaves)).exit_code == exit_code


def test_what_was_merely_cancelled_is_no_news() -> None:
    failure = Failure.of(BaseExceptionGroup("failed", [Cancelled(), RunFailed("x", "y")]))
    assert [item.code for item in failure.diagnostics] == ["x"]


def test_an_unexpected_exception_is_a_defect_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    failure = Failure.of(raised(ZeroDivisionError("division by zero")))
    failure.tell(as_json=False)
    told = capsys.readouterr().err
    assert failure.exit_code == 1
    assert "test_failure.py" in told
    assert told.index("Traceback") < told.index("[defect] ZeroDivisionError: division by zero")
    assert "please report it" in told


@pytest.mark.parametrize("code", ["node.failed", "python.raised"])
def test_foreign_code_that_failed_shows_where(code: str) -> None:
    error = RunFailed(code, "KeyError: 'price'", place=Place(node="redact"))
    error.__cause__ = raised(KeyError("price"))
    assert "test_failure.py" in Failure.of(error).traces[0]
    assert "test_failure.py" in str(Failure.of(error).to_dict()["traces"])


def test_json_goes_to_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Failure.of(RunFailed("x", "y")).tell(as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] == "x"
    assert err == ""
