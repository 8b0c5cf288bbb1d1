"""Types that are not built in (enums, domains, composites, ranges, extensions), as the server's catalog has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

QUERY: Final = """\
WITH RECURSIVE wanted(oid) AS (
  SELECT unnest(%s::oid[])
  UNION
  SELECT t.typbasetype FROM wanted JOIN pg_catalog.pg_type t USING (oid) WHERE t.typtype = 'd'
)
SELECT t.oid::int8, n.nspname::text, t.typname::text, t.typtype::text, t.typbasetype::int8, t.typtypmod
FROM wanted
JOIN pg_catalog.pg_type t USING (oid)
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
"""
"""The facts of the types whose oids are its one parameter, and of what domains among them are made of."""


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """One row of QUERY.

    `kind` is `pg_type.typtype`: b(ase; arrays too), c(omposite), d(omain), e(num), p(seudo), r(ange), m(ultirange).
    `base_oid` and `base_typmod` say what a domain is made of; 0 and -1 for others.
    """

    oid: int
    schema: str
    name: str
    kind: str
    base_oid: int = 0
    base_typmod: int = -1


TypeCatalog: TypeAlias = Mapping[int, TypeFacts]
"""By oid. What it lacks is taken for a type that is written as text."""


def type_catalog(rows: Iterable[Sequence[object]]) -> dict[int, TypeFacts]:
    """What QUERY found."""
    facts = (
        TypeFacts(int(str(oid)), str(schema), str(name), str(kind), int(str(base)), int(str(typmod)))
        for oid, schema, name, kind, base, typmod in rows
    )
    return {found.oid: found for found in facts}
