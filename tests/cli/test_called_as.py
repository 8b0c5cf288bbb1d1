"""What is printed as the next command works when it is copied: it names the program as it was called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from afterbay.cli.called_as import program


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with an environment in it, as the README makes it."""
    bin_ = tmp_path / ".venv" / "bin"
    bin_.mkdir(parents=True)
    for name in ("afterbay", "uv"):
        (bin_ / name).write_text("#!/bin/sh\n")
        (bin_ / name).chmod(0o755)
    return tmp_path


def test_through_uv_it_is_uv_run(clone: Path) -> None:
    bin_ = clone / ".venv" / "bin"
    env = {"UV_RUN_RECURSION_DEPTH": "1", "UV": str(bin_ / "uv"), "PATH": str(bin_)}
    assert program(str(bin_ / "afterbay"), env, clone) == ".venv/bin/uv run afterbay"
    assert program(str(bin_ / "afterbay"), {"UV_RUN_RECURSION_DEPTH": "1"}, clone) == "uv run afterbay"


def test_on_path_it_is_its_name(clone: Path) -> None:
    bin_ = clone / ".venv" / "bin"
    assert program(str(bin_ / "afterbay"), {"PATH": str(bin_)}, clone) == "afterbay"


def test_off_path_it_is_the_programs_path(clone: Path) -> None:
    bin_ = clone / ".venv" / "bin"
    assert program(str(bin_ / "afterbay"), {"PATH": "/nowhere"}, clone) == ".venv/bin/afterbay"
    assert program(".venv/bin/afterbay", {"PATH": "/nowhere"}, clone) == ".venv/bin/afterbay"
    assert program(str(bin_ / "afterbay"), {"PATH": "/nowhere"}, Path("/")) == str(bin_ / "afterbay").lstrip("/")


def test_inside_another_program_it_is_the_name(clone: Path) -> None:
    assert program("/usr/bin/pytest", {}, clone) == "afterbay"


def test_what_init_prints_can_be_called(tmp_path: Path) -> None:
    afterbay = Path(sys.executable).parent / "afterbay"
    env = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run([afterbay, "init"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    (next_,) = [line.strip() for line in done.stdout.splitlines() if " validate " in line]
    again = subprocess.run(next_, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert again.stdout == "pipeline.yaml: ok (4 nodes)\n"
