"""The page in a real browser: its numbers are those of the metrics, and nobody is shut out or tricked."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from playwright.sync_api import Browser, Page, expect

from afterbay.telemetry import Telemetry
from tests.support.browser import browser, opened, shot
from tests.support.cli import REPOSITORY, started
from tests.support.live import asked, going_on, lake, until
from tests.support.shown import Told, a_look, shown


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


def values(reader: InMemoryMetricReader, name: str) -> dict[str, int]:
    data = reader.get_metrics_data()
    assert data is not None
    metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics if m.name == name]
    return {str(point.attributes["node"]): point.value for m in metrics for point in m.data.data_points}


def looks(page: Page) -> int:
    return int(page.locator("body").get_attribute("data-looks") or 0)


def wait_looks(page: Page, more: int) -> None:
    """So many further looks have been shown."""
    wanted = looks(page) + more
    expect(page.locator(f'body[data-looks="{wanted}"]')).to_have_count(1, timeout=30_000)


def test_the_numbers_on_the_page_are_those_of_the_metrics(tmp_path: Path, chromium: Browser) -> None:
    reader = InMemoryMetricReader()
    telemetry = Telemetry("orders", meter_provider=MeterProvider([reader]))
    with going_on(lake(tmp_path), telemetry) as run, asked(run) as ask, shown(run.plan.state_dir) as server:
        until(lambda: ask.ask("figures"), lambda found: found["nodes"][3]["files"] >= 20)
        with opened(chromium, server.url) as page:
            expect(page.locator("#phase")).to_have_text("running")
            shot(page, "running-light")
            run.pause()
            until(lambda: ask.ask("figures"), lambda found: found["nodes"][3]["rows"] == found["nodes"][0]["rows"])
            expect(page.locator("#phase")).to_have_text("paused")
            wait_looks(page, 2)
            rows = values(reader, "afterbay.node.rows")
            assert rows["lake"] > 0
            for node in ("bank", "csv", "spool", "lake"):
                assert page.locator(f'[data-node="{node}"]').get_attribute("data-rows") == str(rows[node])
            page.locator('[data-node="lake"]').click()
            shards = page.locator("[data-shard]")
            expect(shards).to_have_count(4)
            assert sum(int(shard.get_attribute("data-rows") or 0) for shard in shards.all()) == rows["lake"]
            files = page.locator("#tables tbody tr td:nth-child(4)").all()
            assert sum(int(cell.get_attribute("data-value") or 0) for cell in files) == sum(
                telemetry.node("lake").totals.flushes.values()
            )
            spool = page.locator("#spools .spool")
            assert spool.get_attribute("data-memory") == str(values(reader, "afterbay.spool.memory")["spool"])
            checkpoint = page.locator("#positions-table tbody td:nth-child(7)").get_attribute("data-value")
            assert checkpoint == str(run.checkpoints()["bank"].commit_ts)


def test_the_readmes_command_leads_to_a_live_graph(tmp_path: Path, chromium: Browser) -> None:
    readme = (REPOSITORY / "README.md").read_text()
    (command,) = re.findall(r"uv run afterbay (run \S+ --ui)$", readme, re.MULTILINE)
    verb, file, option = command.split()
    told = tmp_path / "told"
    with started(verb, REPOSITORY / file, option, "0", cwd=tmp_path, errors=told) as run:
        found = until(lambda: re.search(r"^http://127\.0\.0\.1:\d+/$", told.read_text(), re.MULTILINE), bool)
        with opened(chromium, found[0]) as page:
            expect(page.locator("#phase")).to_have_text("running")
            expect(page.locator('[data-node="lake"] .rate')).to_contain_text("/s rows")
            wait_looks(page, 4)
            shot(page, "readme")
        run.send_signal(signal.SIGINT)
        assert run.wait(60) == 0


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light"), (390, "dark")])
def test_it_fits_a_phone_in_dark_and_in_light(
    width: int, scheme: Literal["dark", "light"], tmp_path: Path, chromium: Browser
) -> None:
    with going_on(lake(tmp_path)) as run, asked(run) as ask, shown(run.plan.state_dir) as server:
        until(lambda: ask.ask("figures"), lambda found: found["nodes"][3]["files"] >= 5)
        with opened(chromium, server.url, width=width, scheme=scheme) as page:
            page.locator('[data-node="lake"]').click()
            wait_looks(page, 2)
            shot(page, f"running-{scheme}-{width}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_worked_by_keyboard(chromium: Browser) -> None:
    with shown(Told(a_look(nodes=3, shards=2))) as server, opened(chromium, server.url) as page:
        expect(page.locator("[data-node]")).to_have_count(3)
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        while page.evaluate("document.activeElement.dataset.node") is None:
            page.keyboard.press("Tab")
        expect(page.locator('[data-node="n0"]')).to_be_focused()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        expect(page.locator('[data-node="n2"]')).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator('[data-node="n2"]')).to_have_attribute("aria-expanded", "true")
        expect(page.locator("[data-shard]")).to_have_count(2)
        page.keyboard.press("Escape")
        expect(page.locator("#detail")).to_be_hidden()


OBSERVE = """() => {
  window.told = [];
  const seen = (records) => window.told.push(...records.map((record) => `${record.type} ${record.attributeName}`));
  new MutationObserver(seen).observe(document.querySelector("main"), {
    subtree: true, childList: true, characterData: true, attributes: true,
  });
}"""


def test_nothing_flickers_and_no_focus_is_lost(chromium: Browser) -> None:
    with shown(told := Told(a_look(nodes=3, shards=2))) as server, opened(chromium, server.url) as page:
        page.locator('[data-node="n2"]').click()
        wait_looks(page, 1)
        page.evaluate(OBSERVE)
        wait_looks(page, 3)
        assert page.evaluate("window.told") == [], "what stays the same is not touched"
        later = a_look(nodes=3, shards=2)
        later["figures"]["nodes"][0]["rows"] = 2000
        told.now = later
        expect(page.locator('[data-node="n0"]')).to_have_attribute("data-rows", "2000")
        assert page.evaluate("window.told") == ["attributes data-rows"]
        expect(page.locator('[data-node="n2"]')).to_be_focused()


@pytest.mark.parametrize(("nodes", "shards"), [(1, 1), (250, 256)])
def test_one_node_or_hundreds(nodes: int, shards: int, chromium: Browser) -> None:
    with shown(Told(a_look(nodes=nodes, shards=shards))) as server, opened(chromium, server.url) as page:
        expect(page.locator("[data-node]")).to_have_count(nodes)
        page.locator(f'[data-node="n{nodes - 1}"]').click()
        expect(page.locator("[data-shard]")).to_have_count(shards)
        wait_looks(page, 2)
        shot(page, f"nodes-{nodes}-shards-{shards}")


HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>&amp;"


def test_names_from_outside_are_text(chromium: Browser) -> None:
    look: dict[str, Any] = a_look(nodes=2, table=HOSTILE, failure=HOSTILE)
    look["figures"]["errors"] = [
        {
            "node": "n1",
            "operation": "put",
            "key": HOSTILE,
            "reason": HOSTILE,
            "seconds": 7.0,
            "tries": 3,
            "next_try": 1.5,
        }
    ]
    look["graph"]["nodes"][1]["facts"] = {HOSTILE: HOSTILE}
    with shown(Told(look)) as server, opened(chromium, server.url) as page:
        page.locator('[data-node="n1"]').click()
        expect(page.locator("#tables tbody td").first).to_have_text(HOSTILE)
        expect(page.locator("#errors tbody tr td:nth-child(3)")).to_have_text("3")
        expect(page.locator("#errors tbody tr td:nth-child(5)")).to_have_text("in 1.50 s")
        assert page.locator("img").count() == 0
        assert page.title() == "made – Afterbay"


def test_the_buttons_are_there_only_with_control_and_the_token(tmp_path: Path, chromium: Browser) -> None:
    with going_on(lake(tmp_path)) as run:
        with shown(run.plan.state_dir) as server, opened(chromium, server.url) as page:
            wait_looks(page, 1)
            expect(page.locator("#controls")).to_be_hidden()
        with shown(run.plan.state_dir, control=True) as server:
            with opened(chromium, server.url.partition("#")[0]) as page:
                wait_looks(page, 1)
                expect(page.locator("#controls")).to_be_hidden()
            with opened(chromium, server.url) as page:
                page.locator("[data-ask=pause]").click()
                expect(page.locator("#phase")).to_have_text("paused")
                assert "token" not in page.url
                page.locator("[data-ask=resume]").click()
                expect(page.locator("#phase")).to_have_text("running")
                page.on("dialog", lambda dialog: dialog.accept())
                page.locator("[data-ask=drain]").click()
                report = run.wait(60)
                assert report is not None
                assert report.outcome == "drained"
                expect(page.locator("#phase")).to_have_text("not running", timeout=15_000)


def test_a_run_that_has_ended_is_shown_from_its_state(tmp_path: Path, chromium: Browser) -> None:
    report = lake(tmp_path, rows=3000).run(until="end")
    with shown(tmp_path / "state") as server, opened(chromium, server.url) as page:
        expect(page.locator("#phase")).to_have_text("not running")
        expect(page.locator('[data-node="lake"]')).to_have_attribute("data-rows", str(report.rows_stored))
        shot(page, "ended")
