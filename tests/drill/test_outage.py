"""A short drill, and the page of the long one: its figures and its graph are those of the series beside it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from tests.docs.test_snippets import ROOT
from tests.drill.graph import graph_of
from tests.drill.outage import Drill, Plan, drill
from tests.drill.summary import before_after, summary

PAGE = ROOT / "docs" / "outage-drill.md"
SERIES = ROOT / "docs" / "outage-drill.json"
QUOTA = 4 << 20


def test_a_short_outage_fills_the_spool_holds_the_source_back_and_loses_nothing(tmp_path: Path) -> None:
    found = drill(tmp_path / "drill", Plan(2.0, 8.0, 2.0, rows_per_second=1000, quota=QUOTA, flush_interval="1s"))
    assert found.verdict == "equal", summary(found)
    assert max(sample.spool for sample in found.samples) <= QUOTA, "the spool passed its quota (I8)"
    assert any(sample.held_back for sample in found.samples)
    away = [sample.stored for sample in found.samples if found.stopped + 1 < sample.at < found.started]
    assert len(set(away)) == 1, "something was stored while the store was away"
    assert Drill.from_json(found.to_json()) == found
    assert ET.fromstring(graph_of(found)).tag.endswith("svg")


def test_the_page_has_the_figures_and_the_graph_of_its_series() -> None:
    found = Drill.from_json(SERIES.read_text())
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name, value in before_after(found).items() if f"| {name} | {value} |" not in page] == []
    assert found.verdict == "equal"
    assert (ROOT / "docs" / "outage-drill.svg").read_text() == graph_of(found)
