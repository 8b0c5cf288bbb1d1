"""The page about `verify`: its commands run as they stand, and it names every code that a fault can have."""

from __future__ import annotations

import re
import shlex
import shutil
from fnmatch import fnmatch
from pathlib import Path

from afterbay_nodes.bucket.findings import Rule
from afterbay_nodes.verify.fault import HINTS
from tests.docs.test_snippets import FENCE, ROOT
from tests.support.cli import afterbay

PAGE = (ROOT / "docs" / "verify.md").read_text(encoding="utf-8")


def test_the_commands_run(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines")
    quick = tmp_path / "pipelines" / "quickstart.yaml"
    quick.write_text(quick.read_text().replace("rows: 500000", "rows: 5000"))
    commands = [
        shlex.split(line)[2:]
        for kind, text in FENCE.findall(PAGE)
        if kind == "console"
        for line in text.splitlines()
        if line.startswith("$ afterbay ")
    ]
    assert len(commands) > 5
    for command in commands:
        done = afterbay(*command, cwd=tmp_path)
        assert done.exit_code == 0, (command, done.out, done.err)
    assert sum(command[0] == "verify" for command in commands) > 3


def test_every_code_is_on_the_page() -> None:
    named: list[str] = []
    for cell in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE):
        codes = re.findall(r"`([\w.*]+)`", cell)
        named += [codes[0].partition(".")[0] + code if code.startswith(".") else code for code in codes]
    named += re.findall(r"`([\w]+\.[\w]+)`", PAGE)
    codes = [*HINTS, *map(str, Rule)]
    assert [code for code in codes if not any(fnmatch(code, pattern) for pattern in named)] == []
