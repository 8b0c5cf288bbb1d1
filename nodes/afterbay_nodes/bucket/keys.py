"""What a key is, told from its shape alone, whatever the writer's options were.

The directory of a data file is resolved later, when the schema files have said where tables are: `a/5/7` may be
version 5 of a table called `a` by id, or version 7 of `a.5`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from afterbay_nodes.storage.layout import METADATA, SchemaKey, parse_schema_key

# No number of the protocol has more than 20 digits; a longer one is none, and must not cost time to read.
_DATA = re.compile(r"(?P<stem>CDC|CDC_[^/]+(?=_))_?(?P<number>[0-9]{1,20})\.(?P<extension>[a-z0-9]+)", re.ASCII)
_INDEX = re.compile(r"(?P<stem>CDC|CDC_[^/]+)\.index", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,20}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}){0,2}", re.ASCII)
_YEAR = re.compile(r"20[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DataName:
    """A data file's key: what is numbered together has the same `series`."""

    directory: str
    stem: str
    number: int
    extension: str

    @property
    def series(self) -> str:
        """Directory and stem."""
        return f"{self.directory}/{self.stem}"


@dataclass(frozen=True, slots=True)
class IndexName:
    """An index file's key."""

    directory: str
    stem: str

    @property
    def series(self) -> str:
        """Directory and stem, as of the data files that the index speaks of."""
        return f"{self.directory}/{self.stem}"


@dataclass(frozen=True, slots=True)
class MetadataName:
    """The checkpoint's own file."""


Name = DataName | IndexName | MetadataName | SchemaKey


@dataclass(frozen=True, slots=True)
class Home:
    """Whose a data directory is: `owner` is the table's directory; the levels below the version, "" for none."""

    owner: str
    version: int
    partition: str
    date: str

    @property
    def order(self) -> tuple[object, ...]:
        """Ascending within a table's version: partitions and dates as numbers where they are."""
        return (len(self.partition), self.partition, self.date)


def name_of(key: str) -> Name | None:
    """What `key` is called like; None if no rule of the protocol gives such a name."""
    if key == METADATA:
        return MetadataName()
    if (schema := parse_schema_key(key)) is not None:
        return schema
    directory, _, base = key.rpartition("/")
    if (data := data_name(directory, base)) is not None:
        return data
    folder, _, meta = directory.rpartition("/")
    if meta == "meta" and (index := _INDEX.fullmatch(base)) is not None:
        return IndexName(folder, index["stem"])
    return None


def data_name(directory: str, base: str) -> DataName | None:
    """The data file `base` of a directory, or None if it is called otherwise. Numbers start at 1."""
    found = _DATA.fullmatch(base)
    if found is None or int(found["number"]) < 1 or (found["stem"] == "CDC") != (base[3] != "_"):
        return None
    return DataName(directory, found["stem"], int(found["number"]), found["extension"])


def home_of(directory: str, owners: frozenset[str], *, by_id: bool) -> Home | None:
    """Whose a data directory is, None if it is nobody's. `owners` are the directories of tables that are known.

    Where neither reading has a known owner, `by_id` says which one the store's other tables follow.
    """
    levels = directory.split("/")
    named = _home("/".join(levels[:2]), levels[2:], most=2)
    numbered = _home(levels[0], levels[1:], most=1) if _DIGITS.fullmatch(levels[0]) else None
    for home in (named, numbered):
        if home is not None and home.owner in owners:
            return home
    return (numbered or named) if by_id else (named or numbered)


def with_years(homes: Mapping[str, Home]) -> dict[str, Home]:
    """The same with a level of digits alone as the date where it is a year: some have a year below their partition, or
    every directory of the store ends in one. (Partitions that are called so all of them stay in the same order.)
    """
    below = any(home.partition and _YEAR.fullmatch(home.date) for home in homes.values())
    if not below and not all(_YEAR.fullmatch(home.date or home.partition) for home in homes.values()):
        return dict(homes)
    return {
        directory: replace(home, partition="", date=home.partition)
        if not home.date and _YEAR.fullmatch(home.partition)
        else home
        for directory, home in homes.items()
    }


def _home(owner: str, levels: list[str], most: int) -> Home | None:
    """`{version}[/{partition}][/{date}]`; a level of digits alone counts as a partition."""
    if not 1 <= len(levels) <= most + 1 or not all(map(_date_or_digits, levels)) or not _DIGITS.fullmatch(levels[0]):
        return None
    version, rest = int(levels[0]), levels[1:]
    if len(rest) == 2:
        partition, date = rest
        return Home(owner, version, partition, date) if _DIGITS.fullmatch(partition) and _DATE.fullmatch(date) else None
    alone = rest[0] if rest else ""
    return Home(owner, version, alone, "") if _DIGITS.fullmatch(alone) else Home(owner, version, "", alone)


def _date_or_digits(level: str) -> bool:
    return _DIGITS.fullmatch(level) is not None or _DATE.fullmatch(level) is not None
