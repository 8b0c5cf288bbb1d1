"""Migrations of `checkpoint.db`, the state of a pipeline.

Each module `mNNNN_….py` holds one step and is never edited once released: a later step changes what it made. Steps are
applied in this order; a database that has had a step that is not here was written by a newer version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlite_utils import Database, Migrations

from afterbay_migrations.checkpoint import (
    m0001_initial,
    m0002_files_behind_positions,
    m0003_cleaned_before,
    m0004_outages,
    m0005_roots_taken,
    m0006_counted_positions,
)

STEPS: Mapping[str, Callable[[Database], None]] = {
    "m0001_initial": m0001_initial.migrate,
    "m0002_files_behind_positions": m0002_files_behind_positions.migrate,
    "m0003_cleaned_before": m0003_cleaned_before.migrate,
    "m0004_outages": m0004_outages.migrate,
    "m0005_roots_taken": m0005_roots_taken.migrate,
    "m0006_counted_positions": m0006_counted_positions.migrate,
}

CHECKPOINT = Migrations("afterbay.checkpoint")
for _name, _step in STEPS.items():
    CHECKPOINT(name=_name)(_step)

__all__ = ["CHECKPOINT", "STEPS"]
