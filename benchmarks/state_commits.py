"""How many files a second the state can begin and finish, against what bare SQLite can commit.

2 000 files from 16 threads, each a `begin` and a `finish` (two durable waits) with a token each. The floor does the
same number of durable waits as single FULL commits of one row from one thread: what a state without group commit costs.

    python -m benchmarks.state_commits [--files 2000] [--threads 16]
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

from afterbay.clock import SystemClock
from afterbay.positions import ResumePoint
from afterbay.runtime.ledger import Ledger
from afterbay.schema import RowPosition
from afterbay.state.store import Intent, State

SOURCE = "source"


def bare_commits(directory: Path, commits: int) -> float:
    """Seconds for `commits` single-row transactions, WAL and synchronous FULL."""
    connection = sqlite3.connect(directory / "bare.db", isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("create table files (name text primary key, commit_ts text) strict")
    started = time.perf_counter()
    for at in range(commits):
        connection.execute("begin immediate")
        connection.execute("insert or replace into files values (?, ?)", (f"table-{at % 64}", f"{at:020d}"))
        connection.execute("commit")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def state_pairs(directory: Path, files: int, threads: int) -> tuple[float, int]:
    """Seconds for `files` begin + finish pairs, each thread with a table of its own; and how many checkpoints came."""
    told: list[ResumePoint] = []
    failures: list[BaseException] = []
    state = State.open(directory / "state", pipeline="bench", identity={}, clock=SystemClock())
    ledger = Ledger(SOURCE)
    state.start({SOURCE: ledger}, lambda _, point: told.append(point), failures.append)
    tokens = [ledger.mint(at + 1, f"table-{at % threads}") for at in range(files)]
    for at in range(files):
        ledger.promise(at + 1, {"at": at})

    def write(table: int) -> None:
        for number, at in enumerate(range(table, files, threads), start=1):
            position = RowPosition(at + 1, 0)
            name = f"bank/table-{table}/1"
            begun = state.begin(
                Intent(
                    sink="lake",
                    partition=SOURCE,
                    dispatcher=f"table-{table}",
                    directory=name,
                    number=number,
                    path=f"{name}/CDC{number:020d}.csv",
                    first=position,
                    last=position,
                    rows=1,
                    size=8 << 20,
                    crc=number,
                )
            )
            state.finish(begun, [tokens[at]])

    workers = [threading.Thread(target=write, args=(table,)) for table in range(threads)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - started
    durable = state.checkpoint_of(SOURCE)
    state.close()
    if failures or durable is None or durable.commit_ts != files:
        raise SystemExit(f"the checkpoint is {durable}, failures {failures}")
    return seconds, len(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as name:
        directory = Path(name)
        floor = bare_commits(directory, 2 * options.files)
        seconds, told = state_pairs(directory, options.files, options.threads)
    waits = 2 * options.files
    print(f"floor   bare SQLite, FULL, one thread   {waits / floor:10.0f} commits/s")
    print(f"state   begin + finish, {options.threads:3} threads    {waits / seconds:10.0f} durable calls/s")
    print(f"        {options.files / seconds:.0f} files/s, {told} checkpoints, ratio to floor {floor / seconds:.2f}")


if __name__ == "__main__":
    main()
