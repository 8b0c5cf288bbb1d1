"""What a statement says about partitions: how a table is divided, and which partitions come, go or change places."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from afterbay_nodes.apply.partitions import DAY_ZERO, HASH, LIST, RANGE, Bound, Part, Partitioning
from afterbay_nodes.sources.ddl.tokenizer import Cursor, SqlError, TokenKind

_FUNCTIONS = {"YEAR": "year", "TO_DAYS": "to_days"}


@dataclass(frozen=True, slots=True)
class Divide:
    """The table is divided anew; None: not at all, or in a way that is not known."""

    parts: Partitioning | None


@dataclass(frozen=True, slots=True)
class AddParts:
    """Partitions added: of a range or list by name, of a hash as a number."""

    parts: tuple[Part, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class DropParts:
    """Partitions dropped with their rows."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmptyParts:
    """Partitions emptied; no names: all of them."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExchangePart:
    """A partition's rows exchanged with those of another table."""

    name: str


@dataclass(frozen=True, slots=True)
class Reorganize:
    """Some partitions made into others; no row is lost."""

    names: tuple[str, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Coalesce:
    """A hash with fewer partitions."""

    fewer: int


MOST_PARTS = 8192
"""What MySQL and TiDB allow a table."""

Clause = Divide | AddParts | DropParts | EmptyParts | ExchangePart | Reorganize | Coalesce


def partition_clause(sql: str) -> Clause | None:
    """The statement's clause on partitions; None if it has none. One that is not understood is `Divide(None)`."""
    try:
        cursor = Cursor(sql)
        if cursor.takes("CREATE"):
            return Divide(_division(cursor)) if _found(cursor, "PARTITION", "BY") else None
        if not cursor.takes("ALTER"):
            return None
        cursor.takes_any("ONLINE", "IGNORE")
        if not cursor.takes("TABLE"):
            return None
        cursor.takes("IF", "EXISTS")
        cursor.name()
        if cursor.takes("."):
            cursor.name()
        while not cursor.ended:
            if (clause := _clause(cursor)) is not None:
                return clause
            _skip_to_comma(cursor)
    except SqlError:
        return Divide(None)
    return None


def divided(parts: Partitioning | None, clause: Clause | None) -> Partitioning | None:
    """The partitions after `clause`, None if they are not known."""
    match clause:
        case Divide(new):
            return new
        case AddParts(added, more) if parts is not None:
            return replace(parts, parts=(*parts.parts, *added)) if not more else _hashed(parts, len(parts.parts) + more)
        case DropParts(names) if parts is not None:
            return parts.without(names)
        case Coalesce(fewer) if parts is not None:
            return _hashed(parts, len(parts.parts) - fewer)
        case Reorganize(names, new_parts) if parts is not None:
            at = min((place for name in names if (place := parts.find(name)) is not None), default=0)
            left = parts.without(names).parts
            return replace(parts, parts=(*left[:at], *new_parts, *left[at:]))
    return parts


def _hashed(parts: Partitioning, count: int) -> Partitioning:
    return replace(parts, parts=tuple(Part(f"p{number}") for number in range(count)))


def _clause(cursor: Cursor) -> Clause | None:
    if cursor.takes("PARTITION", "BY"):
        return Divide(_division(cursor))
    if cursor.takes("REMOVE", "PARTITIONING"):
        return Divide(None)
    if cursor.takes("EXCHANGE", "PARTITION"):
        return ExchangePart(cursor.name())
    if cursor.takes("TRUNCATE", "PARTITION"):
        return EmptyParts(() if cursor.takes("ALL") else _names(cursor))
    if cursor.takes("DROP", "PARTITION"):
        cursor.takes("IF", "EXISTS")
        return DropParts(_names(cursor))
    if cursor.takes("COALESCE", "PARTITION"):
        return Coalesce(_count(cursor))
    if cursor.takes("REORGANIZE", "PARTITION"):
        names = _names(cursor)
        cursor.expect("INTO")
        return Reorganize(names, _parts(cursor))
    if cursor.takes("ADD", "PARTITION"):
        if cursor.takes("IF"):
            cursor.expect("NOT", "EXISTS")
        if cursor.takes("PARTITIONS"):
            return AddParts((), _count(cursor))
        return AddParts(_parts(cursor))
    return None


def _division(cursor: Cursor) -> Partitioning | None:
    """Behind PARTITION BY. None for a way that is not known."""
    method = cursor.takes_any("RANGE", "LIST", "HASH")
    if method is None:
        return None
    cursor.takes("COLUMNS")
    cursor.expect("(")
    function = next((name for word, name in _FUNCTIONS.items() if cursor.takes(word, "(")), "")
    column = cursor.name()
    if function:
        cursor.expect(")")
    if not cursor.takes(")"):
        return None  # several columns, or an expression
    count = _count(cursor) if cursor.takes("PARTITIONS") else 1
    if cursor.sees("SUBPARTITION") and not _found(cursor, "("):
        return None
    if method == "HASH":
        return _hashed(Partitioning(HASH, column, function, ()), count)
    return Partitioning(RANGE if method == "RANGE" else LIST, column, function, _parts(cursor))


def _count(cursor: Cursor) -> int:
    """A number of partitions. Raises SqlError for more than a server takes: each of them is a name in memory (I8)."""
    text = cursor.next().text
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST_PARTS)) and int(text) <= MOST_PARTS):
        raise cursor.error(f"wanted a number of partitions, {MOST_PARTS} at most")
    return int(text)


def _parts(cursor: Cursor) -> tuple[Part, ...]:
    """``(PARTITION name VALUES … options, …)``."""
    cursor.expect("(")
    parts: list[Part] = []
    while not cursor.takes(")"):
        cursor.expect("PARTITION")
        name = cursor.name()
        cursor.expect("VALUES")
        if cursor.takes("LESS", "THAN"):
            parts.append(Part(name, (None,) if cursor.takes("MAXVALUE") else _bounds(cursor)))
        else:
            cursor.expect("IN")
            parts.append(Part(name, _bounds(cursor)))
        while not (cursor.sees(",") or cursor.sees(")")):
            if cursor.ended:
                raise cursor.error("the list of partitions does not end")
            if cursor.sees("("):
                cursor.skip_parentheses()
            else:
                cursor.next()
        cursor.takes(",")
    return tuple(parts)


def _bounds(cursor: Cursor) -> tuple[Bound, ...]:
    cursor.expect("(")
    bounds: list[Bound] = []
    while not cursor.takes(")"):
        bounds.append(_bound(cursor))
        if not cursor.takes(",") and not cursor.sees(")"):
            raise cursor.error("wanted a comma or the end of the values")
    return tuple(bounds)


def _bound(cursor: Cursor) -> Bound:
    if cursor.takes_any("MAXVALUE", "NULL"):
        return None
    if cursor.takes("TO_DAYS", "("):
        text = _text(cursor)
        cursor.expect(")")
        try:
            return str(date.fromisoformat(text[:10]).toordinal() + DAY_ZERO - 1)
        except ValueError:
            raise cursor.error("wanted a date") from None
    sign = "-" if cursor.takes("-") else ""
    return sign + _text(cursor)


def _text(cursor: Cursor) -> str:
    if cursor.token.kind not in (TokenKind.STRING, TokenKind.NUMBER):
        raise cursor.error("wanted a value")
    return cursor.next().text


def _names(cursor: Cursor) -> tuple[str, ...]:
    names = [cursor.name()]
    while cursor.takes(","):
        names.append(cursor.name())
    return tuple(names)


def _found(cursor: Cursor, *words: str) -> bool:
    """Goes on to these words, outside of parentheses, and takes them unless they are a parenthesis."""
    while not cursor.ended:
        if cursor.sees(*words):
            return words == ("(",) or cursor.takes(*words)
        if cursor.sees("("):
            cursor.skip_parentheses()
        else:
            cursor.next()
    return False


def _skip_to_comma(cursor: Cursor) -> None:
    while not cursor.ended and not cursor.takes(","):
        if cursor.sees("PARTITION", "BY"):
            return
        if cursor.sees("("):
            cursor.skip_parentheses()
        else:
            cursor.next()
