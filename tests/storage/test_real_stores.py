"""The contract of a store, over the network stack, by servers that people run; Google's alone is a stand-in of ours."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.storage.conformance import StoreConformance
from tests.support.gcs_server import Buckets, credentials_file, gs_uri
from tests.support.store_servers import azure_uri
from tests.support.stores import Bench, s3_uri

_roots = itertools.count()


class TestSeaweedFs(StoreConformance):
    """S3 with conditional writes."""

    @pytest.fixture
    def bench(self, seaweedfs: str) -> Bench:
        return Bench(s3_uri(seaweedfs, f"lake/root-{next(_roots)}"))


class TestRclone(StoreConformance):
    """S3 without conditional writes."""

    asks = False

    @pytest.fixture
    def bench(self, rclone: str) -> Bench:
        return Bench(s3_uri(rclone, f"lake/root-{next(_roots)}"))


class TestAzurite(StoreConformance):
    """Azure Blob Storage."""

    @pytest.fixture
    def bench(self, azurite: str) -> Bench:
        return Bench(azure_uri(azurite, f"lake/root-{next(_roots)}"))


class TestFakeGoogle(StoreConformance):
    """Google Cloud Storage's client against a server of ours: see `tests.support.gcs_server`."""

    @pytest.fixture
    def bench(self, fake_gcs: tuple[str, Buckets], tmp_path: Path) -> Bench:
        return Bench(gs_uri(fake_gcs[0], f"lake/root-{next(_roots)}", credentials_file(tmp_path)))
