"""A refusal that keeps an invariant says which: its number, in plain words, for every code that there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from afterbay.errors import Diagnostic, RunFailed
from afterbay.invariants import PROTECTED, Invariant

ROOT = Path(__file__).parents[2]
SOURCES = [*(ROOT / "framework").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")]
CODE = re.compile(r"[a-z_]+\.[a-z_]+")
CITED = re.compile(r"[(;,] ?(I\d+)\b")


def cited_in(path: Path) -> Iterator[tuple[str, str]]:
    """(code, number) of each number that is cited in the text of a call that has a code among its arguments."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        words = [word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        code = next((word for word in words if CODE.fullmatch(word)), None)
        if code is None:
            continue
        texts = [part for argument in node.args for part in ast.walk(argument) if isinstance(part, ast.Constant)]
        for text in texts:
            for number in CITED.findall(str(text.value)):
                yield code, number


def text_of_all() -> str:
    return "\n".join(path.read_text() for path in SOURCES if path.name != "invariants.py")


@pytest.mark.parametrize("code", PROTECTED)
def test_each_refusal_says_its_number_and_its_words(code: str) -> None:
    invariant = PROTECTED[code]
    error = RunFailed(code, "what happened", hint="what to do")
    assert f"protects: {invariant.name} {invariant.value}" in str(error)
    assert error.to_dict()["diagnostics"][0]["protects"] == invariant.name  # type: ignore[index]
    assert f'"{code}"' in text_of_all(), "nobody raises it any more"


def test_other_refusals_claim_nothing() -> None:
    plain = Diagnostic("option.unknown", "what is wrong")
    assert "protects" not in str(plain)
    assert "protects" not in plain.to_dict()


def test_whoever_cites_a_number_is_in_the_list_under_that_number() -> None:
    cited = {found for path in SOURCES for found in cited_in(path)}
    assert len(cited) > 15, "the errors are found"
    other = {(code, number) for code, number in cited if code not in PROTECTED or PROTECTED[code].name != number}
    assert other == set()


def test_the_words_are_those_of_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    for invariant in Invariant:
        title = invariant.value.partition(":")[0].partition(", in order")[0]
        assert f"**{invariant.name} {title}" in page, invariant
