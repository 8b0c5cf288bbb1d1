"""The databases that are kept, one for each migration: what a release that ended with it left behind.

`python -m tests.state.kept_databases` makes the newest one, when a migration is added; older ones are never made again.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database, Migrations

from afterbay_migrations.checkpoint import STEPS

DATA = Path(__file__).parent / "data"

# What the version with this step last had written that earlier ones could not.
WRITTEN: dict[str, str] = {
    "m0001_initial": "",
    "m0002_files_behind_positions": "update positions set directory = 'bank/d1/1', number = 1; "
    "update intents set header = 10",
    "m0003_cleaned_before": "update sinks set cleaned_before = '2026-02-01'",
    "m0004_outages": "insert into outages values ('lake', 'put', 'bank/d1/1/x', 'slow down', '2026-03-01T12:00:00')",
    "m0005_roots_taken": "update sinks set adopted = null; update positions set size = 100",
    "m0006_counted_positions": "update positions set counted = 1",
}


def kept(step: str) -> Path:
    """The database of the version whose last migration was `step`."""
    return DATA / f"checkpoint-{step.partition('_')[0]}.db"


def up_to(step: str, path: Path) -> None:
    """Applies the steps up to `step` to the database at `path`."""
    migrations = Migrations("afterbay.checkpoint")
    for name, apply in STEPS.items():
        migrations(name=name)(apply)
        if name == step:
            break
    with closing(sqlite3.connect(path)) as connection:
        migrations.apply(Database(connection))


def make(step: str) -> None:
    """Makes the kept database of `step` from that of the step before."""
    steps = list(STEPS)
    shutil.copyfile(kept(steps[steps.index(step) - 1]), kept(step))
    up_to(step, kept(step))
    with closing(sqlite3.connect(kept(step))) as connection, connection:
        connection.executescript(WRITTEN[step])


if __name__ == "__main__":
    for missing in (step for step in STEPS if not kept(step).exists()):
        make(missing)
