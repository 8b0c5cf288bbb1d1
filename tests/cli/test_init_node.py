"""`afterbay init --node`: a package whose tests pass where nothing but it and Afterbay is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afterbay.cli.node_starter import NODES, package_files
from tests.support.cli import afterbay
from tests.support.environments import ROOT, environment, unpacked

GUIDE = ROOT / "docs" / "writing-a-node.md"


def test_the_package_passes_its_tests_and_runs_in_an_environment_of_its_own(tmp_path: Path) -> None:
    fresh = environment("", "pytest")
    wrote = fresh.run(["afterbay", "init", "--node", "my-nodes"], tmp_path)
    assert wrote.stdout.startswith("wrote my-nodes\n")
    project = tmp_path / "my-nodes"
    unpacked(project, tmp_path / "installed")
    own = {"PYTHONPATH": str(tmp_path / "installed")}
    tested = fresh.run([fresh.python, "-m", "pytest", "-q", "tests"], project, own)
    assert "4 passed" in tested.stdout
    shown = fresh.run(["afterbay", "nodes", "show", "ticker"], project, own)
    assert "from my_nodes.ticker import Ticker" in shown.stdout
    ran = fresh.run(["afterbay", "run", "pipeline.yaml", "--json"], project, own)
    assert json.loads(ran.stdout)["rows_stored"] == 100


def test_a_package_is_never_written_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    refused = afterbay("init", "--node", "mine", cwd=tmp_path)
    assert refused.exit_code == 2
    assert "[init.exists]" in refused.err
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("name", ["1st", "../up", "a b", "-x-", "nodes/x"])
def test_a_name_that_is_no_packages_is_refused(name: str, tmp_path: Path) -> None:
    refused = afterbay("init", f"--node={name}", cwd=tmp_path)
    assert refused.exit_code == 2
    assert "[call.invalid]" in refused.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("node", NODES)
def test_the_guide_shows_the_nodes_of_the_package(node: str) -> None:
    assert f"```python\n{package_files('x')[f'src/x/{node}.py']}```" in GUIDE.read_text(encoding="utf-8")
