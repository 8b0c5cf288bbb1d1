"""What a server's messages become: the source's own way from a stream to an outlet, without a pipeline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from afterbay.messages import SchemaChange
from afterbay_nodes.sources.postgres.catalog_answers import CatalogAnswers
from afterbay_nodes.sources.postgres.player import Player
from afterbay_nodes.sources.postgres.scratch_rows import Room, ScratchRows
from afterbay_nodes.sources.postgres.tables import Tables
from afterbay_nodes.sources.postgres.transactions import Transaction, Transactions
from tests.support.outlet import RecordingOutlet


class Facts:
    """Answers from the catalog."""

    def __init__(self, db: psycopg.Connection[Any]) -> None:
        self._db = db

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, values or None).fetchall()


def played(messages: list[bytes], db: psycopg.Connection[Any], folder: Path, cut: int) -> dict[str, list[Any]]:
    """What leaves for each table, in order: rows, and schema changes."""
    out = RecordingOutlet()
    tables = Tables(lambda name: True, lambda name, columns: frozenset(), {})
    scratch = folder / "scratch"
    answers = CatalogAnswers(folder)
    taken = Transactions(tables, ScratchRows(scratch, Room(1 << 30)), answers, 0, -1)
    player = Player("pg", out)
    for start in range(0, len(messages), cut):
        for event in taken.take(messages[start : start + cut], Facts(db)):
            assert isinstance(event, Transaction)
            player.play(event)
    player.flush()
    assert not taken.open
    assert not scratch.exists() or list(scratch.iterdir()) == []
    found: dict[str, list[Any]] = defaultdict(list)
    for row in out.rows:
        found[row.dispatcher].append(row)
    for sent in out.sent:
        if isinstance(sent, SchemaChange):
            found["changes"].append((sent.commit_ts, sent.kind, sent.query))
    return found
