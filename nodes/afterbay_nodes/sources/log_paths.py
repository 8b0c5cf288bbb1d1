"""Whether a path, a file or a glob, takes in a file, also one that is not there yet."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath


def takes_in(path: str, file: str) -> bool:
    """True if `path` reads `file` once it exists, whichever way both are spelled. Links are followed."""
    names = {_plain(file), os.path.realpath(file)}
    return any(_matches(_parts(pattern), _parts(name)) for pattern in _spellings(path) for name in names) or any(
        os.path.realpath(found) in names
        for found in glob.iglob(path, recursive=True)  # noqa: PTH207 - as `list_files`
    )


def _plain(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - without its links


def _spellings(path: str) -> set[str]:
    """The pattern as an absolute one, and with the links of the folder in front of its first wildcard followed."""
    parts = _parts(_plain(path))
    fixed = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    front = os.path.realpath(Path(*parts[:fixed]))
    return {_plain(path), str(Path(front, *parts[fixed:]))}


def _parts(path: str) -> Sequence[str]:
    return PurePath(path).parts


def _matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """As `glob` does: `**` is any number of folders, and wildcards do not match hidden names."""
    if not pattern or not parts:
        return (not pattern and not parts) or list(pattern) == ["**"]
    first = pattern[0]
    hidden = parts[0].startswith(".") and not first.startswith(".")
    if first == "**":
        return _matches(pattern[1:], parts) or (not hidden and _matches(pattern, parts[1:]))
    if first != parts[0] and (hidden or not fnmatchcase(parts[0], first)):
        return False
    return _matches(pattern[1:], parts[1:])
