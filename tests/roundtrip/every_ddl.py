"""A history with every class of DDL (protocol §4), each with rows before and after it, and what it does to them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from tests.roundtrip.upstream import Col, Row, Upstream, cols

IV = "id BIGINT NOT NULL, v VARCHAR(10)"


def every_ddl(up: Upstream) -> None:
    """All of it, one after the other."""
    up.ddl("CREATE DATABASE shop")
    up.create("live.steps", "id BIGINT NOT NULL, statement TEXT", "id")
    for part in (tables_made, tables_without_a_key, tables_gone, tables_renamed, databases_and_views):
        part(up)
    up.watermark()
    for part in (columns_changed, types_changed, keys_changed, properties_changed):
        part(up)
    up.watermark()
    for part in (ranges, hashes, partitions_exchanged, divided_anew):
        part(up)
    up.ddl("INVENT SOMETHING")


def filled(up: Upstream, name: str, *ids: int) -> None:
    """Rows of an `IV` table."""
    up.insert(name, *((number, f"v{number}") for number in ids))


def made(up: Upstream, *names: str) -> None:
    """`IV` tables with three rows, one of them changed and another deleted and made again."""
    for name in names:
        up.create(name, IV, "id")
        filled(up, name, 1, 2, 3)
        up.update(name, {"id": 2}, v="changed")
        with up.transaction():
            up.delete(name, id=3)
            filled(up, name, 3)


def tables_made(up: Upstream) -> None:
    enum = Col.of("e", "ENUM('x','<y>') NOT NULL DEFAULT 'x'", ("x", "<y>"))
    sql = "CREATE TABLE n (a INT KEY, e ENUM('x','<y>') NOT NULL DEFAULT 'x')"
    up.create("shop.n", [Col.of("a", "INT"), enum], "a", sql=sql)
    up.insert("shop.n", (-1, 1), (2, 2))
    up.create("shop.m", "a INT", "a", sql="CREATE TABLE IF NOT EXISTS m (a INT PRIMARY KEY)")
    up.ddl("CREATE TABLE IF NOT EXISTS n (a INT KEY, e ENUM('x','<y>') NOT NULL DEFAULT 'x')", "shop.n")
    up.insert("shop.m", (7,))
    hostile = 'we"ird, näme 🐈.`k 1`, "q",'
    up.create(
        hostile.split(",", maxsplit=1)[0] + " s.tä`b\\le",
        [Col.of("k `1`", "BIGINT NOT NULL"), Col.of('va"l,ue', "TEXT"), Col.of("select", "JSON"), Col.of("_op", "INT")],
        "k `1`",
    )
    up.insert('we"ird s.tä`b\\le', (1, '"', "{}", 1), (2, None, None, None))
    made(up, "shop.t")
    up.create("shop.like1", IV, "id", sql="CREATE TABLE like1 LIKE t")
    filled(up, "shop.like1", 1)
    up.create("other.like2", IV, "id", sql="CREATE TABLE other.like2 LIKE t")
    filled(up, "other.like2", 1)

    def two() -> None:
        up.make("shop.one", cols("a INT NOT NULL"), ("a",))
        up.make("other.two", cols("b INT NOT NULL, c INT"), ("b",))

    up.ddl(
        "CREATE TABLE one (a INT PRIMARY KEY); CREATE TABLE other.two (b INT PRIMARY KEY, c INT);",
        *("shop.one", "other.two"),
        effect=two,
    )
    up.insert("shop.one", (1,))
    up.insert("other.two", (1, None))
    # A table that comes back from the bin, of which the log has told nothing so far.
    up.ddl("RECOVER TABLE back", "shop.back", effect=lambda: up.make("shop.back", cols(IV), ("id",)))
    filled(up, "shop.back", 5)
    virtual = "id BIGINT NOT NULL, a INT, twice INT AS (a * 2) VIRTUAL, more INT AS (a + 1) STORED"
    up.create("shop.generated", virtual, "id")
    up.insert("shop.generated", (1, 10, 11), (2, None, None))
    up.update("shop.generated", {"id": 1}, a=20, more=21)


def tables_without_a_key(up: Upstream) -> None:
    up.create("shop.log", "a BIGINT NOT NULL, b VARCHAR(10)")
    with up.transaction():
        up.insert("shop.log", (1, "x"), (2, "y"))
    up.insert("shop.log", (3, "x"), (4, None))
    up.update("shop.log", {"a": 2}, b="changed")
    up.delete("shop.log", a=1)
    added = Col.of("c", "INT NOT NULL DEFAULT 7")
    up.ddl(
        "ALTER TABLE log ADD c INT NOT NULL DEFAULT 7", "shop.log", effect=lambda: up.table("shop.log").add(added, 7)
    )
    up.insert("shop.log", (5, "z", 8))
    up.create("shop.picked", "one BIGINT", sql="CREATE TABLE picked AS SELECT 1 AS one")
    up.insert("shop.picked", (1,))
    up.create("shop.emptied", "a BIGINT")
    up.insert("shop.emptied", (1,))
    up.ddl("TRUNCATE TABLE emptied", "shop.emptied", effect=lambda: up.renew("shop.emptied"))
    up.insert("shop.emptied", (2,))
    up.ddl("CREATE TABLE unseen AS SELECT 1 AS one")


def tables_gone(up: Upstream) -> None:
    made(up, "shop.gone", "shop.gone2", "shop.gone3", "other.gone")
    up.ddl("DROP TABLE gone", effect=lambda: up.forget("shop.gone"))
    up.ddl("DROP TABLE gone2, `gone3`", effect=lambda: up.forget("shop.gone2", "shop.gone3"))
    up.ddl("DROP TABLE IF EXISTS ghost, other.gone, other.ghost", effect=lambda: up.forget("other.gone"))
    up.ddl("DROP TABLE IF EXISTS ghost")
    up.create("shop.gone", "id BIGINT NOT NULL", "id")
    up.insert("shop.gone", (1,), (4,))
    made(up, "shop.cut")
    up.ddl("TRUNCATE TABLE cut", "shop.cut", effect=lambda: up.renew("shop.cut"))
    filled(up, "shop.cut", 2, 9)


def tables_renamed(up: Upstream) -> None:
    made(up, *(f"shop.r{number}" for number in range(1, 8)), "shop.a", "shop.b")
    up.ddl("RENAME TABLE r1 TO q1", "shop.q1", effect=lambda: up.rename(("shop.r1", "shop.q1")))
    filled(up, "shop.q1", 9)
    up.ddl("ALTER TABLE r2 RENAME AS q2", "shop.q2", effect=lambda: up.rename(("shop.r2", "shop.q2")))
    up.ddl("RENAME TABLE r3 TO other.q3", "other.q3", effect=lambda: up.rename(("shop.r3", "other.q3")))
    filled(up, "other.q3", 9)

    def moved() -> None:
        up.rename(("shop.r4", "other.q4"))
        up.table("other.q4").add(Col.of("w", "INT"))

    up.ddl("ALTER TABLE r4 ADD COLUMN w INT, RENAME TO other.q4", "other.q4", effect=moved)
    up.insert("other.q4", (9, "v", 1))
    two = ("shop.r5", "shop.q5"), ("shop.r6", "other.q6")
    up.ddl(
        "RENAME TABLE r5 TO q5, r6 TO other.q6, ghost TO ghost2",
        *("shop.q5", "other.q6"),
        effect=lambda: up.rename(*two),
    )
    filled(up, "other.q6", 9)
    made(up, "shop.r6")  # the old name is free again
    up.ddl(
        "RENAME TABLE r6 TO q6; RENAME TABLE r7 TO q7",
        *("shop.q6", "shop.q7"),
        effect=lambda: up.rename(("shop.r6", "shop.q6"), ("shop.r7", "shop.q7")),
    )
    filled(up, "shop.a", 11)
    swap = ("shop.a", "shop.x"), ("shop.b", "shop.a"), ("shop.x", "shop.b")
    up.ddl("RENAME TABLE a TO x, b TO a, x TO b", "shop.a", "shop.b", effect=lambda: up.rename(*swap))
    filled(up, "shop.a", 21)
    filled(up, "shop.b", 31)


def databases_and_views(up: Upstream) -> None:
    up.ddl("CREATE DATABASE IF NOT EXISTS `a/b`")
    up.create("a/b.t", IV, "id")
    filled(up, "a/b.t", 1)
    up.ddl("ALTER DATABASE shop CHARACTER SET utf8mb4")
    up.ddl("CREATE DATABASE brief")
    made(up, "brief.t", "brief.u")
    up.ddl("DROP DATABASE brief", effect=lambda: up.forget_database("brief"))
    up.ddl("CREATE VIEW w AS SELECT * FROM t")
    up.ddl("CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`r`@`%` SQL SECURITY INVOKER VIEW other.w AS SELECT 1")
    up.ddl("DROP VIEW IF EXISTS other.w")


def columns_changed(up: Upstream) -> None:
    name = "shop.columns"
    made(up, name)
    table = up.table(name)

    def alter(clauses: str, *effects: object) -> None:
        up.ddl(f"ALTER TABLE columns {clauses}", name, effect=lambda: [effect() for effect in effects])  # type: ignore[operator]

    def next_row(**changes: object) -> None:
        """A row of the columns that there are, and a change of another one."""
        number = max(row["id"] for row in table.rows) + 1
        told = {"id": number} | changes
        up.insert(name, [told.get(column.name) for column in table.stored])
        up.update(name, {"id": 1}, **changes)

    alter("ADD COLUMN w INT NOT NULL DEFAULT 7", lambda: table.add(Col.of("w", "INT NOT NULL DEFAULT 7"), 7))
    next_row(w=8, v="w")
    alter("ADD f INT FIRST", lambda: table.add(Col.of("f", "INT"), None, 0))
    next_row(f=1, w=0)
    alter(
        "ADD COLUMN (a INT, b VARCHAR(5) NOT NULL)",
        lambda: table.add(Col.of("a", "INT")),
        lambda: table.add(Col.of("b", "VARCHAR(5) NOT NULL"), ""),
    )
    next_row(a=1, b="b", w=1)
    alter("DROP COLUMN f", lambda: table.drop("f"))
    next_row(a=2, b="c", w=2)
    alter("MODIFY COLUMN v VARCHAR(99) AFTER id", lambda: table.change("v", Col.of("v", "VARCHAR(99)")))
    next_row(v="long " * 9, b="", w=2)
    alter("CHANGE v `text` TEXT", lambda: table.change("v", Col.of("text", "TEXT")))
    next_row(text="text", b="", w=2)
    alter("RENAME COLUMN a TO `A 1`", lambda: table.change("a", table.columns[3].renamed("A 1")))
    next_row(**{"A 1": 5, "b": "", "w": 2})
    alter("ALTER COLUMN b SET DEFAULT 'none'")
    alter("ALTER b DROP DEFAULT")
    alter(
        "ADD z INT, DROP COLUMN w, ADD INDEX (z), ALGORITHM=INPLACE",
        lambda: table.add(Col.of("z", "INT")),
        lambda: table.drop("w"),
    )
    next_row(z=1, b="z")
    alter("ADD y INT, ALGORITHM=INSTANT, LOCK=NONE", lambda: table.add(Col.of("y", "INT")))
    next_row(y=1, b="y")
    alter("DO SOMETHING NEW")
    next_row(y=2, b="n")


def types_changed(up: Upstream) -> None:
    """The rows that are there are converted: no row of the log says what they become."""
    name = "shop.types"
    up.create(
        name,
        "id INT NOT NULL, n SMALLINT, d DECIMAL(10,2), t VARCHAR(20), u VARCHAR(20), b BLOB, day DATE, at DATETIME",
        "id",
    )
    table = up.table(name)
    up.insert(
        name,
        (1, -32768, "1.50", "12", "é", b"by", "2026-02-28", "2026-02-28 23:59:59"),
        (2, 32767, "-2.50", "-7", "", b"", "1000-01-01", "9999-12-31 00:00:00"),
        (3, None, None, None, None, None, None, None),
    )
    ways = [
        ("id", "BIGINT NOT NULL", lambda value: value),
        ("n", "DECIMAL(12,1)", lambda value: f"{value}.0"),
        ("d", "INT", lambda value: int(Decimal(value).quantize(Decimal(1), ROUND_HALF_UP))),
        ("t", "BIGINT", int),
        ("u", "BLOB", str.encode),
        ("b", "TEXT", bytes.decode),
        ("day", "DATETIME(3)", lambda value: f"{value} 00:00:00.000"),
        ("at", "VARCHAR(40)", str),
    ]
    for column, sql, convert in ways:
        up.ddl(
            f"ALTER TABLE types MODIFY COLUMN {column} {sql}",
            name,
            effect=lambda column=column, sql=sql, convert=convert: table.change(column, Col.of(column, sql), convert),
        )
    up.insert(name, (2**40, "0.1", 3, -(2**63), b"\xff", "text", "2026-01-01 00:00:00.001", "any text"))


def keys_changed(up: Upstream) -> None:
    made(up, "shop.keys", "shop.parent")

    def alter(sql: str, effect: object = lambda: None, name: str = "shop.keys") -> None:
        up.ddl(sql, name, effect=effect)  # type: ignore[arg-type]

    alter("ALTER TABLE keys ADD INDEX i (v)")
    alter("CREATE UNIQUE INDEX j ON keys (v)")
    alter("DROP INDEX i ON keys")
    alter("ALTER TABLE keys DROP KEY j")
    alter("ALTER TABLE keys ADD INDEX i (v)")
    alter("ALTER TABLE keys RENAME INDEX i TO j")
    alter("ALTER TABLE keys ALTER INDEX j INVISIBLE")
    alter("ALTER TABLE keys ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES parent (id)")
    alter("ALTER TABLE keys DROP FOREIGN KEY c")
    alter("ALTER TABLE keys ADD CONSTRAINT c CHECK (id > 0)")
    alter("ALTER TABLE keys ALTER CHECK c NOT ENFORCED")
    alter("ALTER TABLE keys DROP CHECK c")
    filled(up, "shop.keys", 7)
    alter("ALTER TABLE keys DROP PRIMARY KEY", lambda: up.table("shop.keys").rekey())
    filled(up, "shop.keys", 8)
    up.delete("shop.keys", id=7)
    alter("ALTER TABLE keys ADD PRIMARY KEY (id)", lambda: up.table("shop.keys").rekey("id"))
    up.update("shop.keys", {"id": 8}, v="keyed")
    up.update("shop.keys", {"id": 8}, id=80)


def properties_changed(up: Upstream) -> None:
    made(up, "shop.props")
    for number, clauses in enumerate(
        (
            "COMMENT = 'a, b & <c>'",
            "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            "AUTO_INCREMENT = 1000",
            "AUTO_RANDOM_BASE = 1000",
            "AUTO_ID_CACHE 100",
            "SHARD_ROW_ID_BITS = 4",
            "TTL = `v` + INTERVAL 1 DAY TTL_ENABLE = 'ON'",
            "REMOVE TTL",
            "CACHE",
            "NOCACHE",
            "SET TIFLASH REPLICA 2",
            "PLACEMENT POLICY = far",
            "ATTRIBUTES 'merge_option=allow'",
        )
    ):
        up.ddl(f"ALTER TABLE props {clauses}", "shop.props")
        filled(up, "shop.props", 10 + number)


def _decade(row: Row) -> str:
    return "p0" if row["id"] < 10 else "p1" if row["id"] < 20 else "p2"


RANGE = (
    "PARTITION BY RANGE (id) "
    "(PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20), PARTITION p2 VALUES LESS THAN MAXVALUE)"
)


def ranged(up: Upstream, name: str) -> None:
    """An `IV` table in three ranges with two rows each, one of which moves to another range."""
    up.create(name, IV, "id", parts=("p0", "p1", "p2"), part_of=_decade, division=RANGE)
    filled(up, name, 1, 2, 11, 12, 21, 22, 35)
    up.update(name, {"id": 11}, v="changed")
    up.update(name, {"id": 35}, id=3)


def ranges(up: Upstream) -> None:
    name = "shop.ranged"
    ranged(up, name)
    table = up.table(name)
    up.ddl("ALTER TABLE ranged ADD COLUMN w INT", name, effect=lambda: table.add(Col.of("w", "INT")))
    up.insert(name, (4, "w", 1), (14, "w", 1))
    up.ddl("ALTER TABLE ranged PARTITION p1 PLACEMENT POLICY = far", name)
    up.ddl("ALTER TABLE ranged PARTITION p1 ATTRIBUTES 'merge_option=allow'", name)
    up.ddl("ALTER TABLE ranged TRUNCATE PARTITION p1", name, effect=lambda: up.renew(name, "p1"))
    up.insert(name, (12, "again", 2))

    def dropped() -> None:
        table.empty("p2")
        del table.parts["p2"]

    up.ddl("ALTER TABLE ranged DROP PARTITION p2", name, effect=dropped)
    added = "ALTER TABLE ranged ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))"
    up.ddl(added, name, effect=lambda: table.parts.update(p2=up.next_id()))
    up.insert(name, (22, "again", 3))

    def reorganized() -> None:
        del table.parts["p1"]
        table.parts |= {"p1a": up.next_id(), "p1b": up.next_id()}
        table.part_of = lambda row: _decade(row) if not 10 <= row["id"] < 20 else "p1a" if row["id"] < 15 else "p1b"

    into = "PARTITION p1a VALUES LESS THAN (15), PARTITION p1b VALUES LESS THAN (20)"
    up.ddl(f"ALTER TABLE ranged REORGANIZE PARTITION p1 INTO ({into})", name, effect=reorganized)
    up.insert(name, (13, "a", 4), (17, "b", 4))
    up.ddl("ALTER TABLE ranged TRUNCATE PARTITION p1b", name, effect=lambda: up.renew(name, "p1b"))
    up.ddl("RENAME TABLE ranged TO rows", "shop.rows", effect=lambda: up.rename((name, "shop.rows")))
    up.insert("shop.rows", (5, "r", 5), (18, "r", 5))
    ranged(up, "shop.ranged")
    up.ddl("TRUNCATE TABLE ranged", name, effect=lambda: up.renew(name))
    filled(up, name, 2, 30)
    ranged(up, "shop.ranged2")
    up.ddl("DROP TABLE ranged2", effect=lambda: up.forget("shop.ranged2"))


def hashes(up: Upstream) -> None:
    name = "shop.hashed"
    up.create(
        name,
        IV,
        "id",
        parts=("p0", "p1"),
        part_of=lambda row: f"p{row['id'] % 2}",
        division="PARTITION BY HASH (id) PARTITIONS 2",
    )
    table = up.table(name)
    filled(up, name, *range(1, 8))

    def divide(count: int) -> None:
        table.parts = {f"p{n}": table.parts.get(f"p{n}") or up.next_id() for n in range(count)}
        table.part_of = lambda row: f"p{row['id'] % count}"

    up.ddl("ALTER TABLE hashed ADD PARTITION PARTITIONS 1", name, effect=lambda: divide(3))
    filled(up, name, *range(8, 14))
    up.update(name, {"id": 8}, v="three")
    up.ddl("ALTER TABLE hashed COALESCE PARTITION 1", name, effect=lambda: divide(2))
    filled(up, name, 14, 15)
    up.delete(name, id=1)


def partitions_exchanged(up: Upstream) -> None:
    name = "shop.traded"
    ranged(up, name)
    for plain, first in (("shop.plain", 13), ("other.plain", 17)):
        up.create(plain, IV, "id")
        filled(up, plain, first, first + 1)
        sql = f"ALTER TABLE traded EXCHANGE PARTITION p1 WITH TABLE {plain.removeprefix('shop.')}"
        sql += " WITHOUT VALIDATION" if plain.startswith("shop") else ""
        up.ddl(sql, plain, name, effect=lambda plain=plain: up.exchange(name, "p1", plain))
        filled(up, name, first + 2)
        filled(up, plain, 100)
        up.update(name, {"id": first}, v="traded")


def divided_anew(up: Upstream) -> None:
    name = "shop.divided"
    made(up, name)
    table = up.table(name)

    def divided() -> None:
        table.parts = {"p0": up.next_id(), "p1": up.next_id()}
        table.part_of = lambda row: f"p{row['id'] % 2}"

    up.ddl("ALTER TABLE divided PARTITION BY HASH (id) PARTITIONS 2", name, effect=divided)
    filled(up, name, 4, 5)

    def whole() -> None:
        table.parts, table.part_of, table.id = {}, None, up.next_id()

    up.ddl("ALTER TABLE divided REMOVE PARTITIONING", name, effect=whole)
    filled(up, name, 6)
    up.update(name, {"id": 4}, v="whole")
