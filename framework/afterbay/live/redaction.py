"""Rows as text, without what nobody is to read: columns that are listed as sensitive, and those named like secrets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

import pyarrow as pa

from afterbay.messages import ChangeBatch, Op
from afterbay.schema import Json, TableSchema

LIKE_A_SECRET = re.compile(
    r"pass(word|wd|phrase|code)?|pwd|secret|token|api_?key|private_?key|access_?key|credential|auth(orization)?"
    r"|session_?id|cookie|cvv|cvc|ssn|iban|card_?(no|number)|pin",
    re.IGNORECASE,
)
"""Whole names, or parts of a name between underscores."""

REDACTED = "[redacted]"
MOST_TEXT = 200
"""Characters of a value."""


class Redaction:
    """Which columns are left out. `sensitive`: `column`, `table.column` or `schema.table.column`, with `*` and `?`."""

    def __init__(self, sensitive: Sequence[str]) -> None:
        self._sensitive = [pattern.casefold() for pattern in sensitive]

    def hides(self, schema: TableSchema, column: str) -> bool:
        """True if the values of `column` are not to be shown. Names are compared without regard to case."""
        parts = re.split(r"[^A-Za-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column))
        joined = ["_".join(parts[i:j]) for i in range(len(parts)) for j in range(i + 1, min(i + 2, len(parts)) + 1)]
        if any(LIKE_A_SECRET.fullmatch(part) for part in joined):
            return True
        names = [column, f"{schema.name.table}.{column}", f"{schema.name.schema}.{schema.name.table}.{column}"]
        return any(fnmatchcase(name.casefold(), pattern) for name in names for pattern in self._sensitive)

    def rows(self, batch: ChangeBatch, start: int, stop: int) -> list[Json]:
        """Rows [start, stop) with their operation and position, values as text of at most `MOST_TEXT` characters."""
        hidden = {name: self.hides(batch.schema, name) for name in batch.rows.schema.names}
        return [
            {
                "table": str(batch.schema.name),
                "schema_version": str(batch.schema.version),
                "op": Op(batch.ops[index].as_py()).name.lower(),
                "commit_ts": str(batch.commit_ts[index].as_py()),
                "row": {
                    name: REDACTED if hidden[name] else _text(batch.rows.column(place)[index])
                    for place, name in enumerate(batch.rows.schema.names)
                },
            }
            for index in range(start, stop)
        ]


def _text(scalar: pa.Scalar) -> str | None:
    if not scalar.is_valid:
        return None
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError):
        value = scalar.cast(pa.string())  # a time that Python has no number for: Arrow says it
    text = bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}… ({len(text) - MOST_TEXT} more characters)"
