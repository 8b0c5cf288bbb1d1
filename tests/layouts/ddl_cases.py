"""One statement of every class (§4), with the schema files that it must make, as a table.

Before it there are `shop.t` and `shop.u` (id BIGINT key, v VARCHAR(10)) and `shop.p`, like them and in two partitions,
each with rows. The statement is at 500, its default database is `shop`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.canal import ddl, ids, row, watermark

AT = 500
COLUMNS = "(id BIGINT PRIMARY KEY, v VARCHAR(10))"
IV = ("id", "v")


@dataclass(frozen=True)
class File:
    """A schema file that must be made: directory, Query, Type and the names of its columns."""

    owner: str
    query: str
    type: int
    columns: Sequence[str] = IV


@dataclass(frozen=True)
class Case:
    """`files` in the order in which they must become visible; `flushed`: the tables whose rows must be visible before.

    `tables`: what the line tells of ids. `after`: lines behind the statement.
    """

    sql: str
    files: Sequence[File]
    in_band: bool = False
    flushed: Sequence[str] = ()
    tables: Sequence[Mapping[str, Any]] = ()
    after: Sequence[bytes] = ()


def before() -> list[bytes]:
    """The lines before the statement: 6 rows of each table, the last below it."""
    return [
        ddl(10, f"CREATE TABLE t {COLUMNS}", tables=[ids("t", 71)]),
        ddl(11, f"CREATE TABLE u {COLUMNS}", tables=[ids("u", 72)]),
        ddl(12, f"CREATE TABLE p {COLUMNS} PARTITION BY HASH (id) PARTITIONS 2", tables=[ids("p", 80, 81, 82)]),
        *(row(table, 100 + n, {"id": str(n), "v": "x"}) for n in range(6) for table in "tu"),
        *(row("p", 490 + n, {"id": str(n), "v": "x"}, table_id=80, partition=81 + n % 2) for n in range(6)),
    ]


def lines(case: Case) -> list[bytes]:
    """The whole log of a case."""
    return [*before(), ddl(AT, case.sql, tables=case.tables), *case.after, watermark(900)]


def alter(clauses: str, number: int, columns: Sequence[str] = IV, table: str = "t", **more: Any) -> Case:
    """An ALTER of one table, which makes one file."""
    sql = f"ALTER TABLE {table} {clauses}"
    more = {"in_band": True, "flushed": (table,)} | more
    return Case(sql, [File(f"shop/{table}", sql, number, columns)], **more)


def parts(clauses: str, number: int, table_id: int, *partitions: int, columns: Sequence[str] = IV) -> Case:
    """An ALTER of the partitions of `p`: graph-wide, because they are several dispatchers."""
    return alter(clauses, number, columns, table="p", in_band=False, tables=[ids("p", table_id, *partitions)])


def one(sql: str, owner: str, number: int, columns: Sequence[str] = IV, **more: Any) -> Case:
    """A statement that makes one file, with itself as Query."""
    return Case(sql, [File(owner, sql, number, columns)], **more)


NEW = {"in_band": True}
NONE: Sequence[str] = ()
AFTER_PARTITION = [ids("u", 82), ids("p", 80, 81, 72)]

CASES: Mapping[str, Case] = {
    # tables made
    "create": one("CREATE TABLE n (a INT KEY, e ENUM('x','<y>') NOT NULL DEFAULT 'x')", "shop/n", 3, ("a", "e"), **NEW),
    "create if not exists": one("CREATE TABLE IF NOT EXISTS n (a INT)", "shop/n", 3, ("a",), **NEW),
    "create in another schema": one("CREATE TABLE `o s`.n (a INT)", "o s/n", 3, ("a",), **NEW),
    "create like": one("CREATE TABLE n LIKE t", "shop/n", 3, **NEW),
    "create like, in another schema": Case(
        "CREATE TABLE other.n LIKE t", [File("other/n", "CREATE TABLE other.n LIKE `shop`.t", 3)], **NEW
    ),
    "create as select": one(
        "CREATE TABLE n AS SELECT 1 AS one",
        "shop/n",
        3,
        ("one",),
        **NEW,
        after=[row("n", 510, {"one": "1"}, types={"one": "bigint"}, key=[])],
    ),
    "create as select, without a row": one("CREATE TABLE n AS SELECT 1 AS one", "shop", 3, NONE),
    "create in partitions": one(
        "CREATE TABLE n (a INT) PARTITION BY HASH (a) PARTITIONS 2",
        "shop/n",
        3,
        ("a",),
        tables=[ids("n", 90, 91, 92)],
    ),
    "several creates": Case(
        "CREATE TABLE n (a INT); CREATE TABLE other.m (b INT, c INT);",
        [
            File("shop/n", "CREATE TABLE n (a INT)", 60, ("a",)),
            File("other/m", "CREATE TABLE other.m (b INT, c INT)", 60, ("b", "c")),
        ],
        **NEW,
    ),
    "recover": one(
        "RECOVER TABLE n",
        "shop/n",
        25,
        **NEW,
        after=[row("n", 510, {"id": "1", "v": "x"})],
    ),
    # tables gone, emptied and renamed
    "drop": one("DROP TABLE t", "shop/t", 4, flushed="t"),
    "drop in partitions": one("DROP TABLE p", "shop/p", 4, flushed="p"),
    "drop several": Case(
        "DROP TABLE t, `u`",
        [File("shop/t", "DROP TABLE `shop`.`t`", 4), File("shop/u", "DROP TABLE `shop`.`u`", 4)],
        flushed="tu",
    ),
    "drop several, one of them never met": Case(
        "DROP TABLE IF EXISTS t, ghost, other.ghost",
        [
            File("shop/t", "DROP TABLE `shop`.`t`", 4),
            File("shop", "DROP TABLE `shop`.`ghost`", 4, NONE),
            File("other", "DROP TABLE `other`.`ghost`", 4, NONE),
        ],
        flushed="t",
    ),
    "drop, never met": one("DROP TABLE ghost", "shop", 4, NONE),
    "drop, and made again": Case(
        "DROP TABLE t",
        [File("shop/t", "DROP TABLE t", 4)],
        after=[ddl(600, "CREATE TABLE t (id BIGINT PRIMARY KEY)"), row("t", 700, {"id": "1"})],
        flushed="t",
    ),
    "truncate": one("TRUNCATE TABLE t", "shop/t", 11, tables=[ids("t", 99)], flushed="t"),
    "truncate, ids not told": one("TRUNCATE t", "shop/t", 11, flushed="t"),
    "truncate in partitions": one("TRUNCATE TABLE p", "shop/p", 11, tables=[ids("p", 90, 91, 92)], flushed="p"),
    "rename": one("RENAME TABLE t TO t2", "shop/t2", 14, after=[row("t2", 600, {"id": "9", "v": "y"})], flushed="t"),
    "rename in partitions": one("RENAME TABLE p TO p2", "shop/p2", 14, flushed="p"),
    "rename by alter": one("ALTER TABLE t RENAME AS t2", "shop/t2", 14, flushed="t"),
    "rename into another schema": Case(
        "RENAME TABLE t TO other.t", [File("other/t", "RENAME TABLE `shop`.t TO other.t", 14)], flushed="t"
    ),
    "rename by alter into another schema, with a column": Case(
        "ALTER TABLE t ADD COLUMN w INT, RENAME TO other.t2",
        [File("other/t2", "ALTER TABLE `shop`.t ADD COLUMN w INT, RENAME TO other.t2", 14, ("id", "v", "w"))],
        flushed="t",
    ),
    "rename several": Case(
        "RENAME TABLE t TO t2, u TO other.`u``2`",
        [
            File("shop/t2", "RENAME TABLE `shop`.`t` TO `shop`.`t2`", 14),
            File("other/u`2", "RENAME TABLE `shop`.`u` TO `other`.`u``2`", 14),
        ],
        flushed="tu",
    ),
    "rename several, a statement each": Case(
        "RENAME TABLE t TO t2; RENAME TABLE u TO u2",
        [
            File("shop/t2", "RENAME TABLE `shop`.`t` TO `shop`.`t2`", 14),
            File("shop/u2", "RENAME TABLE `shop`.`u` TO `shop`.`u2`", 14),
        ],
        flushed="tu",
    ),
    "rename, swapped": Case(
        "RENAME TABLE t TO x, u TO t, x TO u",
        [
            File("shop/x", "RENAME TABLE `shop`.`t` TO `shop`.`x`", 14),
            File("shop/t", "RENAME TABLE `shop`.`u` TO `shop`.`t`", 14),
            File("shop/u", "RENAME TABLE `shop`.`x` TO `shop`.`u`", 14),
        ],
        after=[row(name, 600, {"id": "9", "v": name}) for name in "tu"],
        flushed="tu",
    ),
    "rename several, one of them never met": Case(
        "RENAME TABLE t TO t2, ghost TO ghost2",
        [
            File("shop/t2", "RENAME TABLE `shop`.`t` TO `shop`.`t2`", 14),
            File("shop", "RENAME TABLE `shop`.`ghost` TO `shop`.`ghost2`", 14, NONE),
        ],
        flushed="t",
    ),
    # databases and views
    "create database": one("CREATE DATABASE IF NOT EXISTS `a/b`", "a%2Fb", 1, NONE),
    "alter database": one("ALTER DATABASE shop CHARACTER SET utf8mb4", "shop", 26, NONE),
    "drop database": one("DROP DATABASE shop", "shop", 2, NONE, flushed="tup"),
    "create view": one("CREATE VIEW w AS SELECT * FROM t", "shop", 21, NONE),
    "create view in another schema": one(
        "CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`r`@`%` SQL SECURITY INVOKER VIEW other.w AS SELECT 1",
        "other",
        21,
        NONE,
    ),
    "drop view": one("DROP VIEW IF EXISTS other.w", "other", 24, NONE),
    # columns
    "add column": alter("ADD COLUMN w INT NOT NULL DEFAULT 7", 5, ("id", "v", "w")),
    "add column, first": alter("ADD w INT FIRST", 5, ("w", "id", "v")),
    "add columns": alter("ADD COLUMN (a INT, b INT)", 61, ("id", "v", "a", "b")),
    "drop column": alter("DROP COLUMN v", 6, ("id",)),
    "modify column": alter("MODIFY COLUMN v VARCHAR(99) NOT NULL AFTER id", 12),
    "change column": alter("CHANGE v `text` TEXT", 12, ("id", "text")),
    "rename column": alter("RENAME COLUMN v TO w", 12, ("id", "w")),
    "set default": alter("ALTER COLUMN v SET DEFAULT 'none'", 15),
    "drop default": alter("ALTER v DROP DEFAULT", 15),
    "several clauses": alter("ADD w INT, DROP COLUMN v, ADD INDEX (w), ALGORITHM=INPLACE", 61, ("id", "w")),
    "one clause with options": alter("ADD w INT, ALGORITHM=INSTANT, LOCK=NONE", 5, ("id", "v", "w")),
    "add column in partitions": parts("ADD COLUMN w INT", 5, 80, 81, 82, columns=("id", "v", "w")),
    "an unknown clause": alter("DO SOMETHING NEW", 0),
    # keys and the like
    "add index": alter("ADD INDEX i (v)", 7),
    "create unique index": one("CREATE UNIQUE INDEX i ON t (v)", "shop/t", 7, in_band=True, flushed=("t",)),
    "drop index": one("DROP INDEX i ON t", "shop/t", 8, in_band=True, flushed=("t",)),
    "drop index by alter": alter("DROP KEY i", 8),
    "rename index": alter("RENAME INDEX i TO j", 18),
    "hide index": alter("ALTER INDEX i INVISIBLE", 41),
    "add primary key": alter("ADD PRIMARY KEY (v)", 32),
    "drop primary key": alter("DROP PRIMARY KEY", 33),
    "add foreign key": alter("ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES u (id)", 9),
    "drop foreign key": alter("DROP FOREIGN KEY c", 10),
    "add check": alter("ADD CONSTRAINT c CHECK (id > 0)", 43),
    "drop check": alter("DROP CHECK c", 44),
    "alter check": alter("ALTER CHECK c NOT ENFORCED", 45),
    # the table as a whole
    "comment": alter("COMMENT = 'a, b & <c>'", 17),
    "charset": alter("CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", 22),
    "rebase": alter("AUTO_INCREMENT = 1000", 13),
    "rebase random": alter("AUTO_RANDOM_BASE = 1000", 40),
    "id cache": alter("AUTO_ID_CACHE 100", 39),
    "shard": alter("SHARD_ROW_ID_BITS = 4", 16),
    "ttl": alter("TTL = `v` + INTERVAL 1 DAY TTL_ENABLE = 'ON'", 65),
    "remove ttl": alter("REMOVE TTL", 67),
    "cache": alter("CACHE", 57),
    "no cache": alter("NOCACHE", 59),
    "replica": alter("SET TIFLASH REPLICA 2", 30),
    "placement": alter("PLACEMENT POLICY = far", 56),
    "attributes": alter("ATTRIBUTES 'merge_option=allow'", 49),
    # partitions
    "add partition": parts("ADD PARTITION PARTITIONS 1", 19, 80, 81, 82, 83),
    "drop partition": parts("DROP PARTITION p1", 20, 80, 81),
    "truncate partition": parts("TRUNCATE PARTITION p1", 23, 80, 81, 83),
    "reorganize partition": parts("REORGANIZE PARTITION p1 INTO (PARTITION p1 VALUES IN (1, 2))", 64, 80, 81, 83),
    "coalesce partition": parts("COALESCE PARTITION 1", 64, 80, 81),
    "partition placement": parts("PARTITION p1 PLACEMENT POLICY = far", 54, 80, 81, 82),
    "partition attributes": parts("PARTITION p1 ATTRIBUTES 'merge_option=allow'", 50, 80, 81, 82),
    "partition by": alter("PARTITION BY HASH (id) PARTITIONS 2", 71, in_band=False, tables=[ids("t", 90, 91, 92)]),
    "remove partitioning": parts("REMOVE PARTITIONING", 72, 90),
    "exchange partition": Case(
        "ALTER TABLE p EXCHANGE PARTITION p1 WITH TABLE u WITHOUT VALIDATION",
        [
            File("shop/u", "ALTER TABLE p EXCHANGE PARTITION p1 WITH TABLE u WITHOUT VALIDATION", 42),
            File("shop/p", "", 0),
        ],
        tables=AFTER_PARTITION,
        after=[
            row("u", 600, {"id": "9", "v": "y"}, table_id=82),
            row("p", 600, {"id": "9", "v": "y"}, table_id=80, partition=72),
        ],
        flushed="up",
    ),
    "exchange partition with a table of another schema": Case(
        "ALTER TABLE p EXCHANGE PARTITION p1 WITH TABLE other.u",
        [
            File("other/u", "ALTER TABLE `shop`.p EXCHANGE PARTITION p1 WITH TABLE other.u", 42),
            File("shop/p", "", 0),
        ],
        flushed="p",
    ),
    # what nobody understands
    "unknown": one("INVENT SOMETHING", "shop", 0, NONE, flushed="tup"),
}
