"""Which tables are compared with something else: those that a pipeline carried, where it did not carry all."""

from __future__ import annotations

from collections.abc import Iterator

from afterbay.schema import TableName
from afterbay_nodes.transforms.table_rules import TableRules
from afterbay_nodes.verify.report import Unchecked


class Chosen:
    """The tables of some rules; all of them without rules. Immutable."""

    def __init__(self, rules: TableRules | None) -> None:
        self._rules = rules

    def table(self, name: TableName) -> bool:
        """True if a table is compared."""
        return self._rules is None or self._rules.matches(name)

    def includes(self, database: str, table: str) -> bool:
        """True if a schema file is compared: a table's, or (`table` "") that of a database with such tables."""
        if self._rules is None:
            return True
        return self._rules.matches(TableName(database, table)) if table else self._rules.reaches(database)

    def unchecked(self, other: str) -> Iterator[Unchecked]:
        """That there are rules is said."""
        if self._rules is not None:
            yield Unchecked(f"other tables against {other}", "--tables leaves them out")
