"""`--wait` may have a duration, or none, wherever it stands."""

from __future__ import annotations

import pytest

from afterbay.cli.optional_value import with_wait


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("orders.yaml --wait", "orders.yaml --wait=forever"),
        ("--wait orders.yaml", "--wait=forever orders.yaml"),
        ("--wait 5m orders.yaml", "--wait=5m orders.yaml"),
        ("--wait=5m orders.yaml", "--wait=5m orders.yaml"),
        ("--wait forever orders.yaml", "--wait=forever orders.yaml"),
        ("--wait --json orders.yaml", "--wait=forever --json orders.yaml"),
        ("--until 5m orders.yaml", "--until 5m orders.yaml"),
        ("-- --wait", "-- --wait"),
    ],
)
def test_what_follows_is_its_value_only_where_it_can_be(words: str, wanted: str) -> None:
    assert with_wait(words.split()) == wanted.split()
