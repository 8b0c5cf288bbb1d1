"""The page of PostgreSQL's types says what the types' table does, of every type."""

from __future__ import annotations

from afterbay_nodes.sources.postgres.type_table import BUILT_IN
from tests.docs.postgres_types_page import PAGE, ROWS, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.docs.postgres_types_page`"


def test_every_type_of_the_table_is_on_it() -> None:
    assert set(BUILT_IN) <= {oid for _, types, _ in ROWS for oid, _ in types}
