"""A DDL statement's text with other table names in it.

Only names whose place in the statement is sure are touched; the rest of the text, comments and blanks included, stays
as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from afterbay.schema import TableName
from afterbay_nodes.sources.ddl.tokenizer import Cursor, SqlError, Token, TokenKind, tokenize

_INDEX_WORDS = ("UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR", "COLUMNAR")


@dataclass(frozen=True, slots=True)
class _Spot:
    """A name in the text: ``[schema .] table``, or a database's name alone (`table` is None)."""

    schema: Token | None
    table: Token | None


def renamed_statement(
    sql: str, tables: Collection[TableName], target: Callable[[TableName], TableName], databases: Callable[[str], str]
) -> str | None:
    """`sql` with the names that `target` gives to tables and `databases` to databases; None if that is not sure.

    `tables` are those that the statement is about, and it must name them all. A bare name belongs to their schema, and
    one that differs from one of theirs in upper and lower case only is taken for it. Not sure is: a statement with a
    query in it, a view's, one that is not understood, columns qualified by their table.
    """
    try:
        spots = [(offset, spot) for offset, text in _statements(sql) for spot in _spots(Cursor(text))]
    except SqlError:
        return None
    meant = _meant([spot for _, spot in spots], tables)
    if meant is None:
        return None
    edits: list[tuple[int, int, str]] = []
    renamed = any(target(name) != name for name in meant)
    for (offset, spot), name in zip(spots, meant, strict=True):
        if spot.table is None:
            edits += _edit(spot.schema, offset, databases(name.schema))
        elif renamed:
            to = target(name)
            edits += _edit(spot.table, offset, to.table, in_front="" if spot.schema else _quoted(to.schema) + ".")
            edits += _edit(spot.schema, offset, to.schema)
    for start, end, text in sorted(edits, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def _edit(token: Token | None, offset: int, name: str, in_front: str = "") -> list[tuple[int, int, str]]:
    """What stands in for a name. `in_front`: a bare name is qualified, since its file may be another schema's."""
    if token is None or (token.text == name and not in_front):
        return []
    return [(offset + token.start, offset + token.end, in_front + _quoted(name))]


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _meant(spots: Sequence[_Spot], tables: Collection[TableName]) -> list[TableName] | None:
    """What each name means, if there is exactly one reading that has all of `tables` in it."""
    known = {str(table).casefold(): table for table in tables}
    if len(known) != len(set(tables)):
        known = {}  # names that differ in case only: each is what it says
    readings = []
    for schema in dict.fromkeys(table.schema for table in tables) or ("",):
        names = [
            TableName(spot.schema.text if spot.schema else schema, spot.table.text if spot.table else "")
            for spot in spots
        ]
        names = [known.get(str(name).casefold(), name) for name in names]
        if names not in readings and set(tables) <= set(names):
            readings.append(names)
    return readings[0] if len(readings) == 1 else None


def _statements(sql: str) -> list[tuple[int, str]]:
    """The statements of a text, each with where it starts."""
    found = []
    start = 0
    for token in tokenize(sql):
        if token.kind is TokenKind.END or (token.kind is TokenKind.MARK and token.text == ";"):
            if tokenize(sql[start : token.start])[0].kind is not TokenKind.END:
                found.append((start, sql[start : token.start]))
            start = token.end
    return found


def _spots(cursor: Cursor) -> list[_Spot]:
    """All table and database names of a statement. Raises SqlError where they cannot be placed surely."""
    if cursor.takes("CREATE"):
        return _create(cursor)
    if cursor.takes("ALTER"):
        if cursor.takes_any("DATABASE", "SCHEMA"):
            named = not (cursor.ended or cursor.token.upper in ("DEFAULT", "CHARACTER", "CHARSET", "COLLATE"))
            return [_database(cursor)] if named else []
        cursor.takes_any("ONLINE", "IGNORE")
        cursor.expect("TABLE")
        cursor.takes("IF", "EXISTS")
        return [_table(cursor), *_clauses(cursor)]
    if cursor.takes("DROP"):
        return _drop(cursor)
    if cursor.takes("RENAME", "TABLE") or cursor.takes("RENAME", "TABLES"):
        return _list(cursor, lambda: [_table(cursor), _table_behind(cursor, "TO")])
    if cursor.takes("TRUNCATE"):
        cursor.takes("TABLE")
        return _list(cursor, lambda: [_table(cursor)])
    if cursor.takes("RECOVER", "TABLE") or cursor.takes("FLASHBACK", "TABLE"):
        return _list(cursor, lambda: [_table(cursor)])
    raise cursor.error("this statement's names cannot be placed")


def _create(cursor: Cursor) -> list[_Spot]:
    cursor.takes("OR", "REPLACE")
    if cursor.takes_any("DATABASE", "SCHEMA"):
        cursor.takes("IF", "NOT", "EXISTS")
        return [_database(cursor)]
    cursor.takes("GLOBAL")
    cursor.takes("TEMPORARY")
    if cursor.takes("TABLE"):
        cursor.takes("IF", "NOT", "EXISTS")
        table = _table(cursor)
        if cursor.takes("(", "LIKE") or cursor.takes("LIKE"):
            return [table, _table(cursor)]
        return [table, *_body(cursor)]
    while cursor.takes_any(*_INDEX_WORDS):
        pass
    cursor.expect("INDEX")
    return [_indexed(cursor), *_body(cursor)]


def _drop(cursor: Cursor) -> list[_Spot]:
    if cursor.takes_any("DATABASE", "SCHEMA"):
        cursor.takes("IF", "EXISTS")
        return [_database(cursor)]
    if cursor.takes("INDEX"):
        return [_indexed(cursor)]
    cursor.takes("TEMPORARY")
    if not cursor.takes_any("TABLE", "TABLES"):
        raise cursor.error("this kind of DROP is not known")
    cursor.takes("IF", "EXISTS")
    return _list(cursor, lambda: [_table(cursor)])


def _list(cursor: Cursor, item: Callable[[], list[_Spot]]) -> list[_Spot]:
    """Items with commas between, to the end of the statement."""
    spots = item()
    while cursor.takes(","):
        spots += item()
    cursor.takes_any("RESTRICT", "CASCADE")
    if not cursor.ended:
        raise cursor.error("wanted the end of the statement")
    return spots


def _indexed(cursor: Cursor) -> _Spot:
    """Takes an index's name and what stands behind it, up to ``ON table``."""
    while not cursor.takes("ON"):
        if cursor.ended:
            raise cursor.error("wanted ON and a table")
        cursor.next()
    return _table(cursor)


def _clauses(cursor: Cursor) -> list[_Spot]:
    """The clauses of ALTER TABLE."""
    spots = []
    while not cursor.ended:
        if cursor.takes("RENAME"):
            if cursor.token.upper in ("COLUMN", "INDEX", "KEY"):
                continue
            if not cursor.takes_any("TO", "AS"):
                cursor.takes("=")
            spots.append(_table(cursor))
        elif cursor.takes("EXCHANGE", "PARTITION"):
            cursor.name()
            cursor.expect("WITH", "TABLE")
            spots.append(_table(cursor))
        spots += _body(cursor, to_comma=True)
    return spots


def _body(cursor: Cursor, *, to_comma: bool = False) -> list[_Spot]:
    """The rest of a statement, or of a clause with its comma. Table names are behind REFERENCES only."""
    spots = []
    depth = 0
    while not cursor.ended:
        if cursor.takes("REFERENCES"):
            spots.append(_table(cursor))
            continue
        token = cursor.token
        if token.upper == "SELECT" or (not depth and token.upper in ("AS", "TABLE", "UNION")):
            raise cursor.error("a statement with other tables' names in it")
        if token.kind is TokenKind.MARK:
            if token.text == ".":
                raise cursor.error("a qualified name that may be a table's")
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        cursor.next()
        if to_comma and not depth and token.kind is TokenKind.MARK and token.text == ",":
            break
    return spots


def _table(cursor: Cursor) -> _Spot:
    first = cursor.token
    cursor.name()
    if not cursor.takes("."):
        return _Spot(None, first)
    second = cursor.token
    cursor.name()
    return _Spot(first, second)


def _table_behind(cursor: Cursor, word: str) -> _Spot:
    cursor.expect(word)
    return _table(cursor)


def _database(cursor: Cursor) -> _Spot:
    token = cursor.token
    cursor.name()
    return _Spot(token, None)
