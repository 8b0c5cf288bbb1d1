"""Every YAML and Python snippet in README and docs is what it says: it compiles, or runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from afterbay import Pipeline

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets(language: str) -> list[pytest.param]:
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (kind, text) in enumerate(FENCE.findall(page.read_text()))
        if kind == language
    ]


def whole(text: str) -> str:
    """A snippet as a pipeline: a single source node gets a sink behind it, a head without nodes gets some."""
    if "nodes:" in text:
        return text
    demo = "nodes: {bank: {type: demo}, hole: {type: blackhole, inputs: bank}}\n"
    if "type:" not in text:
        return text + demo
    name = text.split(":", 1)[0].strip()
    return f"nodes:\n  {text.strip()}\n  hole: {{type: blackhole, inputs: {name}}}\n"


@pytest.mark.parametrize("text", snippets("yaml"))
def test_yaml_compiles(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "snippet.yaml"
    file.write_text(whole(text))
    assert Pipeline.from_yaml(file).compile().nodes


@pytest.mark.parametrize("text", snippets("python"))
def test_python_runs(text: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_there_are_snippets() -> None:
    assert len(snippets("yaml")) > 3
    assert len(snippets("python")) > 1


def test_every_page_that_the_readme_names_exists() -> None:
    named = re.findall(r"`(docs/[\w./-]+|CONTRIBUTING\.md)`", (ROOT / "README.md").read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
