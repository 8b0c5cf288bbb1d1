"""What the catalog said once about a transaction it says again, whatever became of the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay_nodes.sources.postgres import catalog_answers
from afterbay_nodes.sources.postgres.catalog_answers import CatalogAnswers

FILE = "catalog-answers.jsonl"


@dataclass
class Catalog:
    """A server whose answer to everything is `now`."""

    now: str
    asked: list[str] = field(default_factory=list)

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        self.asked.append(sql)
        return [(self.now, value) for value in values]


def asked(answers: CatalogAnswers, commit: int, sql: str = "SELECT", *values: object, keep: bool = True) -> object:
    """The answer within a transaction, which is played or not."""
    answers.begin(commit)
    found = answers.rows(sql, values)
    if keep:
        answers.keep()
    return found


def test_the_same_transaction_gets_the_same_answer(tmp_path: Path) -> None:
    first = CatalogAnswers.read(tmp_path, 0).asked_of(Catalog("then"))
    assert asked(first, 8, "SELECT", 1, None) == [("then", 1), ("then", None)]
    again = CatalogAnswers.read(tmp_path, 8).asked_of(Catalog("now"))
    assert asked(again, 8, "SELECT", 1, None) == [("then", 1), ("then", None)]
    assert asked(again, 8, "SELECT", 2) == [("now", 2)]
    assert asked(again, 16, "SELECT", 1) == [("now", 1)]


def test_it_is_asked_once(tmp_path: Path) -> None:
    catalog = Catalog("then")
    answers = CatalogAnswers.read(tmp_path, 0).asked_of(catalog)
    for _ in range(3):
        asked(answers, 8, "SELECT", 1)
    assert catalog.asked == ["SELECT"]


def test_what_was_not_played_is_asked_again(tmp_path: Path) -> None:
    catalog = Catalog("then")
    answers = CatalogAnswers.read(tmp_path, 0).asked_of(catalog)
    asked(answers, 8, "SELECT", 1, keep=False)
    catalog.now = "now"
    assert asked(answers, 8, "SELECT", 1) == [("now", 1)]


def test_another_server_is_asked(tmp_path: Path) -> None:
    answers = CatalogAnswers.read(tmp_path, 0).asked_of(Catalog("then"))
    answers.system = "1"
    asked(answers, 8, "SELECT", 1)
    other = CatalogAnswers.read(tmp_path, 0).asked_of(Catalog("now"))
    other.system = "2"
    assert asked(other, 8, "SELECT", 1) == [("now", 1)]


def test_a_line_that_was_not_whole_is_nothing(tmp_path: Path) -> None:
    answers = CatalogAnswers.read(tmp_path, 0).asked_of(Catalog("then"))
    asked(answers, 8, "SELECT", 1)
    asked(answers, 16, "SELECT", 1)
    whole = (tmp_path / FILE).read_bytes()
    for cut in range(whole.index(b"\n") + 1, len(whole)):
        (tmp_path / FILE).write_bytes(whole[:cut])
        again = CatalogAnswers.read(tmp_path, 0).asked_of(Catalog("now"))
        assert asked(again, 8, "SELECT", 1, keep=False) == [("then", 1)]
        assert asked(again, 16, "SELECT", 1, keep=False) == [("now", 1)]


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"[8]\n")
    with pytest.raises(RunFailed, match="not as it was written") as caught:
        CatalogAnswers.read(tmp_path, 0)
    assert caught.value.code == "postgres.catalog_answers"


def test_what_a_checkpoint_has_passed_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_answers, "REWRITE_BYTES", 400)
    answers = CatalogAnswers.read(tmp_path, 0).asked_of(Catalog("then"))
    largest = 0
    for commit in range(8, 8000, 8):
        answers.needed_from = commit - 40
        asked(answers, commit, "SELECT", 1)
        largest = max(largest, (tmp_path / FILE).stat().st_size)
    assert largest < 1000
    again = CatalogAnswers.read(tmp_path, 0).asked_of(Catalog("now"))
    for commit in range(7992 - 40, 8000, 8):
        assert asked(again, commit, "SELECT", 1, keep=False) == [("then", 1)]
