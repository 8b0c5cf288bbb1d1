"""A finding as a person sees it: place, code, words, lines around it with a caret, hint."""

from __future__ import annotations

import pytest

from afterbay.errors import PipelineInvalid
from afterbay.pipeline import Pipeline
from tests.support.nodes import REGISTRY, Encode, Numbers, Store
from tests.support.pipelines import compiled, findings

ORDERS = """\
name: orders
nodes:
  changes:
    type: numbers
  csv:
    type: encode
    inputs: changes
  lake:
    type: store
    inputs: csv
    uri: ./lake
    shards: 16
"""


def test_an_error_in_a_file() -> None:
    with pytest.raises(PipelineInvalid) as caught:
        compiled(ORDERS)
    assert str(caught.value) == "\n".join(
        [
            "orders.yaml:10:13 [edge.type] node 'lake' input wants SpoolEntry, gets EncodedBatch from 'csv'",
            "   8 |   lake:",
            "   9 |     type: store",
            "  10 |     inputs: csv",
            "     |             ^^^",
            "  11 |     uri: ./lake",
            "  hint: put a node between that makes SpoolEntry of it: rest",
        ]
    )


def test_the_same_error_as_data() -> None:
    with pytest.raises(PipelineInvalid) as caught:
        compiled(ORDERS)
    assert caught.value.to_dict() == {
        "error": "edge.type",
        "diagnostics": [
            {
                "code": "edge.type",
                "message": "node 'lake' input wants SpoolEntry, gets EncodedBatch from 'csv'",
                "place": {"file": "orders.yaml", "line": 10, "column": 13},
                "hint": "put a node between that makes SpoolEntry of it: rest",
            }
        ],
    }


def test_the_same_error_in_python() -> None:
    pipeline = Pipeline("orders", registry=REGISTRY)
    pipeline.add("changes", Numbers()).add("csv", Encode(), inputs="changes").add(
        "lake", Store(uri="./lake"), inputs="csv"
    )
    with pytest.raises(PipelineInvalid) as caught:
        pipeline.compile()
    assert str(caught.value) == "\n".join(
        [
            "node 'lake': [edge.type] node 'lake' input wants SpoolEntry, gets EncodedBatch from 'csv'",
            "  hint: put a node between that makes SpoolEntry of it: rest",
        ]
    )


def test_what_would_steer_a_terminal_is_shown_as_its_escape() -> None:
    found = findings('nodes:\n  a: {type: "x\\e[2J", rows: 1} # \u202e right to left\n')
    assert found[0].message == "there is no node type 'x\\x1b[2J' (node 'a')"
    assert found[0].snippet == "\n".join(
        [
            "  1 | nodes:",
            '  2 |   a: {type: "x\\e[2J", rows: 1} # \\u202e right to left',
            "    |             ^^^^^^^^",
        ]
    )


def test_the_caret_stands_under_the_value_behind_an_escape() -> None:
    found = findings('nodes:\n  a: {"\u202e": 1, type: nmbers}\n')
    assert (found[0].snippet or "").splitlines()[1:] == [
        '  2 |   a: {"\\u202e": 1, type: nmbers}',
        "    |                          ^^^^^^",
    ]


def test_a_long_line_is_cut_around_the_caret() -> None:
    found = findings(f"nodes: {{a: {{type: numbers, rows: {'x' * 300}}}}}\n")
    lines = (found[0].snippet or "").splitlines()
    assert max(len(line) for line in lines) < 160
    assert lines[1].index("^") == lines[0].index("xxx")
