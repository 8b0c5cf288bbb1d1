"""Folders that survive the loss of power: a name is on the disk only once the folder that it stands in is (I1)."""

from __future__ import annotations

import os
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Makes `folder` and its missing parents, each durable in the one above it. Raises OSError.

    Those that are there already are synced too: a process that died may have made them, and not come to it. Where that
    cannot be done, or another disk begins, nothing above is of our making.
    """
    missing: list[Path] = []
    at = folder
    while not at.exists():
        missing.append(at)
        at = at.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(20, "it is not a directory")
    disk = folder.stat().st_dev
    for path in (folder, *folder.parents):
        above = path.parent
        if above == path or above.stat().st_dev != disk:
            return
        try:
            sync_folder(above)
        except OSError:
            if path in missing:
                raise
            return


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
