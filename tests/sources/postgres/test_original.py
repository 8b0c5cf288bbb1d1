"""A store against the very database that it was copied from: other types, the same values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.copied import Copied, copied
from tests.support.postgres_server import PostgresServer

TYPES = {
    "flag": ("boolean", "true", "false"),
    "letters": ("char(10)", "'ab '", "'abc'"),
    "words": ("varchar(20)", "'a b'", "''"),
    "moment": ("timestamptz", "'2026-01-02 03:04:05.678+02'", "'2026-01-02'"),
    "local": ("timestamp(3)", "'2026-01-02 03:04:05.678'", "'2026-01-02'"),
    "clock": ("time", "'24:00'", "'01:02:03.000004'"),
    "amount": ("numeric", "'NaN'", "1.50"),
    "price": ("numeric(10,2)", "1.5", "-0.01"),
    "notes": ("jsonb", '\'{"b":1, "a":[2]}\'', "'null'"),
    "place": ("inet", "'10.0.0.1/32'", "'::1/64'"),
    "mark": ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "NULL"),
    "many": ("int[]", "'{1,NULL,3}'", "'{}'"),
    "span": ("interval", "'1 mon 2 days 03:04:05'", "'-1 day'"),
    "data": ("bytea", "'\\x00ff'", "''"),
    "ratio": ("float8", "0.1", "'Infinity'"),
    "range": ("int4range", "'[1,5)'", "'empty'"),
    "mood": ("mood", "'fine'", "'so so'"),
}


@pytest.fixture
def copy(tmp_path: Path, logical_postgres: PostgresServer) -> Iterator[Copied]:
    with copied(tmp_path, logical_postgres.database(), snapshot="initial") as found:
        columns = ", ".join(f'"{name}" {kind}' for name, (kind, _, _) in TYPES.items())
        found.db.execute("CREATE TYPE mood AS ENUM ('fine', 'so so')")
        found.db.execute(
            f"CREATE TABLE t (id int PRIMARY KEY, {columns}, twice int GENERATED ALWAYS AS (id * 2) STORED)"
        )
        yield found


def insert(copy: Copied, key: int, which: int) -> None:
    names = ", ".join(f'"{name}"' for name in TYPES)
    values = ", ".join(value[which] for value in TYPES.values())
    copy.db.execute(f"INSERT INTO t (id, {names}) VALUES ({key}, {values})")


def test_every_type_of_the_original(copy: Copied) -> None:
    insert(copy, 1, 1)
    insert(copy, 2, 2)
    copy.catches_up()
    insert(copy, 3, 1)
    insert(copy, 4, 2)
    copy.catches_up()
    copy.is_equal()


@pytest.mark.parametrize("name", ["flag", "letters", "moment", "clock", "amount", "notes", "many", "span"])
def test_another_value_is_told(copy: Copied, name: str) -> None:
    insert(copy, 1, 1)
    copy.catches_up()
    copy.db.execute(f'UPDATE t SET "{name}" = {TYPES[name][2]}')
    (fault,) = copy.verified().faults
    assert fault.code == "against.row"
    assert name in fault.message


def test_a_table_without_a_key(copy: Copied) -> None:
    copy.db.execute("CREATE TABLE log (what text)")
    copy.db.execute("ALTER TABLE log REPLICA IDENTITY FULL")
    copy.db.execute("INSERT INTO log VALUES ('a'), ('a'), ('b')")
    copy.catches_up()
    copy.db.execute("DELETE FROM log WHERE what = 'b'")
    copy.db.execute("INSERT INTO log VALUES ('c')")
    copy.catches_up()
    copy.is_equal()
    copy.db.execute("DELETE FROM log WHERE ctid = (SELECT min(ctid) FROM log)")
    (fault,) = copy.verified().faults
    assert fault.code == "against.missing"
    copy.catches_up()
    copy.db.execute("UPDATE log SET what = 'd'")
    copy.catches_up()
    assert not copy.verified().faults
    assert any("public.log" in item.what for item in copy.verified().unchecked)
