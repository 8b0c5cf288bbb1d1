"""Where the fields of many tuples lie: one step a column, for all rows of a run at once.

A tuple is its number of columns (int16) and for each a kind (`n`ull, `u`nchanged, `t`ext, `b`inary), the last two with
a length (int32) and that many bytes. Each step is checked against the end of every row's message, so that no length
that a message claims leads out of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from afterbay_nodes.sources.postgres.cutting import Mask
from afterbay_nodes.sources.postgres.pgoutput import Relation, fault
from afterbay_nodes.sources.postgres.row_run import Positions, RowRun

_NULL, _UNCHANGED, _TEXT, _BINARY = (ord(kind) for kind in "nutb")
_COUNT_BYTES = 2
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Fields:
    """One column in m tuples: from `start` to `end` in the run's data. Rising; empty where there is no value.

    `null` and `unchanged` (a TOAST value that the update did not touch, and which is not sent) are None if no row is.
    """

    start: Positions
    end: Positions
    null: Mask | None
    unchanged: Mask | None


class Walk:
    """Steps through tuples of `relation` in a run. Raises RunFailed `postgres.protocol` with the row's position.

    Fields are given column by column and not kept: a null is one byte in a message, and 16 in them (I8).
    """

    def __init__(self, run: RowRun, relation: Relation) -> None:
        self._run = run
        self._relation = relation

    def ends(self, rows: Positions | None, at: Positions) -> Positions:
        """Where the tuples that begin at `at` end."""
        end = at + _COUNT_BYTES
        for fields in self.columns(rows, at):
            end = fields.end
        return end

    def columns(self, rows: Positions | None, at: Positions) -> Iterator[Fields]:
        """The fields of one tuple a row, column by column.

        `rows` are their numbers in the run (None: all of it), `at` where each row's tuple begins, within its message.
        """
        ends = self._run.ends if rows is None else self._run.ends[rows]
        columns = self._relation.columns
        position = at + _COUNT_BYTES
        self._check(position <= ends, rows, "a row ends within its number of columns")
        self._check(
            self._run.int16(at) == len(columns), rows, f"a row has not the {len(columns)} columns of its relation"
        )
        for column in columns:
            fields = self._step(position, rows, column.name)
            position = fields.end
            self._check(position <= ends, rows, f"a row ends within column {column.name!a}")
            yield fields

    def check(self, good: Mask, why: str) -> None:
        """For what must be so of every row of the run."""
        self._check(good, None, why)

    def _step(self, at: Positions, rows: Positions | None, name: str) -> Fields:
        kind = self._run.uint8(at)
        length = self._run.int32(at + 1)
        is_text = kind == _TEXT
        start = at + (1 + _LENGTH_BYTES)
        null = unchanged = None
        if not is_text.all():
            unchanged, is_binary = kind == _UNCHANGED, kind == _BINARY
            null = kind == _NULL
            self._check(is_text | null | unchanged | is_binary, rows, f"column {name!a} has a value of no known kind")
            self._check(
                ~is_binary,
                rows,
                f"column {name!a} has a binary value, and text was asked for (START_REPLICATION without `binary`)",
            )
            start = np.where(is_text, start, at + 1)
            length = np.where(is_text, length, 0)
        self._check(length >= 0, rows, f"column {name!a} has a value of negative length")
        return Fields(start, start + length, null, unchanged)

    def _check(self, good: Mask, rows: Positions | None, why: str) -> None:
        if not good.all():
            first = int(np.argmin(good))
            row = first if rows is None else int(rows[first])
            table = f"{self._relation.schema}.{self._relation.name}"
            raise fault(why, self._run.lsn_of(row), table)
