"""`afterbay ls`: what a store holds, as its readers see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afterbay.cli.app import call
from tests.reader.trees import DAY, NAME, NEXT, healthy, write
from tests.support.canal import ddl
from tests.support.road import Road
from tests.support.stores import s3_server, s3_uri

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return write(tmp_path / "lake", healthy())


def test_tables_files_and_checkpoint(lake: Path, capsys: Captured) -> None:
    assert call(["ls", str(lake)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        f"file://{lake}   1 table, 3 files, 200 B   checkpoint 2001",
        "",
        "TABLE     NEWEST VERSION  VERSIONS  COLUMNS  FILES  BYTES  FORMAT",
        "zoo.pets  2000            2         1        3      200 B  csv",
    ]


def test_as_data(lake: Path, capsys: Captured) -> None:
    assert call(["ls", str(lake), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["checkpoint"], told["findings"]) == (2001, [])
    (pets,) = told["tables"]
    assert [version["version"] for version in pets["versions"]] == [1000, 2000]
    assert (pets["schema"], pets["table"], pets["files"], pets["bytes"]) == ("zoo", "pets", 3, 200)


def test_what_is_wrong_is_told_and_what_is_right_is_listed(lake: Path, capsys: Captured) -> None:
    (lake / "zoo/pets/1000" / DAY / NAME).unlink()
    (lake / "README").write_text("hello")
    assert call(["ls", str(lake)]) == 0
    out, err = capsys.readouterr()
    assert out.endswith("1 fault: a reader would stop\n")
    assert f"zoo/pets/1000/{DAY}/CDC [number.gap] file 1 of 1 to 2 is not there" in err
    assert "README [key.unknown]" in err
    assert call(["ls", str(lake), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(finding["code"], finding["fault"]) for finding in told["findings"]] == [
        ("key.unknown", False),
        ("number.gap", True),
    ]


def test_a_store_that_is_not_there(tmp_path: Path, capsys: Captured) -> None:
    assert call(["ls", str(tmp_path / "none")]) == 3
    assert "[store.unreachable]" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert call(["ls", str(tmp_path / "empty")]) == 0
    assert capsys.readouterr().out.endswith("   0 tables, 0 files, 0 B   no checkpoint yet\n")
    assert call(["ls", "s4://x"]) == 2
    assert "did you mean 's3'" in capsys.readouterr().err


def test_names_do_not_steer_the_terminal(tmp_path: Path, capsys: Captured) -> None:
    write(tmp_path, {"zoo/\x1b[2J/1/CDC1.csv": "", f"a\x1b/{NEXT}": ""})
    assert call(["ls", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err


def test_s3(capsys: Captured) -> None:
    import boto3

    with s3_server("lake") as endpoint:
        client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
        )
        for key, text in healthy().items():
            client.put_object(Bucket="lake", Key=f"root/{key}", Body=text.encode())
        client.close()
        assert call(["ls", s3_uri(endpoint, "lake/root")]) == 0
        assert "zoo.pets  2000            2         1        3      200 B  csv" in capsys.readouterr().out
        assert call(["ls", s3_uri(endpoint, "other/root")]) == 3
        assert "[store.unreachable]" in capsys.readouterr().err


def test_a_table_that_is_gone_is_told_from_one_that_is_there(tmp_path: Path, capsys: Captured) -> None:
    changes = (
        ("a", "CREATE TABLE a (id int)"),
        ("b", "CREATE TABLE b (id int)"),
        ("c", "CREATE TABLE c (id int)"),
        ("a", "DROP TABLE a"),
        ("d", "RENAME TABLE b TO d"),
        ("a", "CREATE TABLE a (id int, n int)"),
        ("c", "DROP TABLE c"),
    )
    road = Road(tmp_path)
    road.run(*(ddl(10 + number, sql, table=table) for number, (table, sql) in enumerate(changes)))
    assert call(["ls", str(road.lake)]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()[3:]]
    assert {line[0]: line[3] for line in shown} == {
        "shop.a": "2",
        "shop.b": "renamed",
        "shop.c": "dropped",
        "shop.d": "1",
    }
    assert call(["ls", str(road.lake), "--json"]) == 0
    found = {table["table"]: table["gone"] for table in json.loads(capsys.readouterr().out)["tables"]}
    assert found == {"a": None, "b": "renamed", "c": "dropped", "d": None}
