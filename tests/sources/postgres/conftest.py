"""A server that decodes its log, for all tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def logical_postgres() -> Iterator[PostgresServer]:
    with PostgresServer(wal_level="logical", logical_decoding_work_mem="64kB") as server:
        yield server
