"""The package that `afterbay init --node` writes: three nodes of `afterbay.example_nodes`, an entry point, tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

from afterbay.errors import PipelineInvalid
from afterbay.printable import visible

NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*")
NODES = ("ticker", "redact", "to_sqlite")

_PROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"
description = "Nodes for Afterbay."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["afterbay"]

# The door: node types by name. A module is imported when a pipeline uses its type.
[project.entry-points."afterbay.nodes"]
{package} = "{package}:PACK"

[dependency-groups]
dev = ["pytest>=8"]

[tool.hatch.build.targets.wheel]
packages = ["src/{package}"]
"""

_PACK = '''\
"""Nodes for Afterbay."""

PACK = {{
    "ticker": "{package}.ticker:Ticker",
    "redact": "{package}.redact:Redact",
    "to_sqlite": "{package}.to_sqlite:ToSqlite",
}}
'''

_README = """\
# {name}

Nodes for Afterbay: a source (`ticker`), a transform (`redact`) and a sink (`to_sqlite`) to start from. Keep the one
that you need, rename it, and change what it does; its tests say whether it still keeps the contract.

    pip install -e . pytest
    pytest
    afterbay nodes show ticker
    afterbay run pipeline.yaml
"""

_PIPELINE = """\
name: {package}
state: ./state
nodes:
  ticks: {{type: ticker, ticks: 100}}
  hidden: {{type: redact, inputs: ticks, columns: [said]}}
  kept: {{type: to_sqlite, inputs: hidden, path: ./ticks.db}}
"""

_TESTS = '''\
"""What each node promises, held against the contract; and all three in a pipeline."""

from pathlib import Path

from {package}.redact import Redact
from {package}.ticker import Ticker
from {package}.to_sqlite import ToSqlite, stored

from afterbay import Pipeline
from afterbay.testing import check_sink, check_source, check_transform


def test_the_source_keeps_the_contract(tmp_path: Path) -> None:
    check_source(lambda: Ticker(ticks=45, at_once=7), tmp_path)


def test_the_transform_keeps_the_contract(tmp_path: Path) -> None:
    check_transform(lambda: Redact(columns=("note",)), tmp_path)


def test_the_sink_keeps_the_contract(tmp_path: Path) -> None:
    file = tmp_path / "kept.db"
    check_sink(
        lambda: ToSqlite(path=file), lambda: [(it["table"], it["commit_ts"]) for it in stored(file)], tmp_path
    )


def test_a_pipeline_finds_the_nodes_by_their_types(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        f"""
name: ticks
state: {{tmp_path}}/state
nodes:
  ticks: {{{{type: ticker, ticks: 20}}}}
  hidden: {{{{type: redact, inputs: ticks, columns: [said]}}}}
  kept: {{{{type: to_sqlite, inputs: hidden, path: {{tmp_path}}/kept.db}}}}
"""
    )
    report = Pipeline.from_yaml(file).run()
    assert report.rows_stored == 20
    assert [it["row"]["said"] for it in stored(tmp_path / "kept.db")] == ["***"] * 20
'''


def package_name(name: str) -> str:
    """The import name of the package `name`. Raises PipelineInvalid for what cannot be one."""
    if not NAME.fullmatch(name):
        raise PipelineInvalid(
            "call.invalid",
            f"--node: '{visible(name)}' is no name for a package",
            hint="letters, digits, - and _, beginning with a letter: my-nodes",
        )
    return name.lower().replace("-", "_")


def package_files(name: str) -> Mapping[str, str]:
    """Path below the package's folder -> text. Raises PipelineInvalid for a bad name."""
    package = package_name(name)
    texts = {
        "pyproject.toml": _PROJECT,
        "README.md": _README,
        "pipeline.yaml": _PIPELINE,
        f"src/{package}/__init__.py": _PACK,
        "tests/test_nodes.py": _TESTS,
    }
    made = {path: text.format(name=name, package=package) for path, text in texts.items()}
    examples = files("afterbay.example_nodes")
    nodes = {f"src/{package}/{node}.py": (examples / f"{node}.py").read_text(encoding="utf-8") for node in NODES}
    return {**made, f"src/{package}/py.typed": "", **nodes}
