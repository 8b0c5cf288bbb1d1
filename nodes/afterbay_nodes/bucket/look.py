"""What two listings of a store show, sorted by kind: schema files of both looks, data files and indexes of the second.

Schema files come first and data afterwards, so that every row that a schema file promises is among the data (I3). One
listing is not one moment: a schema file may be missed although a later one is seen. The second look sees it; from its
version on everything waits for the next snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from afterbay_nodes.bucket.findings import Finding, Rule
from afterbay_nodes.bucket.keys import DataName, IndexName, name_of
from afterbay_nodes.bucket.series import Found, Series
from afterbay_nodes.storage.layout import SchemaKey
from afterbay_nodes.storage.store import ObjectInfo


@dataclass(frozen=True, slots=True)
class Look:
    """`schemas` are the schema files to use, all below `horizon`: the lowest version that came between the looks."""

    schemas: Mapping[str, SchemaKey]
    horizon: int | None
    series: Mapping[str, Series]
    indexes: frozenset[str]
    findings: tuple[Finding, ...]

    def waits(self, version: int) -> bool:
        """True if what is of `version` is for the next snapshot."""
        return self.horizon is not None and version >= self.horizon


def schema_keys(listing: Iterable[ObjectInfo]) -> dict[str, SchemaKey]:
    """The first look: schema files alone count."""
    named = ((info.key, name_of(info.key)) for info in listing)
    return {key: name for key, name in named if isinstance(name, SchemaKey)}


def second_look(first: Mapping[str, SchemaKey], listing: Iterable[ObjectInfo]) -> Look:
    """Both looks together."""
    sorted_in = _Sorted()
    for info in listing:
        sorted_in.add(info)
    late = [name.version for key, name in sorted_in.schemas.items() if key not in first]
    horizon = min(late, default=None)
    usable = {
        key: name
        for key, name in first.items()
        if key in sorted_in.schemas and (horizon is None or name.version < horizon)
    }
    return Look(usable, horizon, sorted_in.series, frozenset(sorted_in.indexes), tuple(sorted_in.findings))


@dataclass(slots=True)
class _Sorted:
    """A listing on its way."""

    schemas: dict[str, SchemaKey] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)
    indexes: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def add(self, info: ObjectInfo) -> None:
        match name_of(info.key):
            case SchemaKey() as name:
                self.schemas[info.key] = name
            case DataName(directory, stem, number, extension) as name:
                series = self.series.setdefault(name.series, Series(directory, stem))
                series.add(number, Found(info.key, info.size, extension))
            case IndexName(directory, stem) as name:
                self.series.setdefault(name.series, Series(directory, stem))
                self.indexes.add(name.series)
            case None:
                self.findings.append(Finding(info.key, Rule.KEY_UNKNOWN, "no rule of the protocol gives such a name"))
