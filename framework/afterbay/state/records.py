"""What the state remembers, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from afterbay.positions import ResumePoint, StoredPosition
from afterbay.schema import RowPosition, TableSchema


@dataclass(frozen=True, slots=True)
class Intent:
    """A file about to be written. `path` is the data file's key below the sink's root.

    `rows` counts changes; `size` (bytes) and `crc` (CRC-32) cover the whole file, its `header` bytes included.
    """

    sink: str
    partition: str
    dispatcher: str
    directory: str
    number: int
    path: str
    first: RowPosition
    last: RowPosition
    rows: int
    size: int
    crc: int
    header: int = 0


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """An intent that is neither finished nor withdrawn: its file may be absent, whole, or (elsewhere) half there."""

    id: int
    intent: Intent


@dataclass(frozen=True, slots=True)
class StoredTotals:
    """What a sink has stored since the state was made."""

    files: int
    rows: int
    bytes: int
    ddls: int


@dataclass(frozen=True, slots=True)
class Restart:
    """What a start needs.

    `fresh`: no sink has ever claimed its root. `positions` by (sink, partition, dispatcher). `schemas` by partition,
    then dispatcher: in force at the partition's checkpoint. `ddls`: (sink, key, commit-ts) of those above the
    checkpoint whose schema files are stored. `cleaned`: by sink, the day (2006-01-02) below which it has removed files.
    `totals`: by sink that has claimed its root. `adopted`: by sink that claimed a root with files in it, the checkpoint
    that this showed then. `marks`: by sink whose mark may not be at its root yet, that mark.
    """

    fresh: bool
    checkpoints: Mapping[str, ResumePoint]
    positions: Mapping[tuple[str, str, str], StoredPosition]
    intents: tuple[OpenIntent, ...]
    schemas: Mapping[str, Mapping[str, TableSchema]]
    ddls: frozenset[tuple[str, str, int]]
    claimed: frozenset[str]
    cleaned: Mapping[str, str]
    totals: Mapping[str, StoredTotals]
    adopted: Mapping[str, int]
    marks: Mapping[str, str]
