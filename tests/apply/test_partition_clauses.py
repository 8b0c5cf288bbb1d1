"""What a statement says of partitions, when it says what no server takes."""

from __future__ import annotations

import pytest

from afterbay_nodes.apply.partition_clauses import MOST_PARTS, AddParts, Coalesce, Divide, partition_clause

HASH = "CREATE TABLE t (id INT PRIMARY KEY) PARTITION BY HASH(id) PARTITIONS "


def test_as_many_partitions_as_a_table_may_have() -> None:
    clause = partition_clause(f"{HASH}{MOST_PARTS}")
    assert isinstance(clause, Divide)
    assert clause.parts is not None
    assert len(clause.parts.parts) == MOST_PARTS
    assert partition_clause("ALTER TABLE t ADD PARTITION PARTITIONS 3") == AddParts((), 3)
    assert partition_clause("ALTER TABLE t COALESCE PARTITION 2") == Coalesce(2)


@pytest.mark.parametrize("count", ["99999999999", str(MOST_PARTS + 1), "9" * 5000, "x", "-1", "\u0663", "1.5"])
@pytest.mark.parametrize(
    "statement", [HASH, "ALTER TABLE t ADD PARTITION PARTITIONS ", "ALTER TABLE t COALESCE PARTITION "]
)
def test_a_number_that_no_table_has_is_not_understood(statement: str, count: str) -> None:
    """Each partition is a name in memory: the number is another's text, and is not to fill it (I8)."""
    assert partition_clause(statement + count) == Divide(None)
