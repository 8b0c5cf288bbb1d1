"""The page about operating a pipeline: its commands run as they stand, and its tables are complete."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

from afterbay_migrations.checkpoint import STEPS
from tests.docs.test_snippets import FENCE, ROOT
from tests.state.kept_databases import kept
from tests.support.cli import afterbay

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_commands_run(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines")
    quick = tmp_path / "pipelines" / "quickstart.yaml"
    quick.write_text(quick.read_text().replace("rows: 500000", "rows: 5000"))
    (block,) = [text for kind, text in FENCE.findall(PAGE) if kind == "console"]
    commands = [shlex.split(line)[2:] for line in block.splitlines()]
    for command in commands:
        done = afterbay(*command, cwd=tmp_path)
        assert done.exit_code == 0, (command, done.out, done.err)
    verbs = {" ".join(word for word in command[:2] if word.isalpha()) for command in commands}
    assert verbs >= {
        "doctor", "run", "state show", "state export", "state rebuild", "state reset",
        "spool stat", "spool fsck", "spool purge",
    }  # fmt: skip
    exported = json.loads((tmp_path / "state.json").read_text())
    named = set(re.findall(r"`([\w.]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE))))
    assert [key for key in exported if key not in named and key != "sinks"] == []
    sink = next(iter(exported["sinks"].values()))
    assert [key for key in sink if f"sinks.NAME.{key}" not in named and f".{key}" not in named] == []


def test_every_migration_has_its_kept_database() -> None:
    assert [step for step in STEPS if not kept(step).is_file()] == []
