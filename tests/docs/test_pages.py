"""Pages that say what the program knows: they say the same as the program."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from afterbay.invariants import PROTECTED
from afterbay_nodes.storage import azure_options, gs_options, s3_options
from afterbay_nodes.storage.s3_errors import _RIGHTS
from tests.docs.__main__ import PAGES
from tests.docs.test_snippets import FENCE, ROOT


@pytest.mark.parametrize("made", PAGES, ids=lambda made: made.PAGE.name)
def test_a_page_that_is_made_from_the_program_is_up_to_date(made: ModuleType) -> None:
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), "run `python -m tests.docs`"


def test_the_page_of_errors_has_what_is_refused() -> None:
    text = PAGES[2].PAGE.read_text(encoding="utf-8")
    assert [code for code in PROTECTED if f"| `{code}` (I" not in text] == []


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("S3", s3_options.KEYS),
        ("Google Cloud Storage", gs_options.KEYS),
        ("Azure Blob Storage", azure_options.KEYS),
    ],
)
def test_every_key_of_a_store_is_on_its_page(heading: str, keys: tuple[str, ...]) -> None:
    text = (ROOT / "docs" / "stores.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    assert [key for key in keys if f"`{key}`" not in section] == []


def test_the_rights_on_the_page_of_stores_can_be_pasted() -> None:
    text = (ROOT / "docs" / "stores.md").read_text(encoding="utf-8")
    aws, google, azure = (json.loads(content) for kind, content in FENCE.findall(text) if kind == "json")
    actions = {action for statement in aws["Statement"] for action in statement["Action"]}
    assert all(f"`{action}`" in text for action in actions)
    assert actions >= {f"s3:{right}" for right in re.findall(r"\b(?:ListBucket|\w+Object|\w+Upload)\b", _RIGHTS)}
    assert {right.rpartition(".")[2] for right in google["includedPermissions"]} == {"create", "delete", "get", "list"}
    assert {action.split("/blobs/")[1] for action in azure["DataActions"]} == {"add/action", "delete", "read", "write"}


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    prose = FENCE.sub("", path.read_text(encoding="utf-8"))
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", prose)
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_pack_of_the_example_is_found_by_its_entry_point(tmp_path: Path) -> None:
    fences = FENCE.findall((ROOT / "docs" / "writing-a-node.md").read_text(encoding="utf-8"))
    (project,) = [tomllib.loads(text) for kind, text in fences if kind == "toml"]
    node, *_, pack = (text for kind, text in fences if kind == "python")
    package = tmp_path / "my_nodes"
    package.mkdir()
    (package / "__init__.py").write_text(pack)
    (package / "large.py").write_text(node.partition("pipeline = ")[0])
    info = tmp_path / "my_nodes-1.0.dist-info"  # what an installer makes of the project's table
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['project']['name']}\nVersion: 1.0\n")
    ((group, entries),) = project["project"]["entry-points"].items()
    lines = "\n".join(f"{name} = {target}" for name, target in entries.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{lines}\n")
    call = [sys.executable, "-c", "from afterbay.cli.app import call; call(['nodes', 'show', 'only_large'])"]
    done = subprocess.run(call, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert "Lets batches of at least `rows` changes pass." in done.stdout
    assert "In Python: from my_nodes.large import OnlyLarge" in done.stdout
