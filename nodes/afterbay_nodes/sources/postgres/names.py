"""Names and texts in PostgreSQL's SQL, whatever they hold but NUL."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text; without backslash escapes, so for `standard_conforming_strings`, and in replication commands."""
    return "'" + text.replace("'", "''") + "'"
