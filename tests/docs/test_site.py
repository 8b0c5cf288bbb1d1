"""The documentation as a site: it builds without a warning, has every page, and asks nobody else for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_snippets import ROOT

PAGES = {path.name for path in (ROOT / "docs").glob("*.md")}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    command = [sys.executable, "-c", "import sys; from zensical.main import cli; sys.exit(cli())", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def named(entries: list[Any]) -> Iterator[str]:
    """The pages of a navigation, in its order."""
    for entry in entries:
        for found in entry.values():
            if isinstance(found, str):
                yield found
            else:
                yield from named(found)


def test_every_page_has_its_place_in_the_navigation() -> None:
    settings = tomllib.loads((ROOT / "zensical.toml").read_text())
    found = list(named(settings["project"]["nav"]))
    assert len(found) == len(set(found))
    assert {name for name in found if "/" not in name} == PAGES


def test_every_page_is_built_and_its_links_lead_somewhere(site: Path) -> None:
    for name in PAGES:
        page = site / name.replace(".md", ".html")
        text = page.read_text(encoding="utf-8")
        links = re.findall(r'href="(?!https?:|mailto:|#)([^"#]+)', text)
        assert [link for link in links if not (page.parent / link).exists()] == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|iframe|link)[^>]*(?:src|href)="(?:https?:)?//[^"]*"', text) == []
