"""A folder survives the loss of power only if every name on its path was synced (I1)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from afterbay import durable
from afterbay.durable import make_folder


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    folders: list[Path] = []
    sync = durable.sync_folder

    def noted(folder: Path) -> None:
        sync(folder)
        folders.append(folder)

    monkeypatch.setattr(durable, "sync_folder", noted)
    return folders


def test_every_folder_on_the_way_is_synced_whoever_made_it(tmp_path: Path, synced: list[Path]) -> None:
    (tmp_path / "left" / "by a dead one").mkdir(parents=True)
    folder = tmp_path / "left" / "by a dead one" / "a" / "b"
    make_folder(folder)
    assert folder.is_dir()
    assert synced[:4] == list(folder.parents)[:4]
    make_folder(folder)
    assert synced[:4] == synced[len(synced) // 2 :][:4]


def test_a_folder_above_that_cannot_be_synced_ends_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(durable, "sync_folder", refused)
    make_folder(tmp_path)
    with pytest.raises(PermissionError):
        make_folder(tmp_path / "new")


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "file")
