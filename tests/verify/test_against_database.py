"""A database holds what the store's rows and DDLs leave in the end, or the difference is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from afterbay.errors import AfterbayError, EnvironmentRefused, PipelineInvalid, RunFailed
from afterbay_nodes.apply.type_table import Temporal
from afterbay_nodes.transforms.table_rules import TableRules
from afterbay_nodes.verify.against_database import AgainstDatabase
from afterbay_nodes.verify.fault import Fault
from afterbay_nodes.verify.report import Report
from tests.support import canal
from tests.support.cli import afterbay
from tests.support.landed import KINDS, Landed
from tests.support.nasty_log import nasty_log
from tests.support.nasty_pipeline import csv_pipeline
from tests.support.postgres_server import PostgresServer
from tests.verify.histories import Stored, pet, run, told, verified

KEYLESS = [
    canal.ddl(500, "CREATE TABLE log (what VARCHAR(20))", table="log"),
    canal.row("log", 1002, {"what": "a"}, types={"what": "varchar"}, key=[]),
    canal.row("log", 1003, {"what": "a"}, types={"what": "varchar"}, key=[]),
]
LINES = [
    *KEYLESS[:1],
    canal.ddl(900, "CREATE TABLE gone (id BIGINT PRIMARY KEY)", table="gone"),
    canal.ddl(1000, "CREATE TABLE pets (id BIGINT PRIMARY KEY, name VARCHAR(20), age INT)", table="pets"),
    pet(1001, 1, "Tom", 5),
    pet(1001, 2, "Jerry", None),
    pet(1001, 3, "Spike", 8),
    *KEYLESS[1:],
    pet(1005, 1, "Tom", 6, old={"age": "5"}),
    pet(1006, 3, "Spike", 8, kind="DELETE"),
    canal.ddl(1500, "DROP TABLE gone", table="gone"),
    canal.ddl(2000, "ALTER TABLE pets ADD COLUMN food VARCHAR(20) DEFAULT 'fish'", table="pets"),
    canal.ddl(2001, "RENAME TABLE pets TO animals", table="animals"),
    canal.row(
        "animals",
        2003,
        {"id": "4", "name": "Butch", "age": "1", "food": None},
        types={"id": "bigint", "name": "varchar", "age": "int", "food": "varchar"},
    ),
    canal.watermark(2010),
]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as one:
        yield one


@pytest.fixture(params=KINDS)
def landed(request: pytest.FixtureRequest, tmp_path: Path, server: PostgresServer) -> Landed:
    """An empty database."""
    if request.param == "postgres":
        return Landed("postgres", server.database())
    path = tmp_path / f"copy.{request.param}"
    return Landed(request.param, f"{request.param}:///{path}", str(path))


@pytest.fixture
def stored(tmp_path: Path) -> Stored:
    return run(tmp_path, LINES)


@pytest.fixture
def applied(landed: Landed, stored: Stored) -> Landed:
    """A database that the store was applied to."""
    done = afterbay("apply", stored.lake, "--to", landed.uri, cwd=stored.lake.parent)
    assert done.exit_code == 0, done.err
    return landed


def against(stored: Stored, database: Landed, temporal: Temporal = Temporal.NATIVE) -> Report:
    return verified(stored.lake, comparisons=[AgainstDatabase(database.uri, temporal)])


def only(report: Report) -> Fault:
    (fault,) = report.faults
    return fault


def test_equal(stored: Stored, applied: Landed) -> None:
    before = applied.everything()
    report = against(stored, applied)
    assert told(report) == []
    assert any("overwritten" in it.what for it in report.unchecked)
    assert applied.everything() == before, "it only reads"


def test_an_altered_row(stored: Stored, applied: Landed) -> None:
    applied.run(f"UPDATE {applied.name('shop.animals')} SET name = 'Tim' WHERE id = 1")
    fault = only(against(stored, applied))
    assert (fault.code, fault.key, fault.table) == ("against.row", "shop/animals", "shop.animals")
    assert fault.message.startswith("row id=1: column 'name' is 'Tom', in the database 'Tim' (1 rows of the store")


def test_rows_that_are_missing_or_too_many(stored: Stored, applied: Landed) -> None:
    table = applied.name("shop.animals")
    applied.run(f"DELETE FROM {table} WHERE id > 1", f"INSERT INTO {table} (id, name) VALUES (9, 'Quacker')")
    missing, extra = sorted(against(stored, applied).faults, key=lambda fault: fault.code, reverse=True)
    assert (missing.code, extra.code) == ("against.missing", "against.extra")
    assert missing.message == "the database lacks 2 rows of the store, the first is id=2"
    assert extra.message == "the database has 1 rows that the store does not, the first is id=9"


def test_rows_of_a_table_without_a_key(stored: Stored, applied: Landed) -> None:
    table = applied.name("shop.log")
    applied.run(f"DELETE FROM {table} WHERE _afterbay_row = 2")
    fault = only(against(stored, applied))
    assert (fault.code, fault.table) == ("against.missing", "shop.log")
    assert "_afterbay_number=1, _afterbay_row=2" in fault.message


def test_tables_that_are_missing_or_were_dropped(stored: Stored, applied: Landed) -> None:
    applied.run(
        f"DROP TABLE {applied.name('shop.log')}", f"CREATE TABLE {applied.name('shop.gone')} (id BIGINT PRIMARY KEY)"
    )
    found = against(stored, applied).faults
    assert [(fault.code, fault.table) for fault in found] == [
        ("against.table", "shop.gone"),
        ("against.table", "shop.log"),
    ]


def test_columns_that_are_others(stored: Stored, applied: Landed) -> None:
    table = applied.name("shop.animals")
    applied.run(f"ALTER TABLE {table} DROP COLUMN food", f"ALTER TABLE {table} ADD COLUMN drink INTEGER")
    fault = only(against(stored, applied))
    assert fault.code == "against.columns"
    assert "column 'food' is missing; column 'drink' is none of the store's" in fault.message


def test_a_database_that_is_behind(tmp_path: Path, stored: Stored, landed: Landed) -> None:
    done = afterbay("apply", stored.lake, "--to", landed.uri, "--until-ts", "1002", cwd=tmp_path)
    assert done.exit_code == 0, done.err
    assert {fault.code for fault in against(stored, landed).faults} >= {"against.table"}


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_the_nasty_log(kind: str, tmp_path: Path) -> None:
    """Every type, with dates as text: zero dates are among them (and NULs, which PostgreSQL's text cannot hold)."""
    events = nasty_log(1000).write(tmp_path / "events.jsonl")
    nasty = csv_pipeline(tmp_path / "n", events)
    assert afterbay("run", nasty.file, cwd=nasty.folder).exit_code == 0
    database = Landed(kind, f"{kind}:///{tmp_path / 'copy'}", str(tmp_path / "copy"))
    applied = afterbay("apply", nasty.lake, "--to", database.uri, "--temporal", "text", cwd=tmp_path)
    assert applied.exit_code == 0, applied.err
    stored = Stored(nasty.lake, events, nasty.state)
    assert told(against(stored, database, Temporal.TEXT)) == []


def test_chosen_tables(stored: Stored, applied: Landed) -> None:
    applied.run(f"DROP TABLE {applied.name('shop.log')}")
    rules = TableRules.parse(["shop.*", "!shop.log"])
    report = verified(stored.lake, comparisons=[AgainstDatabase(applied.uri, rules=rules)])
    assert told(report) == []
    assert any(it.why == "--tables leaves them out" for it in report.unchecked)


def test_a_store_that_cannot_be_applied(stored: Stored, applied: Landed) -> None:
    key = next(key for key in stored.data_files() if "/log/" in key)
    path = stored.lake / key
    path.write_bytes(path.read_bytes()[:-1])
    report = against(stored, applied)
    assert [fault.code for fault in report.faults] == ["csv.torn"]
    assert any(it.what.startswith("rows against the database") for it in report.unchecked)


def test_a_store_that_the_database_cannot_hold(tmp_path: Path) -> None:
    lines = [
        canal.ddl(1000, "CREATE TABLE d (id BIGINT PRIMARY KEY, d DATE)", table="d"),
        canal.row("d", 1001, {"id": "1", "d": "0000-00-00"}, types={"id": "bigint", "d": "date"}),
        canal.watermark(1002),
    ]
    stored = run(tmp_path, lines)
    database = Landed("duckdb", f"duckdb:///{tmp_path / 'copy.duckdb'}", str(tmp_path / "copy.duckdb"))
    assert afterbay("apply", stored.lake, "--to", database.uri, "--temporal", "text", cwd=tmp_path).exit_code == 0
    assert told(against(stored, database, Temporal.TEXT)) == []
    with pytest.raises(RunFailed) as caught:
        against(stored, database)
    assert caught.value.diagnostics[0].code == "apply.zero_date"


def test_rows_that_sqlite_has_twice(stored: Stored, tmp_path: Path) -> None:
    database = Landed("sqlite", f"sqlite:///{tmp_path / 'copy.db'}", str(tmp_path / "copy.db"))
    assert afterbay("apply", stored.lake, "--to", database.uri, cwd=tmp_path).exit_code == 0
    table = database.name("shop.animals")
    database.run(
        f"CREATE TABLE aside AS SELECT * FROM {table}",
        f"DROP TABLE {table}",
        f"CREATE TABLE {table} (id INTEGER, name TEXT, age INTEGER, food TEXT)",
        f"INSERT INTO {table} SELECT * FROM aside UNION ALL SELECT * FROM aside WHERE id = 1",
    )
    assert only(against(stored, database)).message == (
        "the database has 4 rows, the store 3: some are there more than once"
    )


@pytest.mark.parametrize(
    ("uri", "error", "said"),
    [
        ("sqlite:///none.db", EnvironmentRefused, "no file 'none.db'"),
        ("duckdb:///none.duckdb", EnvironmentRefused, "no file"),
        ("sqlite://", PipelineInvalid, "names no file"),
        ("postgresql://me:secret@/none?host=/nowhere", EnvironmentRefused, "."),
    ],
)
def test_databases_that_are_not_there(
    uri: str, error: type[AfterbayError], said: str, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stored.lake.parent)
    with pytest.raises(error, match=said) as caught:
        verified(stored.lake, comparisons=[AgainstDatabase(uri)])
    assert "secret" not in str(caught.value)
    assert "secret" not in AgainstDatabase(uri).name
    assert not (stored.lake.parent / "none.db").exists()


def test_a_file_that_is_no_database(stored: Stored, tmp_path: Path) -> None:
    for scheme in ("sqlite", "duckdb"):
        path = tmp_path / f"text.{scheme}"
        path.write_text("hello " * 1000)
        with pytest.raises(EnvironmentRefused):
            verified(stored.lake, comparisons=[AgainstDatabase(f"{scheme}:///{path}")])
