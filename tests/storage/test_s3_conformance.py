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

    # moto looks and writes in two steps, between which another thread may come: tried on the real servers.
    test_of_many_that_want_a_name_exactly_one_gets_it = None  # type: ignore[assignment]


class TestS3StoreWithoutIfMatch(StoreConformance):
    """Knows how to make an object under a condition, and not how to replace one: it is found out at the check."""

    asks = False
    test_of_many_that_want_a_name_exactly_one_gets_it = None  # type: ignore[assignment]  # moto again

    @pytest.fixture
    def bench(self, endpoint: str) -> Iterator[Bench]:
        with faulty_proxy(endpoint) as proxy:
            proxy.ignored = ("If-Match",)
            yield Bench(s3_uri(proxy.address, f"lake/root-{next(_roots)}"))
