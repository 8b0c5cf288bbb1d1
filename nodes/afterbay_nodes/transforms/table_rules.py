r"""Which tables (or columns) a rule means: the one matcher of all nodes.

A table pattern is ``schema.table``. In it ``*`` stands for any number of characters, ``?`` for exactly one, and a
backslash takes the next character as it is (``odd\.name.t``, ``bank.\*``). Neither wildcard crosses the dot between the
two names. A leading ``!`` excludes. Among several patterns the **last** one that matches decides; what none matches
is excluded. Letters are compared exactly (case-sensitive), as the store keeps them.

Names are data of others, and patterns are no regular expressions: matching takes at most
(length of the pattern) × (length of the name) steps, whatever they contain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from afterbay.printable import visible
from afterbay.schema import TableName

_ANY = None  # `?` in a run
_Run: TypeAlias = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A pattern for one name: runs of characters (or `?`), with a `*` between any two of them."""

    runs: tuple[_Run, ...]

    @property
    def matches_all(self) -> bool:
        """True for `*`: every name matches."""
        return len(self.runs) > 1 and not any(self.runs)

    def matches(self, name: str) -> bool:
        """True if the whole of `name` fits."""
        first, last = self.runs[0], self.runs[-1]
        if len(self.runs) == 1:
            return len(name) == len(first) and _fits(first, name, 0)
        if (
            len(name) < len(first) + len(last)
            or not _fits(first, name, 0)
            or not _fits(last, name, len(name) - len(last))
        ):
            return False
        # Each run between two stars goes as far left as it can: a later place never helps, so nothing is tried twice.
        at, end = len(first), len(name) - len(last)
        for run in self.runs[1:-1]:
            while at + len(run) <= end and not _fits(run, name, at):
                at += 1
            at += len(run)
            if at > end:
                return False
        return True


@dataclass(frozen=True, slots=True)
class NameRules:
    """Patterns for one name, such as a column's; the last one that matches decides."""

    rules: tuple[tuple[bool, NamePattern], ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> NameRules:
        """Raises ValueError, saying which text is no pattern and why."""
        rules = []
        for text in texts:
            includes, pattern = _without_mark(text)
            rules.append((includes, NamePattern(_name(text, pattern))))
        _check_includes([includes for includes, _ in rules], "*")
        return cls(tuple(rules))

    def matches(self, name: str) -> bool:
        """True if `name` is included."""
        return next((includes for includes, pattern in reversed(self.rules) if pattern.matches(name)), False)


@dataclass(frozen=True, slots=True)
class TableRule:
    """One pattern for tables; `includes` is False for one that starts with `!`."""

    includes: bool
    schema: NamePattern
    table: NamePattern

    def matches(self, name: TableName) -> bool:
        """True if both names fit."""
        return self.schema.matches(name.schema) and self.table.matches(name.table)


@dataclass(frozen=True, slots=True)
class TableRules:
    """Patterns for tables; the last one that matches decides."""

    rules: tuple[TableRule, ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> TableRules:
        """Raises ValueError, saying which text is no pattern and why."""
        rules = []
        for text in texts:
            includes, pattern = _without_mark(text)
            schema, table = _two_names(text, pattern)
            rules.append(TableRule(includes, schema, table))
        _check_includes([rule.includes for rule in rules], "*.*")
        return cls(tuple(rules))

    def matches(self, name: TableName) -> bool:
        """True if table `name` is included."""
        return next((rule.includes for rule in reversed(self.rules) if rule.matches(name)), False)

    def reaches(self, schema: str) -> bool:
        """True if a table of `schema` could be included."""
        for rule in reversed(self.rules):
            if rule.schema.matches(schema):
                if rule.includes:
                    return True
                if rule.table.matches_all:
                    return False
        return False

    def covers(self, schema: str) -> bool:
        """True if every table of `schema` is included, whatever it is called."""
        for rule in reversed(self.rules):
            if rule.schema.matches(schema):
                if not rule.includes:
                    return False
                if rule.table.matches_all:
                    return True
        return False


def _table_pattern(text: str) -> str:
    _two_names(text, _without_mark(text)[1])
    return text


def _name_pattern(text: str) -> str:
    _name(text, _without_mark(text)[1])
    return text


# Each pattern by itself, so that a list's bad one is told at its own place.
TablePattern = Annotated[str, AfterValidator(_table_pattern)]
ColumnPattern = Annotated[str, AfterValidator(_name_pattern)]


class TableMatch(BaseModel):
    """The head of a rule that is for some tables: `match`, a pattern or several."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: TablePattern | tuple[TablePattern, ...] = Field(
        description="Pattern of tables, or several of which the last that matches decides.", examples=["bank.*"]
    )

    @field_validator("match")
    @classmethod
    def _is_pattern(cls, match: str | tuple[str, ...]) -> str | tuple[str, ...]:
        TableRules.parse(_each(match))
        return match

    @cached_property
    def tables(self) -> TableRules:
        """`match`, parsed."""
        return TableRules.parse(_each(self.match))

    @property
    def shown(self) -> str:
        """`match` for a diagram."""
        return visible(", ".join(_each(self.match)))


def _each(match: str | tuple[str, ...]) -> tuple[str, ...]:
    return (match,) if isinstance(match, str) else match


def _fits(run: _Run, name: str, at: int) -> bool:
    return all(wanted is _ANY or wanted == name[at + offset] for offset, wanted in enumerate(run))


def _without_mark(text: str) -> tuple[bool, str]:
    return (False, text[1:]) if text.startswith("!") else (True, text)


def _check_includes(includes: list[bool], everything: str) -> None:
    if not includes:
        raise ValueError("no patterns are given")
    if not any(includes):
        raise ValueError(f"all patterns exclude, so nothing would be left; start with '{everything}'")


def _tokens(text: str, pattern: str) -> Iterator[tuple[str, bool]]:
    """The characters of a pattern, each with whether it was escaped."""
    characters = iter(pattern)
    for character in characters:
        if character != "\\":
            yield character, False
            continue
        escaped = next(characters, None)
        if escaped is None:
            raise ValueError(f"pattern {text!r} ends with a lone backslash; write two for a backslash in the name")
        yield escaped, True


def _name(text: str, pattern: str) -> tuple[_Run, ...]:
    return _runs(text, list(_tokens(text, pattern)))


def _two_names(text: str, pattern: str) -> tuple[NamePattern, NamePattern]:
    tokens = list(_tokens(text, pattern))
    dots = [index for index, token in enumerate(tokens) if token == (".", False)]
    if len(dots) != 1:
        raise ValueError(
            f"pattern {text!r} is not of the form 'schema.table'; write '\\.' for a dot that is part of a name"
        )
    return NamePattern(_runs(text, tokens[: dots[0]])), NamePattern(_runs(text, tokens[dots[0] + 1 :]))


def _runs(text: str, tokens: list[tuple[str, bool]]) -> tuple[_Run, ...]:
    if not tokens:
        raise ValueError(f"pattern {text!r} has an empty name, which matches nothing")
    runs: list[list[str | None]] = [[]]
    for character, escaped in tokens:
        if character == "*" and not escaped:
            runs.append([])
        else:
            runs[-1].append(_ANY if character == "?" and not escaped else character)
    return tuple(tuple(run) for run in runs)
