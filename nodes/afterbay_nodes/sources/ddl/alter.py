"""The clauses of ALTER TABLE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from afterbay.messages import DdlKind
from afterbay.schema import TableName
from afterbay_nodes.sources.ddl.columns import parse_definition
from afterbay_nodes.sources.ddl.statement import (
    Action,
    AddColumns,
    AddKey,
    ChangeColumn,
    DropColumn,
    DropPrimaryKey,
    MakeBinary,
    RenameColumn,
    SetDefault,
)
from afterbay_nodes.sources.ddl.tokenizer import Cursor, TokenKind


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of ALTER TABLE. `action` None: no effect on the columns."""

    kind: DdlKind
    action: Action | None = None
    renamed_to: tuple[str | None, str] | None = None
    exchanged_with: tuple[str | None, str] | None = None


def parse_qualified(cursor: Cursor) -> tuple[str | None, str]:
    """``[schema.]table``."""
    start = cursor.token.start
    first = cursor.name()
    if cursor.takes("."):
        return first, cursor.name()
    cursor.bare.append(start)
    return None, first


def parse_clause(cursor: Cursor) -> Clause:
    """One clause, up to its comma. Raises SqlError for one that is not understood."""
    if cursor.takes("ADD"):
        return _add(cursor)
    if cursor.takes("DROP"):
        return _drop(cursor)
    if cursor.takes("MODIFY"):
        cursor.takes("COLUMN")
        _takes_if_exists(cursor)
        definition = parse_definition(cursor)
        return Clause(DdlKind.MODIFY_COLUMN, ChangeColumn(definition.column.name, definition))
    if cursor.takes("CHANGE"):
        cursor.takes("COLUMN")
        _takes_if_exists(cursor)
        name = cursor.name()
        return Clause(DdlKind.MODIFY_COLUMN, ChangeColumn(name, parse_definition(cursor)))
    if cursor.takes("RENAME"):
        return _rename(cursor)
    if cursor.takes("ALTER"):
        return _alter(cursor)
    if cursor.takes("EXCHANGE", "PARTITION"):
        cursor.name()
        cursor.expect("WITH", "TABLE")
        other = parse_qualified(cursor)
        _skip_clause(cursor)
        return Clause(DdlKind.EXCHANGE_PARTITION, exchanged_with=other)
    if cursor.takes("TRUNCATE", "PARTITION"):
        _skip_list(cursor)
        return Clause(DdlKind.TRUNCATE_TABLE_PARTITION)
    return _option(cursor)


def _add(cursor: Cursor) -> Clause:
    if key := parse_key(cursor):
        return key
    if cursor.takes("PARTITION"):
        _skip_list(cursor)
        return Clause(DdlKind.ADD_TABLE_PARTITION)
    cursor.takes("COLUMN")
    if cursor.takes("IF"):
        cursor.expect("NOT", "EXISTS")
    if not cursor.takes("("):
        return Clause(DdlKind.ADD_COLUMN, AddColumns((parse_definition(cursor),)))
    definitions = [parse_definition(cursor)]
    while cursor.takes(","):
        definitions.append(parse_definition(cursor))
    cursor.expect(")")
    kind = DdlKind.ADD_COLUMN if len(definitions) == 1 else DdlKind.MULTI_SCHEMA_CHANGE
    return Clause(kind, AddColumns(tuple(definitions)))


def kind_of(clauses: Sequence[Clause]) -> DdlKind:
    """The kind of a statement: a rename if one is in it, else that of its only clause that has one, else several."""
    kinds = [clause.kind for clause in clauses if clause.kind is not DdlKind.NONE]
    if DdlKind.RENAME_TABLE in kinds:
        return DdlKind.RENAME_TABLE
    return DdlKind.MULTI_SCHEMA_CHANGE if len(kinds) > 1 else next(iter(kinds), DdlKind.NONE)


def parse_key(cursor: Cursor) -> Clause | None:
    """A key, index, constraint or check, as in ADD … and in the list of CREATE TABLE; None if it is none."""
    if cursor.sees("CONSTRAINT"):
        cursor.next()
        if cursor.token.upper not in ("PRIMARY", "UNIQUE", "FOREIGN", "CHECK"):
            cursor.name()
    if cursor.takes("PRIMARY", "KEY"):
        return Clause(DdlKind.ADD_PRIMARY_KEY, AddKey(parse_key_columns(cursor), primary=True))
    if cursor.takes("UNIQUE"):
        cursor.takes_any("KEY", "INDEX")
        columns = parse_key_columns(cursor)
        return Clause(DdlKind.ADD_INDEX, AddKey(columns, primary=False) if columns else None)
    if cursor.takes("FOREIGN", "KEY"):
        _skip_clause(cursor)
        return Clause(DdlKind.ADD_FOREIGN_KEY)
    if cursor.takes("CHECK"):
        _skip_clause(cursor)
        return Clause(DdlKind.ADD_CHECK)
    if cursor.takes("VECTOR", "INDEX") or cursor.takes_any("INDEX", "KEY", "FULLTEXT", "SPATIAL"):
        _skip_clause(cursor)
        return Clause(DdlKind.ADD_INDEX)
    return None


def parse_key_columns(cursor: Cursor) -> tuple[str, ...]:
    """The columns of ``[name] [USING …] (a, b(10) DESC, …) options``; () for a key over expressions."""
    while not cursor.sees("("):
        if cursor.ended:
            raise cursor.error("wanted the key's columns")
        cursor.next()
    cursor.expect("(")
    columns: list[str] = []
    expression = False
    while not cursor.takes(")"):
        if cursor.sees("("):
            cursor.skip_parentheses()
            expression = True
        else:
            columns.append(cursor.name())
            if cursor.sees("("):
                cursor.skip_parentheses()
        cursor.takes_any("ASC", "DESC")
        if not cursor.takes(",") and not cursor.sees(")"):
            raise cursor.error("wanted a comma or a closing parenthesis")
    _skip_clause(cursor)
    return () if expression else tuple(columns)


def _drop(cursor: Cursor) -> Clause:
    if cursor.takes("PRIMARY", "KEY"):
        return Clause(DdlKind.DROP_PRIMARY_KEY, DropPrimaryKey())
    if cursor.takes("FOREIGN", "KEY"):
        _skip_clause(cursor)
        return Clause(DdlKind.DROP_FOREIGN_KEY)
    if cursor.takes("PARTITION"):
        _skip_list(cursor)
        return Clause(DdlKind.DROP_TABLE_PARTITION)
    if cursor.takes_any("INDEX", "KEY"):
        _skip_clause(cursor)
        return Clause(DdlKind.DROP_INDEX)
    if cursor.takes_any("CONSTRAINT", "CHECK"):
        _skip_clause(cursor)
        return Clause(DdlKind.DROP_CHECK)
    cursor.takes("COLUMN")
    optional = _takes_if_exists(cursor)
    name = cursor.name()
    cursor.takes_any("RESTRICT", "CASCADE")
    return Clause(DdlKind.DROP_COLUMN, DropColumn(name, optional))


def _rename(cursor: Cursor) -> Clause:
    if cursor.takes("COLUMN"):
        name = cursor.name()
        cursor.expect("TO")
        return Clause(DdlKind.MODIFY_COLUMN, RenameColumn(name, cursor.name()))
    if cursor.takes_any("INDEX", "KEY"):
        _skip_clause(cursor)
        return Clause(DdlKind.RENAME_INDEX)
    if not cursor.takes_any("TO", "AS"):
        cursor.takes("=")
    return Clause(DdlKind.RENAME_TABLE, renamed_to=parse_qualified(cursor))


def _alter(cursor: Cursor) -> Clause:
    if cursor.takes("INDEX"):
        _skip_clause(cursor)
        return Clause(DdlKind.ALTER_INDEX_VISIBILITY)
    if cursor.takes_any("CHECK", "CONSTRAINT"):
        _skip_clause(cursor)
        return Clause(DdlKind.ALTER_CHECK)
    cursor.takes("COLUMN")
    name = cursor.name()
    if cursor.takes("DROP", "DEFAULT"):
        return Clause(DdlKind.SET_DEFAULT_VALUE, SetDefault(name, None))
    cursor.expect("SET", "DEFAULT")
    token = cursor.token
    _skip_clause(cursor)
    literal = token.kind in (TokenKind.STRING, TokenKind.NUMBER)
    text = token.text if literal else cursor.sql[token.start : cursor.token.start].strip()
    return Clause(DdlKind.SET_DEFAULT_VALUE, SetDefault(name, None if token.upper == "NULL" else text))


_OPTIONS: dict[str, DdlKind] = {
    "COMMENT": DdlKind.MODIFY_TABLE_COMMENT,
    "AUTO_INCREMENT": DdlKind.REBASE_AUTO_ID,
    "AUTO_RANDOM_BASE": DdlKind.REBASE_AUTO_RANDOM,
    "AUTO_ID_CACHE": DdlKind.MODIFY_AUTO_ID_CACHE,
    "SHARD_ROW_ID_BITS": DdlKind.SHARD_ROW_ID,
    "ATTRIBUTES": DdlKind.MODIFY_TABLE_ATTRIBUTES,
    "PLACEMENT": DdlKind.MODIFY_TABLE_PLACEMENT,
    "CACHE": DdlKind.CACHE_TABLE,
    "NOCACHE": DdlKind.NOCACHE_TABLE,
    **dict.fromkeys(("DEFAULT", "CHARACTER", "CHARSET", "COLLATE"), DdlKind.MODIFY_TABLE_CHARSET),
    **dict.fromkeys(("TTL", "TTL_ENABLE", "TTL_JOB_INTERVAL"), DdlKind.MODIFY_TTL),
    **dict.fromkeys(
        (
            *("ENGINE", "ROW_FORMAT", "ALGORITHM", "LOCK", "FORCE", "STATS_PERSISTENT", "KEY_BLOCK_SIZE", "SET"),
            *("ENABLE", "DISABLE", "WITH", "WITHOUT", "COMPACT", "COMPRESSION", "PRE_SPLIT"),
            *("STATS_AUTO_RECALC", "STATS_SAMPLE_PAGES"),
        ),
        DdlKind.NONE,
    ),
}
_PHRASES: tuple[tuple[tuple[str, ...], DdlKind], ...] = (
    (("REMOVE", "PARTITIONING"), DdlKind.REMOVE_PARTITIONING),
    (("REMOVE", "TTL"), DdlKind.REMOVE_TTL),
    (("SET", "TIFLASH", "REPLICA"), DdlKind.SET_TIFLASH_REPLICA),
)
# Their own commas cannot be told from those between clauses, so they come last or alone.
_TAILS: tuple[tuple[tuple[str, ...], DdlKind], ...] = (
    (("PARTITION", "BY"), DdlKind.PARTITION_TABLE),
    (("REORGANIZE", "PARTITION"), DdlKind.REORGANIZE_PARTITION),
    (("COALESCE", "PARTITION"), DdlKind.REORGANIZE_PARTITION),
    *(((word,), DdlKind.NONE) for word in ("ANALYZE", "CHECK", "OPTIMIZE", "REBUILD", "REPAIR", "ORDER")),
)


def _option(cursor: Cursor) -> Clause:
    if cursor.takes("CONVERT", "TO"):
        cursor.takes_any("CHARACTER", "CHARSET")
        cursor.takes("SET")
        binary = cursor.token.text.lower() == "binary"
        _skip_clause(cursor)
        return Clause(DdlKind.MODIFY_TABLE_CHARSET, MakeBinary() if binary else None)
    for words, kind in _TAILS:
        if cursor.takes(*words):
            _skip_list(cursor)
            return Clause(kind)
    for words, kind in _PHRASES:
        if cursor.takes(*words):
            _skip_clause(cursor)
            return Clause(kind)
    if cursor.takes("PARTITION"):
        cursor.name()
        placed = cursor.sees("PLACEMENT")
        _skip_clause(cursor)
        return Clause(DdlKind.MODIFY_PARTITION_PLACEMENT if placed else DdlKind.MODIFY_PARTITION_ATTRIBUTES)
    word = cursor.token.upper
    if word not in _OPTIONS:
        raise cursor.error("this clause of ALTER TABLE is not known")
    cursor.next()
    _skip_clause(cursor)
    return Clause(_OPTIONS[word])


def _takes_if_exists(cursor: Cursor) -> bool:
    return cursor.takes("IF", "EXISTS")


def _skip_clause(cursor: Cursor) -> None:
    """Up to the next comma, the end, or the closing parenthesis of the list this clause is in."""
    while not (cursor.ended or cursor.sees(",") or cursor.sees(")")):
        if cursor.sees("("):
            cursor.skip_parentheses()
        else:
            cursor.next()


def _skip_list(cursor: Cursor) -> None:
    """To the end: clauses whose own commas cannot be told from those between clauses come last or alone."""
    while not cursor.ended:
        cursor.next()


def qualified(name: tuple[str | None, str], database: str) -> TableName:
    """A name as written, in its own or the default database."""
    return TableName(name[0] or database, name[1])
