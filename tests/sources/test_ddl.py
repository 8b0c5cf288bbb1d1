"""DDL text: tokens, column definitions, what a statement says, and what it makes of a table."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterbay.messages import DdlKind
from afterbay.schema import Column, TableName
from afterbay_nodes.sources.ddl.altered import MOST_COLUMNS, apply
from afterbay_nodes.sources.ddl.classify import classify, qualified_names
from afterbay_nodes.sources.ddl.columns import parse_definition
from afterbay_nodes.sources.ddl.statement import (
    AlterTable,
    CreateTable,
    DropTables,
    ExchangePartition,
    RenameTables,
    SchemaStatement,
    TruncateTable,
    Unknown,
)
from afterbay_nodes.sources.ddl.tokenizer import LONGEST_STATEMENT, Cursor, SqlError, TokenKind, tokenize
from afterbay_nodes.sources.dispatcher import dispatcher_of, table_of

T = TableName("db", "t")
A, B, C = (Column(name, "int") for name in "abc")


def definition(sql: str) -> Column:
    return parse_definition(Cursor(sql)).column


def altered(sql: str, *columns: Column) -> tuple[Column, ...]:
    statement = classify(f"ALTER TABLE t {sql}", "db")
    assert isinstance(statement, AlterTable)
    assert statement.actions is not None
    return apply(statement.actions, columns or (A, B, C))


def names(columns: tuple[Column, ...]) -> str:
    return " ".join(column.name for column in columns)


# -- tokens


def test_comments_vanish_and_executable_ones_are_read() -> None:
    sql = "a /* no */ /*!50100 b */ /*T![auto_rand] c */ /*M! d */ -- no\ne # no\n'f' --g"
    assert [token.text for token in tokenize(sql)] == ["a", "b", "c", "d", "e", "f", "-", "-", "g", ""]


def test_quoted_names_are_never_keywords() -> None:
    assert not Cursor("`DROP`").sees("DROP")
    assert Cursor("drop").sees("DROP")


@given(st.text())
def test_a_name_in_backticks_comes_back_as_it_was(name: str) -> None:
    token, end = tokenize("`" + name.replace("`", "``") + "`")
    assert (token.kind, token.text, end.kind) == (TokenKind.QUOTED, name, TokenKind.END)


@given(st.text(), st.sampled_from("'\""))
def test_a_text_in_quotes_comes_back_as_it_was(text: str, quote: str) -> None:
    token, _ = tokenize(quote + text.replace("\\", "\\\\").replace(quote, quote * 2) + quote)
    assert (token.kind, token.text) == (TokenKind.STRING, text)


SNIPPETS = """CREATE TABLE ALTER DROP RENAME TRUNCATE DATABASE INDEX COLUMN ADD MODIFY CHANGE PRIMARY KEY UNIQUE LIKE TO
    t a.b `q` 'str' " ` ' ( ) , ; . /* */ /*! -- INT VARCHAR(10) ENUM('x') DEFAULT NULL NOT FIRST AFTER 1 -1 = AS
    GENERATED ALWAYS CONSTRAINT FOREIGN REFERENCES PARTITION WITH EXCHANGE"""
fragments = st.lists(st.sampled_from(re.findall(r"\S+", SNIPPETS)) | st.text(max_size=3), max_size=20)


@settings(max_examples=400)
@given(fragments)
def test_no_text_breaks_the_reader(parts: list[str]) -> None:
    sql = " ".join(parts)
    try:
        tokens = tokenize(sql)
    except SqlError:
        assert isinstance(classify(sql, "db"), Unknown)
        return
    assert all(sql[token.start : token.end] for token in tokens[:-1])
    classify(sql, "db")


# -- columns


@pytest.mark.parametrize(
    ("sql", "column"),
    [
        ("a INT", Column("a", "int")),
        ("a INTEGER(11) UNSIGNED ZEROFILL NOT NULL", Column("a", "int", True, True, 11, nullable=False)),
        ("`a b` bigint(20) unsigned NOT NULL AUTO_INCREMENT", Column("a b", "bigint", True, length=20, nullable=False)),
        ("a BOOL DEFAULT TRUE", Column("a", "tinyint", length=1, default="1")),
        ("a DECIMAL(10, 2) DEFAULT '-1.50'", Column("a", "decimal", length=10, scale=2, default="-1.50")),
        ("a NUMERIC DEFAULT -1.5", Column("a", "decimal", default="-1.5")),
        ("a DOUBLE PRECISION", Column("a", "double")),
        ("a VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", Column("a", "varchar", length=16)),
        ("a VARCHAR(16) CHARSET binary", Column("a", "varbinary", length=16)),
        ("a TEXT CHARACTER SET binary", Column("a", "blob")),
        ("a CHARACTER VARYING(3)", Column("a", "varchar", length=3)),
        ("a LONG VARBINARY", Column("a", "mediumblob")),
        ("a ENUM('x','it''s',\"y,\") NOT NULL", Column("a", "enum", nullable=False, elements=("x", "it's", "y,"))),
        ("a SET('p') DEFAULT 'p'", Column("a", "set", default="p", elements=("p",))),
        (
            "a TIMESTAMP(6) NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)",
            Column("a", "timestamp", scale=6, default="CURRENT_TIMESTAMP(6)"),
        ),
        ("a BIT(8) DEFAULT b'101'", Column("a", "bit", length=8, default="5")),
        ("a JSON COMMENT 'a, b) c'", Column("a", "json")),
        ("a INT PRIMARY KEY", Column("a", "int", nullable=False, primary_key=True)),
        ("a INT UNIQUE KEY", Column("a", "int", unique_key=True)),
        ("a INT GENERATED ALWAYS AS (b + f(')')) VIRTUAL", Column("a", "int", virtual=True)),
        ("a INT AS (b) STORED NOT NULL", Column("a", "int", nullable=False)),
        ("a INT AS (b)", Column("a", "int", virtual=True)),
        ("a INT REFERENCES o (id) ON DELETE SET NULL ON UPDATE CASCADE NOT NULL", Column("a", "int", nullable=False)),
        ("a SERIAL", Column("a", "bigint", True, nullable=False, unique_key=True)),
        ("a VECTOR(3)", Column("a", "vector", length=3)),
        ("a BIGINT /*T![auto_rand] AUTO_RANDOM(5) */ NOT NULL", Column("a", "bigint", nullable=False)),
    ],
)
def test_column_definitions(sql: str, column: Column) -> None:
    assert definition(sql) == column


@pytest.mark.parametrize("sql", ["a", "a GEOMETRY", "a INT(", "a ENUM('x'", "a DECIMAL(1,2,3)", "a 'text'"])
def test_definitions_that_are_not_understood_are_refused(sql: str) -> None:
    with pytest.raises(SqlError):
        definition(sql)


# -- statements


def test_create_table_with_keys_and_options() -> None:
    statement = classify(
        """CREATE TABLE IF NOT EXISTS `o`.`t` (
            id BIGINT, k INT, v VARCHAR(9), w INT AS (k) VIRTUAL,
            CONSTRAINT pk PRIMARY KEY (id) /*T![clustered_index] CLUSTERED */,
            UNIQUE KEY u (`k`(3) DESC) USING BTREE, KEY x (v), CHECK (k > 0),
            FOREIGN KEY (k) REFERENCES p (id) ON DELETE CASCADE
        ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='c' PARTITION BY HASH (id) PARTITIONS 4""",
        "db",
    )
    assert statement == CreateTable(
        TableName("o", "t"),
        (
            Column("id", "bigint", nullable=False, primary_key=True),
            Column("k", "int", unique_key=True),
            Column("v", "varchar", length=9),
            Column("w", "int", virtual=True),
        ),
    )


def test_a_table_in_charset_binary_has_bytes() -> None:
    statement = classify("CREATE TABLE t (a TEXT, b CHAR(3)) DEFAULT CHARSET = binary", "db")
    assert statement == CreateTable(T, (Column("a", "blob"), Column("b", "binary", length=3)))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("create table t like o.u", CreateTable(T, None, TableName("o", "u"))),
        ("CREATE TABLE t (LIKE u)", CreateTable(T, None, TableName("db", "u"))),
        ("CREATE TABLE t SELECT 1", CreateTable(T, None)),
        ("CREATE TABLE t (a INT) AS SELECT 1 b", CreateTable(T, None)),
        ("CREATE TABLE t (g GEOMETRY)", CreateTable(T, None)),
        ("CREATE INDEX i ON t (a)", AlterTable(T, DdlKind.ADD_INDEX, ())),
        ("DROP INDEX i ON `t`;", AlterTable(T, DdlKind.DROP_INDEX, ())),
        ("RENAME TABLE t TO o.u", RenameTables(((T, TableName("o", "u")),))),
        ("RENAME TABLE t TO u, v TO t", RenameTables(((T, TableName("db", "u")), (TableName("db", "v"), T)))),
        ("ALTER TABLE t RENAME AS u", AlterTable(T, DdlKind.RENAME_TABLE, (), TableName("db", "u"))),
        ("DROP TABLE IF EXISTS t, `o`.u CASCADE", DropTables((T, TableName("o", "u")))),
        ("TRUNCATE t", TruncateTable(T)),
        ("CREATE DATABASE IF NOT EXISTS `d`", SchemaStatement("d", DdlKind.CREATE_SCHEMA)),
        ("DROP SCHEMA d", SchemaStatement("d", DdlKind.DROP_SCHEMA)),
        ("ALTER DATABASE CHARACTER SET utf8mb4", SchemaStatement("db", DdlKind.MODIFY_SCHEMA_CHARSET)),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", SchemaStatement("db", DdlKind.CREATE_VIEW)),
        ("DROP VIEW v", SchemaStatement("db", DdlKind.DROP_VIEW)),
        ("ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u", ExchangePartition(T, TableName("db", "u"))),
        ("ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (9))", AlterTable(T, DdlKind(19), ())),
        ("ALTER TABLE t COMMENT = 'x, y'", AlterTable(T, DdlKind.MODIFY_TABLE_COMMENT, ())),
        ("ALTER TABLE t ENGINE=InnoDB, ALGORITHM=INPLACE", AlterTable(T, DdlKind.NONE, ())),
        ("ALTER TABLE t INVENT SOMETHING", AlterTable(T, DdlKind.NONE, None)),
        ("/*!40101 DROP TABLE t */", DropTables((T,))),
    ],
)
def test_statements(sql: str, expected: object) -> None:
    assert classify(sql, "db") == expected


@pytest.mark.parametrize("sql", ["", "GRANT ALL", "CREATE SEQUENCE s", "DROP TABLE t; DROP TABLE u", "DROP TABLE `t"])
def test_statements_that_are_not_understood_say_so(sql: str) -> None:
    assert isinstance(classify(sql, "db"), Unknown)


# -- what ALTER TABLE makes of the columns


def test_columns_are_added_where_they_belong() -> None:
    assert names(altered("ADD d INT")) == "a b c d"
    assert names(altered("ADD COLUMN d INT FIRST, ADD e INT AFTER a")) == "d a e b c"
    assert names(altered("ADD (d INT, e INT)")) == "a b c d e"


def test_columns_are_dropped_changed_and_renamed_in_place() -> None:
    assert names(altered("DROP COLUMN b, DROP IF EXISTS z")) == "a c"
    assert altered("MODIFY b BIGINT UNSIGNED NOT NULL")[1] == Column("b", "bigint", True, nullable=False)
    assert names(altered("CHANGE b bb INT AFTER c")) == "a c bb"
    assert names(altered("RENAME COLUMN B TO d")) == "a d c"
    assert altered("ALTER b SET DEFAULT 7")[1].default == "7"
    assert altered("ALTER COLUMN b DROP DEFAULT", Column("b", "int", default="7"))[0].default is None


def test_keys_belong_to_the_table() -> None:
    keyed = altered("ADD PRIMARY KEY (a, b), ADD UNIQUE u (c)")
    assert [(c.primary_key, c.nullable, c.unique_key) for c in keyed] == [
        (True, False, False),
        (True, False, False),
        (False, True, True),
    ]
    assert altered("MODIFY a BIGINT", *keyed)[0].primary_key
    assert not any(column.primary_key for column in altered("DROP PRIMARY KEY", *keyed))


def test_a_table_converted_to_binary_has_bytes() -> None:
    assert altered("CONVERT TO CHARACTER SET binary", Column("a", "varchar", length=3))[0].type == "varbinary"


@pytest.mark.parametrize("sql", ["DROP z", "ADD a INT", "MODIFY z INT", "RENAME COLUMN z TO y", "ADD d INT AFTER z"])
def test_what_does_not_fit_the_table_is_refused(sql: str) -> None:
    with pytest.raises(SqlError):
        altered(sql)


# -- statements of strangers


def test_a_statement_costs_what_its_length_costs() -> None:
    def seconds(clauses: int) -> float:
        sql = "ALTER TABLE t " + ", ".join(f"ADD COLUMN c{number} INT NOT NULL" for number in range(clauses))
        begun = time.thread_time()
        statement = classify(sql, "db")
        assert isinstance(statement, AlterTable)
        assert statement.actions is not None
        assert len(apply(statement.actions, ())) == clauses
        return time.thread_time() - begun

    few = min(seconds(500) for _ in range(3))
    many = min(seconds(4000) for _ in range(3))
    assert many < 24 * few, "eight times the clauses: 64 times the work if each looks at all the others"


def test_a_table_has_no_more_columns_than_mysql_allows() -> None:
    clauses = ", ".join(f"ADD c{number} INT" for number in range(MOST_COLUMNS - 3))
    columns = altered(clauses)
    assert len(columns) == MOST_COLUMNS
    with pytest.raises(SqlError, match="4096 columns at most"):
        altered("ADD one INT", *columns)
    listed = ", ".join(f"c{number} INT" for number in range(MOST_COLUMNS + 1))
    assert classify(f"CREATE TABLE t ({listed})", "db") == CreateTable(TableName("db", "t"), None)


def test_a_statement_that_is_too_long_is_not_understood() -> None:
    longest = "DROP TABLE t".ljust(LONGEST_STATEMENT)
    assert isinstance(classify(longest, "db"), DropTables)
    found = classify(longest + " ", "db")
    assert isinstance(found, Unknown)
    assert str(LONGEST_STATEMENT) in found.why


@pytest.mark.parametrize("kind", ["BIT(65)", "BINARY(4000000000)", "DECIMAL(10, 20000)", "VARCHAR(5000000000)"])
def test_a_width_that_no_database_has_is_not_understood(kind: str) -> None:
    with pytest.raises(SqlError):
        definition(f"c {kind}")
    assert classify(f"CREATE TABLE t (c {kind})", "db") == CreateTable(TableName("db", "t"), None)


def test_a_set_has_no_more_elements_than_bits() -> None:
    elements = ", ".join(f"'{number}'" for number in range(65))
    with pytest.raises(SqlError, match="64 elements"):
        definition(f"c SET({elements})")


def test_many_bare_names_are_qualified_in_one_go() -> None:
    pairs = [f"a{number} TO b{number}" for number in range(3)]
    assert qualified_names("RENAME TABLE " + ", ".join(pairs), "d`b") == (
        "RENAME TABLE `d``b`.a0 TO `d``b`.b0, `d``b`.a1 TO `d``b`.b1, `d``b`.a2 TO `d``b`.b2"
    )


# -- dispatchers


@given(
    st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")), st.none() | st.integers(1, 2**63 - 1)
)
def test_each_table_and_partition_has_a_dispatcher_of_its_own(schema: str, table: str, partition: int | None) -> None:
    name = TableName(schema, table)
    assert table_of(dispatcher_of(name, partition)) == (name, partition)
    assert set(dispatcher_of(name, partition)).isdisjoint("/\\\0 ")
