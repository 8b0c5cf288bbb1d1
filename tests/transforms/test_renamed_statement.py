"""A DDL's text under the names of a route: only what is surely a table's name is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from afterbay.messages import DdlKind
from afterbay.schema import Column, TableName
from afterbay_nodes.transforms.renamed_statement import renamed_statement
from afterbay_nodes.transforms.route import Route
from tests.support.batches import operator, table
from tests.support.ddl import change, ddl


def target(name: TableName) -> TableName:
    return TableName("shop", f"t_{name.table}") if name.schema == "web" else name


def database(name: str) -> str:
    return "shop" if name == "web" else name


def renamed(sql: str, *tables: str) -> str | None:
    names = [TableName(*name.split(".")) for name in tables or ("web.orders",)]
    return renamed_statement(sql, names, target, database)


NEW = "`shop`.`t_orders`"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE TABLE web.orders (id INT)", f"CREATE TABLE {NEW} (id INT)"),
        ("CREATE TABLE orders (id INT)", f"CREATE TABLE {NEW} (id INT)"),
        ("create table if not exists `web`.`orders`(id int)", f"create table if not exists {NEW}(id int)"),
        ('CREATE TABLE "web"."orders" (id INT)', f"CREATE TABLE {NEW} (id INT)"),
        ("CREATE TABLE WEB.Orders (id INT)", f"CREATE TABLE {NEW} (id INT)"),
        ("CREATE TABLE web . orders (id INT) -- web.orders", "CREATE TABLE `shop` . `t_orders` (id INT) -- web.orders"),
        ("/* web.orders */ DROP TABLE orders", f"/* web.orders */ DROP TABLE {NEW}"),
        (
            "CREATE TABLE orders (orders INT COMMENT 'orders', KEY `orders` (orders)) COMMENT='web.orders'",
            f"CREATE TABLE {NEW} (orders INT COMMENT 'orders', KEY `orders` (orders)) COMMENT='web.orders'",
        ),
        (
            "CREATE TABLE orders (id INT, g INT AS (id + 1), FOREIGN KEY (id) REFERENCES users (id))",
            f"CREATE TABLE {NEW} (id INT, g INT AS (id + 1), FOREIGN KEY (id) REFERENCES `shop`.`t_users` (id))",
        ),
        ("CREATE TABLE orders LIKE old", f"CREATE TABLE {NEW} LIKE `shop`.`t_old`"),
        ("CREATE TABLE orders (LIKE other.old)", f"CREATE TABLE {NEW} (LIKE other.old)"),
        ("CREATE UNIQUE INDEX orders ON orders (id)", f"CREATE UNIQUE INDEX orders ON {NEW} (id)"),
        ("DROP INDEX orders ON web.orders", f"DROP INDEX orders ON {NEW}"),
        (
            "ALTER TABLE orders ADD COLUMN orders INT DEFAULT 1.5",
            f"ALTER TABLE {NEW} ADD COLUMN orders INT DEFAULT 1.5",
        ),
        ("ALTER TABLE orders RENAME COLUMN orders TO o", f"ALTER TABLE {NEW} RENAME COLUMN orders TO o"),
        ("ALTER TABLE orders RENAME INDEX orders TO o", f"ALTER TABLE {NEW} RENAME INDEX orders TO o"),
        (
            "ALTER TABLE orders ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES web.users (id), DROP COLUMN b",
            f"ALTER TABLE {NEW} ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES `shop`.`t_users` (id), DROP COLUMN b",
        ),
        (
            "ALTER TABLE orders EXCHANGE PARTITION orders WITH TABLE side",
            f"ALTER TABLE {NEW} EXCHANGE PARTITION orders WITH TABLE `shop`.`t_side`",
        ),
        ("TRUNCATE orders;", f"TRUNCATE {NEW};"),
        ("TRUNCATE TABLE web.orders", f"TRUNCATE TABLE {NEW}"),
        ("RECOVER TABLE orders", f"RECOVER TABLE {NEW}"),
        ("DROP TABLE /*!40000 IF EXISTS */ orders CASCADE", f"DROP TABLE /*!40000 IF EXISTS */ {NEW} CASCADE"),
    ],
)
def test_the_names_of_a_table_are_replaced_and_nothing_else(sql: str, expected: str) -> None:
    assert renamed(sql) == expected


@pytest.mark.parametrize(
    ("sql", "tables", "expected"),
    [
        (
            "RENAME TABLE a TO tmp, b TO a, tmp TO b",
            ("web.a", "web.b"),
            "RENAME TABLE `shop`.`t_a` TO `shop`.`t_tmp`, `shop`.`t_b` TO `shop`.`t_a`, `shop`.`t_tmp` TO `shop`.`t_b`",
        ),
        ("RENAME TABLE a TO old.a", ("web.a", "old.a"), "RENAME TABLE `shop`.`t_a` TO old.a"),
        ("ALTER TABLE a ADD x INT, RENAME TO b", ("web.a", "web.b"), None),
        ("DROP TABLE a, other.b", ("web.a", "other.b"), "DROP TABLE `shop`.`t_a`, other.b"),
        ("CREATE TABLE `we``ird` (a INT)", ("web.we`ird",), "CREATE TABLE `shop`.`t_we``ird` (a INT)"),
        (
            "CREATE TABLE a (x INT); CREATE TABLE b (x INT)",
            ("web.a", "web.b"),
            "CREATE TABLE `shop`.`t_a` (x INT); CREATE TABLE `shop`.`t_b` (x INT)",
        ),
        ("CREATE TABLE other.x (a INT)", ("other.x",), "CREATE TABLE other.x (a INT)"),
        ("CREATE TABLE x (a INT)", ("other.x",), "CREATE TABLE x (a INT)"),
    ],
)
def test_several_tables(sql: str, tables: tuple[str, ...], expected: str | None) -> None:
    if expected is None:
        expected = "ALTER TABLE `shop`.`t_a` ADD x INT, RENAME TO `shop`.`t_b`"
    assert renamed(sql, *tables) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE DATABASE IF NOT EXISTS web", "CREATE DATABASE IF NOT EXISTS `shop`"),
        ("DROP SCHEMA `web`", "DROP SCHEMA `shop`"),
        ("ALTER DATABASE web CHARACTER SET utf8mb4", "ALTER DATABASE `shop` CHARACTER SET utf8mb4"),
        ("ALTER DATABASE CHARACTER SET utf8mb4", "ALTER DATABASE CHARACTER SET utf8mb4"),
        ("CREATE DATABASE other", "CREATE DATABASE other"),
    ],
)
def test_databases(sql: str, expected: str) -> None:
    assert renamed_statement(sql, (), target, database) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE orders AS SELECT * FROM x",
        "CREATE TABLE orders (SELECT 1)",
        "CREATE TABLE orders TABLE x",
        "CREATE TABLE orders (a INT) ENGINE=MERGE UNION=(x, y)",
        "CREATE TABLE orders (a INT, CHECK (orders.a > 0))",
        "CREATE VIEW v AS SELECT * FROM orders",
        "CREATE TABLE orders (a INT COMMENT 'no end)",
        "DROP VIEW orders",
        "DROP TABLE orders WAIT 5",
        "GRANT ALL ON web.orders TO x",
        "CREATE TABLE another (a INT)",
        "",
    ],
)
def test_where_the_names_are_not_sure_the_text_is_left_alone(sql: str) -> None:
    assert renamed(sql) is None


def test_a_bare_name_that_could_be_in_two_schemas_is_not_sure() -> None:
    assert renamed("DROP TABLE a", "web.a", "other.a") is None


def test_tables_whose_names_differ_in_case_only_are_told_apart() -> None:
    assert renamed("DROP TABLE a, A", "web.a", "web.A") == "DROP TABLE `shop`.`t_a`, `shop`.`t_A`"


ROUTE = Route.model_validate({"rules": [{"match": "web.*", "schema": "shop", "table": "t_{table}"}]})


def test_a_routes_ddl_says_the_new_name_in_its_own_text_and_in_each_tables() -> None:
    orders, lines = (table(Column("id", "int"), name=f"web.{name}") for name in ("orders", "lines"))
    drop = ddl(
        DdlKind.DROP_TABLE, change(orders, None, "DROP TABLE `web`.`orders`"), change(lines, None, "DROP TABLE lines")
    )
    routed = operator(ROUTE).schema_change(replace(drop, query="DROP TABLE web.orders, web.lines"))
    assert routed is not None
    assert routed.query == "DROP TABLE `shop`.`t_orders`, `shop`.`t_lines`"
    assert [item.query for item in routed.tables] == ["DROP TABLE `shop`.`t_orders`", "DROP TABLE `shop`.`t_lines`"]


def test_a_text_that_is_not_understood_stays_in_a_routed_ddl() -> None:
    orders = table(Column("id", "int"), name="web.orders")
    made = replace(ddl(DdlKind.CREATE_TABLE, change(None, orders)), query="CREATE TABLE web.orders AS SELECT 1")
    routed = operator(ROUTE).schema_change(made)
    assert routed is not None
    assert routed.query == made.query


def test_a_routed_databases_ddl_names_the_new_one() -> None:
    create = replace(ddl(DdlKind.CREATE_SCHEMA, database="web"), query="CREATE DATABASE web")
    routed = operator(ROUTE).schema_change(create)
    assert routed is not None
    assert (routed.database, routed.query) == ("shop", "CREATE DATABASE `shop`")
