"""`${VAR}` in a pipeline file: resolved in parsed scalars, typed only where it stands alone, never structure."""

from __future__ import annotations

from typing import Any

import pytest

from afterbay.compile.document import Document
from afterbay.compile.tree import read_tree
from tests.support.pipelines import compiled, findings, heads


def values(text: str, **env: str) -> dict[str, Any]:
    """The data of `text` with `env` as its environment."""
    root, source = read_tree(text.encode(), "orders.yaml")
    return Document(root, source, env).root


@pytest.mark.parametrize(
    ("scalar", "env", "value"),
    [
        ("${A}", {"A": "16"}, 16),
        ("${A}", {"A": "true"}, True),
        ("${A}", {"A": "1.5"}, 1.5),
        ("${A}", {"A": ""}, None),
        ("${A}", {"A": "text"}, "text"),
        ("${A}", {"A": "no"}, "no"),
        ('"${A}"', {"A": "16"}, "16"),
        ("'${A}'", {"A": "16"}, "16"),
        ("x${A}", {"A": "16"}, "x16"),
        ("${A}${B}", {"A": "1", "B": "6"}, "16"),
        ("${A:-4}", {}, 4),
        ("${A:-4}", {"A": ""}, 4),
        ("${A:-4}", {"A": "5"}, 5),
        ("${A:-}", {}, None),
        ("${A:-a:b}", {}, "a:b"),
        ("${A:?why}", {"A": "x"}, "x"),
        ("$${A}", {}, "${A}"),
        ("$$${A}", {"A": "x"}, "$${A}"),
        ("$A $ $$ {A}", {}, "$A $ $$ {A}"),
        ("s3://${A}/x", {"A": "b"}, "s3://b/x"),
    ],
)
def test_a_reference_becomes_a_value(scalar: str, env: dict[str, str], value: object) -> None:
    found = values(f"key: {scalar}\n", **env)["key"]
    assert found == value
    assert type(found) is type(value)


def test_a_value_can_neither_become_structure_nor_refer_on() -> None:
    hostile = "{a: 1}\nb: 2 ${B} &x *x"
    assert values("key: ${A}\n", A=hostile) == {"key": hostile}


def test_a_character_that_json_writes_as_a_pair_is_one_character() -> None:
    assert values('{"key": "\\ud83d\\udca7"}') == {"key": "\U0001f4a7"}


def test_keys_stay_as_they_are_written() -> None:
    assert values("${A}: 1\n", A="x") == {"${A}": 1}


@pytest.mark.parametrize(
    ("text", "head", "message", "hint"),
    [
        (
            "a: 1\nkey: ${A}\n",
            "2:6 [variable.missing]",
            "the variable A is not set",
            "set A, or give a default: ${A:-…}",
        ),
        ("key: ${A:?ask the owner}\n", "1:6 [variable.missing]", "A is not set: ask the owner", "set A"),
        ("key: ${EMPTY:?why}\n", "1:6 [variable.missing]", "the variable EMPTY is empty: why", "set EMPTY"),
        ("key: ${ORDER_DSN}\n", "1:6 [variable.missing]", "ORDER_DSN", "did you mean ${ORDERS_DSN}?"),
        ("key: ${A\n", "1:6 [variable.syntax]", "'${A' is no reference", "${NAME:-default}"),
        ("key: ${1A}\n", "1:6 [variable.syntax]", "'${1A}'", "$${ stands for a literal"),
        ("key: ${A:-${B}}\n", "1:6 [variable.syntax]", "the default of ${A} holds a reference", "use one variable"),
    ],
)
def test_a_reference_that_leads_nowhere(text: str, head: str, message: str, hint: str) -> None:
    found = findings(text, env={"EMPTY": "", "ORDERS_DSN": "x"})
    assert heads(found) == [f"orders.yaml:{head}"]
    assert message in found[0].message
    assert hint in (found[0].hint or "")


def test_all_missing_variables_are_told_at_once() -> None:
    assert heads(findings("a: ${A}\nb: [1, x, '${B} ${C}']\n")) == [
        "orders.yaml:1:4 [variable.missing]",
        "orders.yaml:2:11 [variable.missing]",
        "orders.yaml:2:11 [variable.missing]",
    ]


def test_variables_that_would_fill_the_memory_are_refused() -> None:
    text = "key: [" + ", ".join(['"${A}"'] * 50) + "]\n"
    assert [item.code for item in findings(text, env={"A": "x" * 100_000})] == ["variable.size"]


def test_a_variable_reaches_the_plan_and_its_secret_does_not_show() -> None:
    plan = compiled(
        """
        nodes:
          a: {type: numbers, rows: "${ROWS}"}
          csv: {type: encode, inputs: a, parallelism: "${WORKERS}"}
          spool: {type: rest, inputs: csv}
          lake: {type: store, inputs: spool, uri: ./lake, password: "${PW}"}
        """,
        env={"ROWS": "7", "WORKERS": "3", "PW": "hunter2"},
    )
    assert plan["a"].node.model_dump()["rows"] == 7
    assert plan["csv"].parallelism == 3
    assert "hunter2" not in repr(plan)


def test_an_error_beside_a_secret_does_not_show_it() -> None:
    found = findings(
        """
        nodes:
          a: {type: numbers}
          lake:
            type: store
            password: hunter2
            uri: s3://me:hunter2@bucket/x?secret-access-key=hunter2&file-size=1
            inptus: a
        """
    )
    shown = "\n".join(str(item) for item in found)
    assert "orders.yaml:7:5 [option.unknown]" in shown
    assert "s3://***@bucket/x?secret-access-key=***&file-size=1" in shown
    assert "hunter2" not in shown
