"""The page of PostgreSQL's types says what the types' table does, of every type."""

from __future__ import annotations

from afterbay_nodes.sources.postgres.type_table import BUILT_IN
from tests.docs.postgres_types_page import ROWS


def test_every_type_of_the_table_is_on_it() -> None:
    assert set(BUILT_IN) <= {oid for _, types, _ in ROWS for oid, _ in types}
