"""Four languages, one graph: golden files, determinism, and names that try to break out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterbay.compile.plan import Plan
from afterbay.diagram import PRINTERS, Format, render
from tests.support.plans import Changes, Lake, chain, diamond, plan_of

GOLDEN = Path(__file__).parent / "golden"
SUFFIX: dict[Format, str] = {"mermaid": "mmd", "dot": "dot", "svg": "svg", "json": "json"}
SVG = "{http://www.w3.org/2000/svg}"

HOSTILE = [
    '"]; click n0 href "javascript:alert(1)"',
    "</text><script>alert(1)</script>",
    "a\n---\nflowchart TD\n",
    "end",
    "back\\slash\\",
    "&amp;<b>#quot;",
    "\x1b[2Jgone\x00",
    "\u202egnp.exe",
    "\ud800 lone",
    "`markdown **bold**`",
    "%%{init: {}}%%",
    "訂單 🏦",
]
anything = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(), max_size=40))


def _plan(name: str, fact: str) -> Plan:
    return plan_of(name, {name: (Changes(told={fact: fact}), ()), f"{name} sink": (Lake(), (f"{name}",))})


@pytest.mark.parametrize("language", SUFFIX)
@pytest.mark.parametrize("name", ["chain", "diamond"])
def test_golden(name: str, language: Format) -> None:
    plan = {"chain": chain, "diamond": diamond}[name]()
    expected = (GOLDEN / f"{name}.{SUFFIX[language]}").read_text(encoding="utf-8")
    assert PRINTERS[language](render(plan)).rstrip("\n") == expected.rstrip("\n")


@pytest.mark.parametrize("language", SUFFIX)
def test_the_same_plan_gives_the_same_bytes(language: Format) -> None:
    assert PRINTERS[language](render(diamond())) == PRINTERS[language](render(diamond()))


@given(anything, anything)
def test_svg_is_well_formed_and_holds_nothing_but_our_elements(name: str, fact: str) -> None:
    text = PRINTERS["svg"](render(_plan(name.replace(".", ""), fact)))
    tree = ElementTree.fromstring(text.encode())
    ours = {"svg", "title", "desc", "style", "rect", "text", "g", "path"}
    assert {element.tag.removeprefix(SVG) for element in tree.iter()} == ours
    assert not [key for element in tree.iter() for key in element.attrib if key.startswith(("on", "href"))]


@given(anything, anything)
def test_mermaid_lines_are_only_the_ones_we_wrote(name: str, fact: str) -> None:
    text = PRINTERS["mermaid"](render(_plan(name.replace(".", ""), fact)))
    label = r"(?:[^\W_]|[ _\-./,:()+=]|#\d+;)*"
    node = rf'  n\d\["<b>{label}</b><br/><i>{label}</i>(?:<br/><small>{label}</small>)*"\]:::\w+'
    edge = rf'  n\d -- "{label}" --> n\d'
    shapes = re.compile(rf'---|title: "(?:[^"\\]|\\.)*"|flowchart LR|{node}|{edge}|  classDef [\w #:,]+')
    assert [line for line in text.rstrip("\n").split("\n") if not shapes.fullmatch(line)] == []


@given(anything, anything)
def test_dot_strings_cannot_be_left(name: str, fact: str) -> None:
    text = PRINTERS["dot"](render(_plan(name.replace(".", ""), fact)))
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "S", text)
    assert re.fullmatch(r"[\sA-Za-z0-9_=,.\-\[\]{}>]*", outside), outside
    assert len(text.rstrip("\n").split("\n")) == 8


@given(anything, anything)
def test_json_reads_back_what_was_given(name: str, fact: str) -> None:
    name = name.replace(".", "")
    read = json.loads(PRINTERS["json"](render(_plan(name, fact))))
    assert read["title"] == name
    assert read["nodes"][0]["facts"] == {fact: fact}


def test_a_name_longer_than_its_box_is_cut_and_told_in_full_by_the_tooltip() -> None:
    name = "orders-" + "x" * 200
    text = PRINTERS["svg"](render(_plan(name, "fact")))
    assert f"<title>{name} · changes · fact: fact</title>" in text
    assert re.search(r'class="name"[^>]*>orders-x+…<', text)


def test_svg_answers_dark_mode_and_tells_its_title_and_description() -> None:
    text = PRINTERS["svg"](render(chain()))
    assert "@media (prefers-color-scheme: dark)" in text
    assert "<title>orders</title>" in text
    assert "<desc>Nodes: changes (changes, source)" in text
