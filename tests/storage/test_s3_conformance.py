from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.storage.conformance import StoreConformance
from tests.support.faulty_proxy import faulty_proxy
from tests.support.stores import Bench, s3_server, s3_uri

_roots = itertools.count()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server("lake") as address:
        yield address


class TestS3Store(StoreConformance):
    @pytest.fixture
    def bench(self, endpoint: str) -> Bench:
        return Bench(s3_uri(endpoint, f"lake/root-{next(_roots)}"))


class TestS3StoreWithoutIfMatch(StoreConformance):
    """Knows how to make an object under a condition, and not how to replace one: it is found out at the check."""

    asks = False

    @pytest.fixture
    def bench(self, endpoint: str) -> Iterator[Bench]:
        with faulty_proxy(endpoint) as proxy:
            proxy.ignored = ("If-Match",)
            yield Bench(s3_uri(proxy.address, f"lake/root-{next(_roots)}"))
