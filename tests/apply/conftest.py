"""Every test here that asks for `landed` runs once for each kind of target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from afterbay_nodes.apply.engine import Apply, ApplyOptions
from afterbay_nodes.apply.report import ApplyReport
from afterbay_nodes.apply.targets.open import open_target
from afterbay_nodes.apply.type_table import Temporal
from afterbay_nodes.bucket.bucket import Bucket
from tests.support.landed import KINDS, Landed
from tests.support.made_store import MadeStore
from tests.support.postgres_server import PostgresServer

Applies = Callable[..., ApplyReport]
Makes = Callable[[str], Landed]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests of a worker."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def make_target(tmp_path: Path, request: pytest.FixtureRequest) -> Makes:
    """Makes an empty target of a kind."""
    made = 0

    def make(kind: str) -> Landed:
        nonlocal made
        made += 1
        if kind == "postgres":
            return Landed(kind, request.getfixturevalue("postgres").database())
        path = tmp_path / f"copy{made}.{kind}"
        return Landed(kind, f"{kind}:///{path}", str(path))

    return make


@pytest.fixture(params=KINDS)
def landed(request: pytest.FixtureRequest, make_target: Makes) -> Landed:
    """An empty target."""
    return make_target(request.param)


@pytest.fixture
def apply(landed: Landed) -> Applies:
    """Applies a store to `landed`, in one round."""

    def run(store: MadeStore | Bucket, temporal: Temporal = Temporal.NATIVE, **options: object) -> ApplyReport:
        bucket = store.bucket() if isinstance(store, MadeStore) else store
        target = open_target(landed.uri, temporal)
        try:
            work = Apply(bucket, target, ApplyOptions(**options))  # type: ignore[arg-type]
            work.round()
        finally:
            target.close()
        return work.report

    return run
