"""Servers of stores that the tests of this folder share: each is started when it is first needed, once a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import store_servers
from tests.support.gcs_server import Buckets, gcs_server


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[str]:
    with store_servers.seaweedfs("lake") as address:
        yield address


@pytest.fixture(scope="session")
def rclone() -> Iterator[str]:
    with store_servers.rclone("lake") as address:
        yield address


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    with store_servers.azurite("lake") as address:
        yield address


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator[tuple[str, Buckets]]:
    """Ours: see `gcs_server`."""
    with gcs_server("lake") as running:
        yield running
