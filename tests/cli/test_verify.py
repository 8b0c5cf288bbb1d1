"""`afterbay verify`: the table, the list of what is open, faults with their files, data for programs, exit codes."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from afterbay.cli.app import call
from afterbay_nodes.commands import progress_lines
from afterbay_nodes.encoders.encode_debezium_json import EncodeDebeziumJson
from tests.reader.trees import DAY, NAME, NEXT, healthy, write
from tests.support import canal
from tests.support.stores import s3_server, s3_uri
from tests.verify.histories import run, two_versions

Captured = pytest.CaptureFixture[str]
OLD = f"zoo/pets/1000/{DAY}"


@pytest.fixture(autouse=True)
def never_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine, no work takes long enough to show how far it is, unless a test says so."""
    monkeypatch.setattr(progress_lines, "LINE_SECONDS", 3600)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return write(tmp_path / "lake", healthy())


def test_a_clean_store(lake: Path, capsys: Captured) -> None:
    assert call(["verify", str(lake)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[:4] == [
        f"file://{lake}   1 table, 3 files, 200 B   checkpoint 2001",
        "",
        "TABLE     VERSIONS  FILES  FENCES  BYTES  INSERTS  UPDATES  DELETES  FORMAT",
        "zoo.pets  2         3      0       200 B  4        1        1        csv",
    ]
    assert lines[5] == "not checkable:"
    assert len(lines[6:-2]) == 3
    assert lines[-1] == "clean: every rule that can be checked holds"


def test_faults_and_notes(lake: Path, capsys: Captured) -> None:
    (lake / OLD / NAME).unlink()
    (lake / OLD / NEXT).write_bytes(b'"I","pets","zoo",1009,x,"a"\r\n')
    (lake / "README").write_text("hello")
    assert call(["verify", str(lake)]) == 1
    out, err = capsys.readouterr()
    assert out.endswith("\n2 faults\n")
    told = [line for line in err.splitlines() if not line.startswith("  hint: ")]
    assert told == [
        "note: README [key.unknown] no rule of the protocol gives such a name",
        f"{OLD}/CDC [number.gap] file 1 of 1 to 2 is not there",
        f"{OLD}/{NEXT}, table zoo.pets, at row 1 [csv.value] column 'id': 'x' is no int",
    ]
    assert call(["verify", str(lake), "--faults", "1"]) == 1
    assert capsys.readouterr().err.endswith("1 more fault: see them with --faults 2\n")


def test_as_data(lake: Path, capsys: Captured) -> None:
    assert call(["verify", str(lake), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["clean"], told["checkpoint"], told["faults"], told["fault_count"]) == (True, 2001, [], 0)
    (pets,) = told["tables"]
    assert (pets["inserts"], pets["updates"], pets["deletes"], pets["files"], pets["fences"]) == (4, 1, 1, 3, 0)
    assert {"what", "why", "where"} == set(told["not_checkable"][0])
    (lake / OLD / NAME).unlink()
    (lake / "metadata").write_text("{}")
    assert call(["verify", str(lake), "--json", "--faults", "1"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["clean"], told["fault_count"]) == (False, 2)
    assert [fault["code"] for fault in told["faults"]] == ["metadata.unreadable"]
    assert told["faults"][0]["place"] == {"file": "metadata"}


def test_against_a_log_and_a_state(tmp_path: Path, capsys: Captured) -> None:
    stored = run(tmp_path, two_versions())
    options = ["--against", str(stored.log), "--state", str(stored.state), "--sink", "lake"]
    assert call(["verify", str(stored.lake), *options]) == 0
    out = capsys.readouterr().out
    assert f"holds, and it agrees with the state {stored.state} and the change log {stored.log}\n" in out
    assert "what was committed" not in out
    key = stored.data_files()[0]
    path = stored.lake / key
    path.write_bytes(path.read_bytes().replace(b"beetle", b"beatle"))
    assert call(["verify", str(stored.lake), *options]) == 1
    assert f"column 'v' is 'beatle', in the log 'beetle' ({stored.log}:6)" in capsys.readouterr().err


def test_against_a_database(lake: Path, tmp_path: Path, capsys: Captured) -> None:
    database = f"sqlite:///{tmp_path / 'copy.db'}"
    assert call(["apply", str(lake), "--to", database, "-q"]) == 0
    assert call(["verify", str(lake), "--against", database, "--temporal", "native"]) == 0
    assert f"agrees with the database {database}" in capsys.readouterr().out
    with sqlite3.connect(tmp_path / "copy.db") as db:
        db.execute('DELETE FROM "zoo.pets" WHERE id = 3')
    db.close()
    assert call(["verify", str(lake), "--against", database]) == 1
    assert "zoo/pets, table zoo.pets [against.missing] the database lacks 1 rows" in capsys.readouterr().err


def test_options_of_csv(tmp_path: Path, capsys: Captured) -> None:
    files = {key: text.replace(",", ";") if key.endswith(".csv") else text for key, text in healthy().items()}
    root = write(tmp_path, files)
    assert call(["verify", str(root)]) == 1
    assert "[csv." in capsys.readouterr().err
    assert call(["verify", str(root), "--csv-delimiter", ";", "--csv-commit-ts", "yes"]) == 0
    assert call(["verify", str(root), "--csv-delimiter", ";", "--csv-commit-ts", "no"]) == 1
    capsys.readouterr()


def test_a_transaction_limit(tmp_path: Path, capsys: Captured) -> None:
    files = healthy()
    files[f"{OLD}/{NEXT}"] = files[f"{OLD}/{NEXT}"].replace("1009", "1005")
    root = write(tmp_path, files)
    assert call(["verify", str(root)]) == 1
    assert "[transaction.split]" in capsys.readouterr().err
    assert call(["verify", str(root), "--transaction-limit", "16"]) == 0
    assert "was cut by the rules (zoo.pets (1))" in capsys.readouterr().out
    assert call(["verify", str(root), "--transaction-limit", "much"]) == 2
    assert "--transaction-limit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["s4://x"], 2, "did you mean 's3'"),
        (["none"], 3, "[store.unreachable]"),
        ([".", "--state", "none"], 3, "[state.absent]"),
        ([".", "--against", "none/*.jsonl"], 3, "[change_log.missing]"),
        ([".", "--against", "mysql://me:secret@host/db"], 2, "cannot read 'mysql://…'"),
        ([".", "--against", "-"], 2, "from stdin"),
        ([".", "--faults", "0"], 2, "--faults"),
        ([".", "--tables", "zoo.*"], 2, "--tables without --against"),
    ],
)
def test_calls_that_cannot_be_done(
    arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(["verify", *arguments]) == code
    err = capsys.readouterr().err
    assert said in err
    assert "secret" not in err


def test_tables_that_are_not_there_agree_with_nothing(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    sqlite3.connect("bank.db").close()
    assert call(["verify", str(lake), "--against", "sqlite:///bank.db", "--tables", "zoo.pet"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "--tables matches none of the 1 tables" in err
    assert "it has zoo.pets" in err


def test_an_empty_store_is_clean(tmp_path: Path, capsys: Captured) -> None:
    assert call(["verify", str(tmp_path)]) == 0
    assert "0 tables, 0 files, 0 B   no checkpoint yet" in capsys.readouterr().out


def test_names_do_not_steer_the_terminal(tmp_path: Path, capsys: Captured) -> None:
    write(tmp_path, {"zoo/\x1b[2J/1/CDC1.csv": "", f"a\x1b/{NEXT}": "", "metadata": "\x1b[2J"})
    assert call(["verify", str(tmp_path)]) == 1
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
        assert call(["verify", s3_uri(endpoint, "lake/root")]) == 0
        assert "clean" in capsys.readouterr().out


def test_long_work_shows_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Lines on stderr, each behind a file or a batch of the log, if enough time has passed; none with --quiet."""
    stored = run(tmp_path, two_versions())
    monkeypatch.setattr(progress_lines, "LINE_SECONDS", 0)
    call_with = ["verify", str(stored.lake), "--against", str(stored.log)]
    for as_json in ([], ["--json"]):
        assert call([*call_with, *as_json]) == 0
        told = capsys.readouterr().err.splitlines()
        lines = [re.sub(r"\([0-9,]+/s\)", "(-/s)", re.sub(r"^[0-9]{2}:[0-9]{2}  ", "", line)) for line in told]
        sizes = [re.search(r"files ([0-9]) of 3  ([0-9]+) B of ([0-9]+) B$", line) for line in lines[:3]]
        assert [found[1] for found in sizes if found] == ["1", "2", "3"]
        assert sizes[2] is not None
        assert sizes[2][2] == sizes[2][3]
        assert lines[2].startswith("rows 7 (-/s)  files 3")
        assert lines[3] == f"rows 0 (-/s)  of the change log {stored.log}"
        assert lines[-1] == f"rows 7 (-/s)  of the change log {stored.log}"
    assert call([*call_with, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    copy = f"sqlite:///{tmp_path / 'copy.db'}"
    assert call(["apply", str(stored.lake), "--to", copy, "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert call(["verify", str(stored.lake), "--against", copy]) == 0
    assert re.search(r"rows 7 \([0-9,]+/s\)  of the database ", capsys.readouterr().err)


def test_lines_come_every_two_seconds_with_the_rate_since_the_last(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(progress_lines, "LINE_SECONDS", 2.0)
    now = 100.0
    lines = progress_lines.ProgressLines(lambda: now)
    for rows, seconds in [(1000, 0.5), (3000, 1.5), (4000, 0.1), (8000, 1.9), (10, 1.0), (500, 59.0)]:
        now += seconds
        lines.show(rows, f"files {rows // 1000}")
    assert capsys.readouterr().err.splitlines() == [
        "00:02  rows 3,000 (1,500/s)  files 3",
        "00:04  rows 8,000 (2,500/s)  files 8",
        "01:04  rows 500 (8/s)  files 0",
    ]


def test_a_debezium_store_is_read_as_it_was_written(tmp_path: Path, capsys: Captured) -> None:
    """The file does not tell how decimals are written if they are digits alone, nor the time zone of timestamps."""
    types = {"id": "bigint", "price": "decimal(10,0)", "at": "timestamp"}
    data = {"id": "1", "price": "1234", "at": "2026-01-02 21:00:00"}
    encoder = EncodeDebeziumJson(temporal_mode="debezium", time_zone="Asia/Shanghai")
    stored = run(tmp_path, [canal.row("t", 10, data, types=types), canal.watermark(11)], encoder)
    against = ["--against", str(stored.log)]
    assert call(["verify", str(stored.lake), *against]) == 1
    assert "debezium.decimal" in capsys.readouterr().err
    decimals = ["--debezium-decimals", "string"]
    assert call(["verify", str(stored.lake), *against, *decimals]) == 1
    assert "'2026-01-02 13:00:00'" in capsys.readouterr().err
    told = [*decimals, "--debezium-time-zone", "Asia/Shanghai"]
    assert call(["verify", str(stored.lake), *against, *told]) == 0
    copy = tmp_path / "copy.db"
    assert call(["apply", str(stored.lake), "--to", f"sqlite:///{copy}", *told]) == 0
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute('select id, price, at from "shop.t"').fetchall() == [(1, *list(data.values())[1:])]
    capsys.readouterr()
    assert call(["verify", str(stored.lake), "--debezium-time-zone", "Asia/Nowhere"]) == 2
    assert "debezium.time_zone" in capsys.readouterr().err
