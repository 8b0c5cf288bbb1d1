"""DDL text -> what it says. Never fails: what is not understood is `Unknown`, with the reason."""

from __future__ import annotations

from afterbay.messages import DdlKind
from afterbay.schema import Column, TableName
from afterbay_nodes.sources.ddl.alter import (
    Clause,
    kind_of,
    parse_clause,
    parse_key,
    parse_key_columns,
    parse_qualified,
    qualified,
)
from afterbay_nodes.sources.ddl.altered import apply
from afterbay_nodes.sources.ddl.columns import ColumnDefinition, as_binary, parse_definition
from afterbay_nodes.sources.ddl.statement import (
    Action,
    AddColumns,
    AddKey,
    AlterTable,
    CreateTable,
    CreateTables,
    DropTables,
    ExchangePartition,
    RenameTables,
    SchemaStatement,
    Statement,
    TruncateTable,
    Unknown,
)
from afterbay_nodes.sources.ddl.tokenizer import Cursor, SqlError, statements

_VIEW_WORDS = ("ALGORITHM", "DEFINER", "SQL", "VIEW")


def classify(sql: str, database: str) -> Statement:
    """What `sql` does. Bare table names belong to `database`.

    A text of several statements is understood if they are all CREATE TABLE, or all RENAME TABLE, which is how one
    action on several tables is written down.
    """
    try:
        texts = statements(sql)
        found = [_statement(Cursor(text), database) for text in texts]
    except SqlError as error:
        return Unknown(str(error))
    if len(found) == 1:
        return found[0]
    created = [item for item in found if isinstance(item, CreateTable)]
    renamed = [item for item in found if isinstance(item, RenameTables)]
    if found and len(created) == len(found):
        return CreateTables(tuple(zip(created, texts, strict=True)))
    if found and len(renamed) == len(found):
        return RenameTables(tuple(pair for item in renamed for pair in item.pairs))
    return Unknown("there is no statement" if not found else "there is more than one statement")


def qualified_names(sql: str, database: str) -> str:
    """`sql` with `database` in front of the table names that stand bare; as it is, if it is not understood."""
    try:
        cursor = Cursor(sql)
        _statement(cursor, database)
    except SqlError:
        return sql
    prefix = "`" + database.replace("`", "``") + "`."
    starts = sorted(cursor.bare)
    pieces = [sql[start:stop] for start, stop in zip([0, *starts], [*starts, len(sql)], strict=True)]
    return prefix.join(pieces)


def _statement(cursor: Cursor, database: str) -> Statement:
    if cursor.takes("CREATE"):
        return _create(cursor, database)
    if cursor.takes("ALTER"):
        return _alter(cursor, database)
    if cursor.takes("DROP"):
        return _drop(cursor, database)
    if cursor.takes("RENAME", "TABLE") or cursor.takes("RENAME", "TABLES"):
        pairs = [_pair(cursor, database)]
        while cursor.takes(","):
            pairs.append(_pair(cursor, database))
        _expect_end(cursor)
        return RenameTables(tuple(pairs))
    if cursor.takes("TRUNCATE"):
        cursor.takes("TABLE")
        table = qualified(parse_qualified(cursor), database)
        _expect_end(cursor)
        return TruncateTable(table)
    if cursor.takes("RECOVER", "TABLE") or cursor.takes("FLASHBACK", "TABLE"):
        table = qualified(parse_qualified(cursor), database)
        if cursor.takes("TO"):
            table = TableName(table.schema, cursor.name())
        _expect_end(cursor)
        return AlterTable(table, DdlKind.RECOVER_TABLE, None)
    raise cursor.error("this statement is not known")


def _pair(cursor: Cursor, database: str) -> tuple[TableName, TableName]:
    before = qualified(parse_qualified(cursor), database)
    cursor.expect("TO")
    return before, qualified(parse_qualified(cursor), database)


def _create(cursor: Cursor, database: str) -> Statement:
    replaces = cursor.takes("OR", "REPLACE")
    if cursor.takes_any("DATABASE", "SCHEMA"):
        _takes_if_not_exists(cursor)
        return SchemaStatement(cursor.name(), DdlKind.CREATE_SCHEMA)
    cursor.takes("GLOBAL")
    cursor.takes("TEMPORARY")
    if cursor.takes("TABLE"):
        return _create_table(cursor, database)
    if cursor.token.upper in _VIEW_WORDS:
        return SchemaStatement(_schema_of_view(cursor, database), DdlKind.CREATE_VIEW)
    if replaces:
        raise cursor.error("wanted TABLE or VIEW")
    unique = cursor.takes("UNIQUE")
    cursor.takes_any("FULLTEXT", "SPATIAL", "VECTOR", "COLUMNAR")
    if cursor.takes("INDEX"):
        while not cursor.takes("ON"):
            if cursor.ended:
                raise cursor.error("wanted ON and a table")
            cursor.next()
        table = qualified(parse_qualified(cursor), database)
        columns = parse_key_columns(cursor) if unique else ()
        return AlterTable(table, DdlKind.ADD_INDEX, (AddKey(columns, primary=False),) if columns else ())
    raise cursor.error("this kind of CREATE is not known")


def _create_table(cursor: Cursor, database: str) -> Statement:
    _takes_if_not_exists(cursor)
    table = qualified(parse_qualified(cursor), database)
    in_parentheses = cursor.takes("(", "LIKE")
    if in_parentheses or cursor.takes("LIKE"):
        return CreateTable(table, None, qualified(parse_qualified(cursor), database))
    try:
        return CreateTable(table, _column_list(cursor))
    except SqlError:
        # The table is known, its columns are not: its first row will say.
        return CreateTable(table, None)


def _column_list(cursor: Cursor) -> tuple[Column, ...] | None:
    cursor.expect("(")
    definitions: list[ColumnDefinition] = []
    keys: list[Action] = []
    while True:
        clause = parse_key(cursor)
        if clause is None:
            definitions.append(parse_definition(cursor))
        elif clause.action is not None:
            keys.append(clause.action)
        if cursor.takes(")"):
            break
        cursor.expect(",")
    columns = apply([AddColumns(tuple(definitions)), *keys], ())
    while not cursor.ended:
        if cursor.takes("CHARACTER", "SET") or cursor.takes("CHARSET"):
            cursor.takes("=")
            if cursor.next().text.lower() == "binary":
                columns = tuple(as_binary(column) for column in columns)
        elif cursor.takes_any("SELECT", "AS", "WITH"):
            return None  # CREATE TABLE … AS SELECT: the query adds columns
        else:
            cursor.next()
    return columns or None


def _alter(cursor: Cursor, database: str) -> Statement:
    if cursor.takes_any("DATABASE", "SCHEMA"):
        named = not (cursor.ended or cursor.token.upper in ("DEFAULT", "CHARACTER", "CHARSET", "COLLATE"))
        return SchemaStatement(cursor.name() if named else database, DdlKind.MODIFY_SCHEMA_CHARSET)
    if cursor.token.upper in _VIEW_WORDS:
        return SchemaStatement(_schema_of_view(cursor, database), DdlKind.CREATE_VIEW)
    cursor.takes_any("ONLINE", "IGNORE")
    cursor.expect("TABLE")
    cursor.takes("IF", "EXISTS")
    table = qualified(parse_qualified(cursor), database)
    clauses: list[Clause] = []
    try:
        while not cursor.ended:
            clauses.append(parse_clause(cursor))
            if not cursor.takes(",") and not cursor.ended and not cursor.sees("PARTITION"):
                raise cursor.error("wanted a comma or the end")
    except SqlError:
        # The table is known, what becomes of it is not: its next row will say.
        return AlterTable(table, kind_of(clauses), None)
    for clause in clauses:
        if clause.exchanged_with is not None:
            return ExchangePartition(table, qualified(clause.exchanged_with, database))
    renamed = next((clause.renamed_to for clause in clauses if clause.renamed_to is not None), None)
    return AlterTable(
        table,
        kind_of(clauses),
        tuple(clause.action for clause in clauses if clause.action is not None),
        None if renamed is None else qualified(renamed, database),
    )


def _drop(cursor: Cursor, database: str) -> Statement:
    if cursor.takes_any("DATABASE", "SCHEMA"):
        cursor.takes("IF", "EXISTS")
        return SchemaStatement(cursor.name(), DdlKind.DROP_SCHEMA)
    if cursor.sees("VIEW"):
        return SchemaStatement(_schema_of_view(cursor, database), DdlKind.DROP_VIEW)
    if cursor.takes("INDEX"):
        cursor.takes("IF", "EXISTS")
        cursor.name()
        cursor.expect("ON")
        return AlterTable(qualified(parse_qualified(cursor), database), DdlKind.DROP_INDEX, ())
    cursor.takes("TEMPORARY")
    if not cursor.takes_any("TABLE", "TABLES"):
        raise cursor.error("this kind of DROP is not known")
    cursor.takes("IF", "EXISTS")
    tables = [qualified(parse_qualified(cursor), database)]
    while cursor.takes(","):
        tables.append(qualified(parse_qualified(cursor), database))
    cursor.takes_any("RESTRICT", "CASCADE")
    _expect_end(cursor)
    return DropTables(tuple(tables))


def _schema_of_view(cursor: Cursor, database: str) -> str:
    """The schema of the (first) view, whatever stands before the word VIEW."""
    while not cursor.takes("VIEW"):
        if cursor.ended:
            raise cursor.error("wanted VIEW")
        cursor.next()
    cursor.takes("IF", "NOT", "EXISTS")
    cursor.takes("IF", "EXISTS")
    return qualified(parse_qualified(cursor), database).schema


def _takes_if_not_exists(cursor: Cursor) -> None:
    if cursor.takes("IF"):
        cursor.expect("NOT", "EXISTS")


def _expect_end(cursor: Cursor) -> None:
    if not cursor.ended:
        raise cursor.error("wanted the end of the statement")
