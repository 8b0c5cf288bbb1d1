"""A stored row, whatever the file format."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One row as stored. `values` are in the schema file's column order, None for NULL. `op` is I, U or D.

    `commit_ts` and `is_update` are None where the format does not carry them; `old` holds the before-image of a
    canal-json update (column -> value; perhaps only the changed ones). `place` is `path:row`.
    """

    op: str
    commit_ts: int | None
    values: tuple[str | None, ...]
    place: str
    is_update: bool | None = None
    old: tuple[tuple[str, str | None], ...] | None = None
