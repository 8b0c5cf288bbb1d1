"""When each version of a table was in force: rows of other times are in the wrong folder, or came too late."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable

from afterbay.messages import DdlKind
from afterbay.schema import TableName
from afterbay_nodes.bucket.steps import FileStep, SchemaStep
from afterbay_nodes.sources.ddl.classify import classify
from afterbay_nodes.sources.ddl.statement import SchemaStatement
from afterbay_nodes.verify.file_check import LARGEST_TS, Bounds


class Versions:
    """The ends of versions: the next version in the same directory, a rename of the table, a drop of its database.

    A row at the very commit-ts of a DDL may be on either side of it.
    """

    def __init__(self, steps: Iterable[SchemaStep]) -> None:
        self._of_owner: dict[str, list[int]] = defaultdict(list)
        self._of_name: dict[TableName, list[int]] = defaultdict(list)
        self._of_database: dict[str, list[int]] = defaultdict(list)
        for step in steps:
            if step.table is None:
                statement = classify(step.query, step.database)
                if isinstance(statement, SchemaStatement) and statement.kind is DdlKind.DROP_SCHEMA:
                    self._of_database[step.database].append(step.version)
                continue
            for owner in step.owners:
                self._of_owner[owner].append(step.version)
            if step.renamed_from is not None:
                self._of_name[step.renamed_from].append(step.version)

    def bounds(self, file: FileStep) -> Bounds:
        """Which commit-ts the rows of `file` may have."""
        ends = (
            _next(self._of_owner.get(file.owner), file.version),
            _next(self._of_name.get(file.table), file.version),
            _next(self._of_database.get(file.table.schema), file.version),
        )
        return Bounds(file.version, min(ends))


def _next(versions: list[int] | None, version: int) -> int:
    if not versions:
        return LARGEST_TS
    at = bisect_right(versions, version)
    return versions[at] if at < len(versions) else LARGEST_TS
