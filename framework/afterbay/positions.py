"""How far a source and a sink have come: what the state keeps of both between two runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from afterbay.schema import Json, RowPosition


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a source goes on: everything <= `commit_ts` is stored; `cursor` is the source's own, plain JSON data."""

    commit_ts: int
    cursor: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """The last change of a dispatcher that a sink has stored, and the file it went to ("" and 0: none yet).

    `size` is that file's in bytes, -1 if it was not noted. `counted`: of its commit-ts `ordinal` + 1 changes.
    """

    row: RowPosition
    directory: str = ""
    number: int = 0
    size: int = -1
    counted: bool = False
