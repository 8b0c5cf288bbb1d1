"""The page of reliability names tests that exist, every promise, and every point that can have a fault."""

from __future__ import annotations

import ast
import re

import pytest

from afterbay.invariants import Invariant
from tests.chaos.__main__ import main
from tests.chaos.tally import Tally
from tests.docs.test_snippets import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_the_page_names_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_promise_has_a_row_with_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| I")]
    assert [row.split()[1] for row in rows] == [invariant.name for invariant in Invariant]
    assert all("::test_" in row for row in rows)


def test_every_fault_has_a_row_with_a_test() -> None:
    table = PAGE.split("## Faults, and what you see of each\n")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 20
    assert [row for row in rows if "::test_" not in row] == []


def test_every_test_of_a_fault_is_on_the_page() -> None:
    found = {
        (f"tests/faults/{path.name}", node.name)
        for path in (ROOT / "tests" / "faults").glob("test_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert found - set(NAMED) == set()


def test_the_command_of_the_page_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for line in re.findall(r"python -m tests\.chaos (.*)", PAGE):
        assert all(word in told for word in line.split() if word.startswith("--"))


def test_the_table_of_a_long_run_has_the_form_of_the_page() -> None:
    assert Tally(7).markdown().splitlines()[:2] == ["| what | figure |", "|---|---|"]
    assert "| violations | 0 |" in Tally(7).markdown()
