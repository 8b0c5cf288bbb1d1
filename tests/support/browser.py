"""A real browser for tests of the page: Debian's Chromium, driven by Playwright.

Where there is none the test is skipped on a developer's machine, and fails in CI.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.cli import REPOSITORY

SCREENSHOTS = REPOSITORY / "build" / "screenshots"


def chromium() -> str:
    """The browser's path."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    if not found:
        told = "there is no Chromium: apt-get install chromium"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without its sandbox: CI is root in a container. It sees nothing but our own page.
        started = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


@contextmanager
def opened(
    started: Browser, url: str, *, width: int = 1280, scheme: Literal["dark", "light"] = "light"
) -> Iterator[Page]:
    """The page at `url`. AssertionError at the end if a script failed, or anything came from elsewhere."""
    context = started.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on(
        "request", lambda asked: faults.append(asked.url) if not asked.url.startswith("http://127.0.0.1:") else None
    )
    try:
        page.goto(url)
        yield page
        assert faults == []
    finally:
        context.close()


def shot(page: Page, name: str) -> Path:
    """A picture of the whole page, kept for people to look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
