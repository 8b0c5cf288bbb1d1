"""`afterbay apply` as a user calls it: what it prints, how it ends, and that it can be watched and stopped."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from afterbay.cli.app import call
from afterbay.schema import Column
from afterbay_nodes.commands import progress_lines
from tests.support.cli import REPOSITORY, afterbay, started
from tests.support.made_store import MadeStore

Captured = pytest.CaptureFixture[str]
ID = Column("id", "bigint", nullable=False, primary_key=True)
V = Column("v", "varchar", length=20)


def begun() -> MadeStore:
    store = MadeStore()
    store.ddl("shop.orders", 10, "CREATE TABLE orders (id BIGINT PRIMARY KEY, v VARCHAR(20))", 3, (ID, V))
    store.rows("shop.orders", ("I", 11, (1, "a")), ("I", 12, (2, "b")), ("U", 13, (2, "c")), ("D", 14, (1, "a")))
    store.ddl("shop.notes", 10, "", 0, (Column("text", "varchar", length=20),))
    store.rows("shop.notes", ("I", 12, ("hello",)))
    store.checkpoint(13)
    return store


@pytest.fixture(autouse=True)
def never_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine, no work takes long enough to show how far it is."""
    monkeypatch.setattr(progress_lines, "LINE_SECONDS", 3600)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return begun().write(tmp_path / "lake")


def test_the_summary(lake: Path, capsys: Captured) -> None:
    assert call(["apply", "lake", "--to", "sqlite:///copy.db"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0].startswith(f"file://{lake} -> sqlite:///copy.db: complete in ")
    assert lines[2:5] == [
        "TABLE        INSERTED  UPDATED  DELETED  FILES",
        "shop.notes   1         0        0        1",
        "shop.orders  2         1        0        0",
    ]
    facts = {line[:12].strip(): line[12:].strip() for line in lines[6:]}
    assert facts["rows"].startswith("4  (")
    assert facts["files"] == "1  (1 file up to the limit only)"
    assert facts["DDLs"] == "1"
    assert facts["applied to"] == "13  (the checkpoint)"


def test_as_data(lake: Path, capsys: Captured) -> None:
    assert call(["apply", "lake", "--to", "duckdb:///copy.duckdb", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["outcome"], told["checkpoint"], told["limit"], told["rows"]) == ("complete", 13, 13, 4)
    assert (told["store"], told["target"]) == (f"file://{lake}", "duckdb:///copy.duckdb")
    assert told["tables"][1] == {
        "schema": "shop",
        "table": "orders",
        "inserted": 2,
        "updated": 1,
        "deleted": 0,
        "files": 0,
    }
    assert call(["apply", "lake", "--to", "duckdb:///copy.duckdb", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 0


def test_only_some_tables_quietly(lake: Path, capsys: Captured) -> None:
    chosen = ["--tables", "shop.*", "--tables", "!shop.notes", "--until-ts", "11", "-q"]
    assert call(["apply", str(lake), "--to", "sqlite:///copy.db", *chosen]) == 0
    assert capsys.readouterr() == ("", "")
    with sqlite3.connect("copy.db") as db:
        assert db.execute('SELECT * FROM "shop.orders"').fetchall() == [(1, "a")]
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'shop.notes'").fetchone() == (0,)
    db.close()


def test_csv_of_another_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from afterbay_nodes.encoders.encode_csv import EncodeCsv

    monkeypatch.chdir(tmp_path)
    store = MadeStore(EncodeCsv(delimiter="|", quote="", null="NIL", include_commit_ts=True))
    store.ddl("s.t", 10, "", 0, (ID, V))
    store.rows("s.t", ("I", 11, (1, "a|b")), ("I", 11, (2, None)))
    store.checkpoint(99)
    store.write(tmp_path / "lake")
    form = ["--csv-delimiter", "|", "--csv-quote", "", "--csv-null", "NIL"]
    assert call(["apply", "lake", "--to", "sqlite:///copy.db", "-q", *form]) == 0
    with sqlite3.connect("copy.db") as db:
        assert db.execute('SELECT * FROM "s.t" ORDER BY 1').fetchall() == [(1, "a|b"), (2, None)]
    db.close()


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["apply", "lake"], "call.invalid", 2),
        (["apply", "lake", "--to", "nowhere"], "target.scheme", 2),
        (["apply", "lake", "--to", "sqlite:///x.db", "--tables", "shop"], "call.invalid", 2),
        (["apply", "lake", "--to", "sqlite:///x.db", "--tables", "shop.order"], "call.tables", 2),
        (["apply", "lake", "--to", "sqlite:///x.db", "--until-ts", "-5"], "call.invalid", 2),
        (["apply", "lake", "--to", "sqlite:///x.db", "--until-ts", str(1 << 64)], "call.invalid", 2),
        (["apply", "lake", "--to", "sqlite:///x.db", "--follow", "--interval", "soon"], "call.invalid", 2),
        (["apply", "lake", "--to", "sqlite:///no/folder.db"], "target.folder", 3),
        (["apply", "lake", "--to", "postgresql://nobody@127.0.0.1:1/x"], "target.unavailable", 3),
        (["apply", "lake", "--to", "sqlite:///x.db", "--keyless", "refuse"], "apply.keyless", 1),
        (["apply", "noop://", "--to", "sqlite:///x.db"], "uri.scheme", 2),
    ],
)
def test_calls_that_are_refused(arguments: list[str], code: str, exit_code: int, lake: Path, capsys: Captured) -> None:
    assert call([*arguments, "--json"]) == exit_code
    assert json.loads(capsys.readouterr().out)["error"] == code


def test_a_damaged_store_exits_1_and_names_the_file(lake: Path, capsys: Captured) -> None:
    (file,) = lake.glob("shop/orders/10/*1.csv")
    file.write_bytes(file.read_bytes()[:-4])
    assert call(["apply", "lake", "--to", "sqlite:///copy.db"]) == 1
    err = capsys.readouterr().err
    assert "shop/orders/10/CDC00000000000000000001.csv" in err
    assert "row 4" in err
    assert orders(Path("copy.db")) == []


def orders(path: Path) -> list[tuple[int, str]]:
    """What the target has of the orders, none before it is there."""
    db = sqlite3.connect(path)
    try:
        found: list[tuple[int, str]] = db.execute('SELECT * FROM "shop.orders" ORDER BY 1').fetchall()
        return found
    except sqlite3.OperationalError:
        return []
    finally:
        db.close()


def test_it_follows_the_store_until_a_signal(tmp_path: Path) -> None:
    lake, copy, errors = tmp_path / "lake", tmp_path / "copy.db", tmp_path / "stderr.txt"
    store = begun()
    store.write(lake)
    follow = ("--follow", "--interval", "100ms")

    with started("apply", lake, "--to", "sqlite:///copy.db", *follow, cwd=tmp_path, errors=errors) as run:

        def seen(wanted: list[tuple[int, str]]) -> None:
            while run.poll() is None and orders(copy) != wanted:
                time.sleep(0.01)

        seen([(1, "a"), (2, "c")])
        store.rows("shop.orders", ("I", 20, (3, "d")))
        store.checkpoint(20)
        store.write(lake)
        seen([(2, "c"), (3, "d")])
        store.ddl("shop.orders", 30, "TRUNCATE TABLE orders", 11)
        store.checkpoint(30)
        store.write(lake)
        seen([])
        run.send_signal(signal.SIGINT)
    assert run.returncode == 0, errors.read_text()
    assert orders(copy) == []


def test_the_books_of_the_quickstart_balance_in_the_copy(tmp_path: Path) -> None:
    assert afterbay("run", REPOSITORY / "pipelines" / "quickstart.yaml", "-q", cwd=tmp_path).exit_code == 0
    done = afterbay("apply", "afterbay-demo/lake", "--to", "sqlite:///copy.db", "--json", cwd=tmp_path)
    assert done.exit_code == 0, done.err
    assert done.data["rows"] > 100_000
    with sqlite3.connect(tmp_path / "copy.db") as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE name LIKE 'bank.accounts%'")]
        held = [db.execute(f'SELECT count(*), sum(balance) FROM "{name}"').fetchone() for name in names]
    db.close()
    assert sum(balance for _, balance in held) == sum(accounts for accounts, _ in held) * 1_000_000
    assert done.data["notes"] == []
