"""Faults inside lists and rules: told once, at the item, in a file's words, with what was probably meant (I10)."""

from __future__ import annotations

import pytest

from afterbay.compile.registry import Registry
from tests.support.pipelines import findings, heads


def told(node: str) -> list[tuple[str, str, str]]:
    """(the file from the place on, message behind the node's name, hint) of each finding."""
    text = f"nodes:\n  bank: {{type: demo}}\n  x: {node}\n  hole: {{type: blackhole, inputs: x}}\n"
    return [
        (
            text.splitlines()[2][(item.place.column or 0) - 1 :],
            item.message.partition(") ")[2] or item.message.partition("): ")[2],
            item.hint or "",
        )
        for item in findings(text, registry=Registry.installed())
        if item.place is not None
    ]


@pytest.mark.parametrize(
    ("node", "at", "message", "hint"),
    [
        pytest.param(
            "{type: route, inputs: bank, rules: [{match: a.b, tabel: x}]}",
            "tabel",
            "has no key 'tabel' in 'rules.0'",
            "did you mean 'table'?",
            id="a slip in a rule's key",
        ),
        pytest.param(
            "{type: route, inputs: bank, rules: [{match: a.b, zzz: x}]}",
            "zzz",
            "has no key 'zzz' in 'rules.0'",
            "the keys here are: match, schema, table",
            id="no key at all",
        ),
        pytest.param(
            "{type: route, inputs: bank, rules: 'bank.*'}",
            "'bank",
            "'rules': input should be a list",
            "such as [{",
            id="text",
        ),
        pytest.param(
            "{type: route, inputs: bank, rules: []}",
            "[]",
            "'rules': list should have at least 1 item, not 0",
            "",
            id="none",
        ),
        pytest.param(
            "{type: route, inputs: bank, rules: [x]}", "x]", "'rules.0': input should be a mapping", "", id="no mapping"
        ),
        pytest.param(
            "{type: route, inputs: bank, rules: [{match: 5}]}",
            "5",
            "'rules.0.match': input should be a valid string or a list",
            'such as "bank.*"',
            id="neither text nor list",
        ),
        pytest.param(
            "{type: route, inputs: bank, rules: [{match: a}]}",
            "a}",
            "'rules.0.match': pattern 'a' is not of the form",
            'such as "bank.*"',
            id="a bad pattern",
        ),
        pytest.param(
            "{type: route, inputs: bank, rules: [{match: [a.b, c]}]}",
            "c]",
            "'rules.0.match.1': pattern 'c' is not of the form",
            "",
            id="a bad pattern in a list",
        ),
        pytest.param(
            "{type: filter, inputs: bank, rules: [a.b, c]}",
            "c]",
            "'rules.1': pattern 'c'",
            "",
            id="a bad rule of a filter",
        ),
        pytest.param(
            "{type: select_columns, inputs: bank, rules: [{match: a.b, columns: ['*', '']}]}",
            "'']",
            "'rules.0.columns.1': pattern '' has an empty name",
            'such as ["*", "!secret_*"]',
            id="a bad column",
        ),
        pytest.param(
            "{type: encode_csv, inputs: bank, delimiter: ''}",
            "''",
            "'delimiter': delimiter '' has 0 bytes",
            "",
            id="dialect",
        ),
    ],
)
def test_one_finding_at_the_item(node: str, at: str, message: str, hint: str) -> None:
    found = told(node)
    assert len(found) == 1, found
    assert found[0][0].startswith(at)
    assert found[0][1].startswith(message)
    assert hint in found[0][2]


def test_each_wrong_item_of_a_list_is_told() -> None:
    found = told("{type: route, inputs: bank, rules: [{match: [a, b.c, d]}, {match: 5, table: '{x}'}]}")
    assert [message.partition(":")[0] for _, message, _ in found] == [
        "'rules.0.match.0'",
        "'rules.0.match.2'",
        "'rules.1.match'",
        "'rules.1.table'",
    ]


def test_an_option_that_came_from_the_uri_is_named() -> None:
    found = findings(
        """
        nodes:
          bank: {type: demo}
          csv: {type: encode_csv, inputs: bank}
          spool: {type: spool, inputs: csv}
          lake: {type: cloud_storage, inputs: spool, uri: 's3://b/x?worker-count=abc'}
        """,
        registry=Registry.installed(),
    )
    assert heads(found) == ["orders.yaml:5:3 [option.invalid]"]
    assert "node 'lake' (cloud_storage) 'shards': input should be a valid integer" in found[0].message
