"""Where a scenario writes: a folder, or an S3 server behind a network that spoils requests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support import store_servers
from tests.support.faulty_proxy import Proxy, faulty_proxy
from tests.support.stores import s3_client, s3_uri

BUCKET = "chaos"
SCENARIOS_A_SERVER = 12


class Servers:
    """Owns the S3 server. It is started when it is first needed, and anew now and then: it does not free what is
    removed from it, and its disk is to stay bounded.
    """

    def __init__(self) -> None:
        self._running = ExitStack()
        self._endpoint = ""
        self._used = 0

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def s3(self) -> str:
        """The address of a server for one more scenario."""
        if self._used % SCENARIOS_A_SERVER == 0:
            self._running.close()
            self._endpoint = self._running.enter_context(store_servers.seaweedfs(BUCKET))
        self._used += 1
        return self._endpoint


class Root:
    """One sink's root: `uri` is where it writes."""

    uri: str

    def fetch(self) -> Path:
        """A folder with what is in it now."""
        raise NotImplementedError


class FileRoot(Root):
    """A folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.uri = str(folder)

    def fetch(self) -> Path:
        return self._folder


class S3Root(Root):
    """A prefix of the bucket: written through the network, read past it."""

    def __init__(self, client: Any, proxy: Proxy, prefix: str, copy: Path) -> None:
        self._client = client
        self._prefix = prefix
        self._copy = copy
        self.uri = s3_uri(proxy.address, f"{BUCKET}/{prefix}")

    def fetch(self) -> Path:
        shutil.rmtree(self._copy, ignore_errors=True)
        self._copy.mkdir()
        for key in self._keys():
            path = self._copy / key.removeprefix(f"{self._prefix}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        return self._copy

    def remove(self) -> None:
        """Gives its room back."""
        for key in list(self._keys()):
            self._client.delete_object(Bucket=BUCKET, Key=key)

    def _keys(self) -> Iterator[str]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{self._prefix}/"):
            yield from (item["Key"] for item in page.get("Contents", ()))


@contextmanager
def network(endpoint: str) -> Iterator[tuple[Proxy, Any]]:
    """The network of one scenario, and a client that is not on it."""
    client = s3_client(endpoint, tries=5)
    try:
        with faulty_proxy(endpoint) as proxy:
            yield proxy, client
    finally:
        client.close()
