"""How the program was called, so that what it prints as the next command works when it is copied."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

NAME = "afterbay"


def called_as() -> str:
    """The words in front of a verb, for this process."""
    return program(sys.argv[0], os.environ, Path.cwd())


def program(argument: str, env: Mapping[str, str], folder: Path) -> str:
    """The words in front of a verb. `argument` is the program's path, as Python gives it; `folder` is the current one.

    `uv run` puts the environment's programs on PATH for its child alone: there the way through uv is told.
    """
    path = Path(argument)
    if path.stem != NAME:
        return NAME  # a library's call, or `python -m`
    if "UV_RUN_RECURSION_DEPTH" in env:
        return f"{_near(Path(env['UV']), folder) if 'UV' in env else 'uv'} run {NAME}"
    found = shutil.which(NAME, path=env.get("PATH", ""))
    if found is not None and Path(found).resolve() == path.resolve():
        return NAME
    return _near(path, folder)


def _near(path: Path, folder: Path) -> str:
    """A program's path, relative where it is below the current folder."""
    whole = folder / path
    return shlex.quote(str(whole.relative_to(folder) if whole.is_relative_to(folder) else whole))
