"""What a column may ask for, whoever tells of it: a statement, a row's types, a schema file in a store.

Widths decide how much is allocated for a value, so that a number of a stranger must not be believed.
"""

from __future__ import annotations

from collections.abc import Mapping

from afterbay.schema import Column

MOST_LENGTH = (1 << 32) - 1  # of a longtext
MOST_LENGTHS: Mapping[str, int] = {"bit": 64, "binary": 10 << 20}
LEAST_SCALE, MOST_SCALE = -1000, 16383  # PostgreSQL's; MySQL has 0 to 30
MOST_ELEMENTS: Mapping[str, int] = {"set": 64, "enum": 65535}


def limit_passed(column: Column) -> str | None:
    """Which limit a column does not keep, in words; None if it keeps all."""
    most = MOST_LENGTHS.get(column.type, MOST_LENGTH)
    if column.length is not None and not 0 <= column.length <= most:
        return f"a {column.type} has a length of 0 to {most}, not {column.length}"
    if column.scale is not None and not LEAST_SCALE <= column.scale <= MOST_SCALE:
        return f"a scale is {LEAST_SCALE} to {MOST_SCALE}, not {column.scale}"
    elements = MOST_ELEMENTS.get(column.type)
    if elements is not None and len(column.elements) > elements:
        return f"a {column.type} has {elements} elements at most, not {len(column.elements)}"
    return None
