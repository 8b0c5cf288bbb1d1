"""Which tables and columns a rule means, whatever names the database gives."""

from __future__ import annotations

import re
from fnmatch import translate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from afterbay.schema import TableName
from afterbay_nodes.transforms.filter import Filter
from afterbay_nodes.transforms.table_rules import NameRules, TableMatch, TableRules


def matches(rules: list[str], name: str) -> bool:
    schema, _, table = name.partition(".")
    return TableRules.parse(rules).matches(TableName(schema, table))


@pytest.mark.parametrize(
    ("rules", "name", "included"),
    [
        (["bank.*"], "bank.accounts", True),
        (["bank.*"], "bank.", True),
        (["bank.*"], "banker.accounts", False),
        (["bank.*"], "Bank.accounts", False),
        (["*.*"], "any.thing", True),
        (["b*k.a?c"], "bank.abc", True),
        (["b*k.a?c"], "bk.axc", True),
        (["b*k.a?c"], "bk.ac", False),
        (["*a*b*.t"], "xxaxxbxx.t", True),
        (["*a*b*.t"], "xxbxxaxx.t", False),
        (["ab*ba.t"], "aba.t", False),
        (["ab*ba.t"], "abba.t", True),
        (["bank.*", "!bank.tmp_*"], "bank.tmp_1", False),
        (["bank.*", "!bank.tmp_*"], "bank.accounts", True),
        (["bank.*", "!bank.tmp_*", "bank.tmp_keep"], "bank.tmp_keep", True),
        (["!bank.tmp_*", "bank.*"], "bank.tmp_1", True),
        (["bank.*"], "shop.orders", False),
    ],
)
def test_the_last_rule_that_matches_decides(rules: list[str], name: str, included: bool) -> None:
    assert matches(rules, name) is included


@pytest.mark.parametrize(
    ("pattern", "schema", "table"),
    [
        (r"a\.b.c", "a.b", "c"),
        (r"a.b\.c", "a", "b.c"),
        (r"a.\*", "a", "*"),
        (r"a.\?", "a", "?"),
        (r"a.\\", "a", "\\"),
        (r"\!a.t", "!a", "t"),
        ("a.[b-c]+", "a", "[b-c]+"),
        ("a.(x|y)$", "a", "(x|y)$"),
    ],
)
def test_every_name_can_be_written_as_a_pattern(pattern: str, schema: str, table: str) -> None:
    rules = TableRules.parse([pattern])
    assert rules.matches(TableName(schema, table))
    assert not rules.matches(TableName(schema, table + "x"))
    assert not rules.matches(TableName("x", table))


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (["accounts"], "'accounts' is not of the form 'schema.table'"),
        (["a.b.c"], r"write '\.' for a dot"),
        ([".t"], "has an empty name"),
        (["a."], "has an empty name"),
        (["!"], "is not of the form"),
        (["a.t\\"], "ends with a lone backslash"),
        (["!a.t"], "all patterns exclude"),
        ([], "no patterns are given"),
    ],
)
def test_what_is_no_pattern_is_refused(rules: list[str], why: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Filter(rules=tuple(rules))
    assert why in str(refusal.value)


@settings(max_examples=300, deadline=None)
@given(pattern=st.text("ab?*", min_size=1, max_size=8), name=st.text("ab", max_size=10))
def test_wildcards_mean_what_globs_mean(pattern: str, name: str) -> None:
    assert NameRules.parse([pattern]).matches(name) is bool(re.fullmatch(translate(pattern), name))


@settings(max_examples=100, deadline=None)
@given(name=st.text(min_size=1))
def test_an_escaped_name_matches_itself(name: str) -> None:
    pattern = "".join("\\" + character for character in name)
    assert NameRules.parse([pattern]).matches(name)


def test_many_stars_do_not_make_it_slow() -> None:
    """With one try for each way to place the stars this would take longer than the universe has."""
    assert not matches(["a.*" + "a*" * 200 + "b"], "a." + "a" * 2000)


@pytest.mark.parametrize(
    ("rules", "reached", "covered"),
    [
        (["bank.*"], True, True),
        (["bank.accounts"], True, False),
        (["b*.*"], True, True),
        (["shop.*"], False, False),
        (["bank.*", "!bank.tmp_*"], True, False),
        (["bank.*", "!bank.*"], False, False),
        (["*.*", "!bank.*", "bank.accounts"], True, False),
        (["!bank.tmp", "*.*"], True, True),
    ],
)
def test_a_database_is_reached_if_a_table_of_it_could_be_included(
    rules: list[str], reached: bool, covered: bool
) -> None:
    parsed = TableRules.parse(rules)
    assert (parsed.reaches("bank"), parsed.covers("bank")) == (reached, covered)


def test_a_match_takes_one_pattern_or_several() -> None:
    one, several = TableMatch(match="a.*"), TableMatch(match=("a.*", "!a.b"))
    assert one.tables.matches(TableName("a", "b"))
    assert not several.tables.matches(TableName("a", "b"))
    assert several.shown == "a.*, !a.b"
