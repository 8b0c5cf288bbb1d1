"""`--wait` may have a duration, or none, wherever it stands; `--ui` a port."""

from __future__ import annotations

import pytest

from afterbay.cli.optional_value import PORT, WAIT, completed


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
        ("--ui orders.yaml", "--ui=8765 orders.yaml"),
        ("orders.yaml --ui 0 --wait 5m", "orders.yaml --ui=0 --wait=5m"),
        ("--ui 70000 orders.yaml", "--ui=8765 70000 orders.yaml"),
    ],
)
def test_what_follows_is_its_value_only_where_it_can_be(words: str, wanted: str) -> None:
    assert completed(words.split(), {"--wait": WAIT, "--ui": PORT}) == wanted.split()
