"""The quickstart, as a new user runs it: it ends by itself, its books balance, and a second run has nothing to do."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from pathlib import Path

from tests.reader.bucket import Bucket, read_bucket
from tests.reader.csv_rows import CsvDialect
from tests.reader.paths import StoreShape
from tests.support.cli import REPOSITORY, afterbay

QUICKSTART = REPOSITORY / "pipelines" / "quickstart.yaml"
OPENING_BALANCE = 1_000_000
BUDGET_SECONDS = 20  # what the project promises on two cores; it takes a small part of it


def total_after_each_commit(bucket: Bucket) -> list[int]:
    """The sum of all balances after each commit, all tables applied together."""
    changes = []
    for (schema, table), versions in bucket.tables.items():
        for version in versions:
            names = [column.name for column in version.schema.columns]
            if "balance" in names:
                key, money = names.index("id"), names.index("balance")
                place = (schema, table)
                changes += [
                    (row.commit_ts or 0, row.op, place, row.values[key], int(row.values[money] or 0))
                    for row in version.rows
                ]
    balances: dict[tuple[tuple[str, str], str | None], int] = defaultdict(int)
    totals, total = [], 0
    # Sorted by commit alone: within one, each table's order is the stored one.
    for _, commit in groupby(sorted(changes, key=lambda change: change[0]), key=lambda change: change[0]):
        for _, op, place, account, money in commit:
            total -= balances.pop((place, account), 0)
            if op != "D":
                balances[place, account] = money
                total += money
        totals.append(total)
    assert total == len(balances) * OPENING_BALANCE
    return totals


def test_the_quickstart(tmp_path: Path) -> None:
    first = afterbay("run", QUICKSTART, "--json", cwd=tmp_path, timeout=BUDGET_SECONDS)
    assert first.exit_code == 0, first.err
    report = first.data
    assert report["rows_in"] >= 100_000
    assert report["rows_stored"] == report["rows_in"]
    assert report["ddls"] > 10
    bucket = read_bucket(tmp_path / "afterbay-demo" / "lake", StoreShape("csv"), CsvDialect(commit_ts=True))
    assert bucket.findings == ()
    assert bucket.unindexed == ()
    assert sum(len(bucket.rows(*table)) for table in bucket.tables) == report["rows_stored"]
    assert bucket.checkpoint == max(report["checkpoints"].values())
    totals = total_after_each_commit(bucket)
    assert len(set(totals)) == 1, "the sum of all balances changed"
    second = afterbay("run", QUICKSTART, "--json", cwd=tmp_path, timeout=BUDGET_SECONDS)
    assert second.exit_code == 0, second.err
    assert (second.data["rows_stored"], second.data["files"], second.data["ddls"]) == (0, 0, 0)


def test_it_tells_a_person_what_it_did_and_what_to_try_next(tmp_path: Path) -> None:
    done = afterbay("run", QUICKSTART, cwd=tmp_path, timeout=BUDGET_SECONDS)
    assert done.exit_code == 0, done.err
    for word in ("rows in", "rows stored", "files", "checkpoint", "afterbay status", "afterbay-demo/lake"):
        assert word in done.out.lower(), word
    status = afterbay("status", QUICKSTART, "--json", cwd=tmp_path)
    assert status.exit_code == 0, status.err
    assert status.data["checkpoints"]["bank"]["commit_ts"] > 0
