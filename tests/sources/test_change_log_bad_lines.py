"""Lines of the change log that are refused with their place, or put aside."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from afterbay.errors import RunFailed
from afterbay_nodes.sources import log_reader
from afterbay_nodes.sources.change_log import ChangeLog
from tests.support.canal import ddl, row, watermark, write
from tests.support.change_logs import CREATE, one, play, stamps


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{not json", "change_log.line"),
        (row("t", 20, {"id": "1", "v": "x"}).replace(b'"data": [{', b'"data": [{"id": "2", '), "change_log.twice"),
        (row("t", 20, {"id": "1", "v": "x"}).replace(b'"es": ', b'"es": 3, "es": '), "change_log.twice"),
        (one(20, 1).replace(b'"commitTs": ', b'"commitTs": 3, "commitTs": '), "change_log.twice"),
        (ddl(20, "DROP TABLE t").replace(b'"sql": ', b'"sql": "", "sql": '), "change_log.twice"),
        (b"[1, 2]", "change_log.line"),
        (b'{"type": "INSERT", "data": 7}', "change_log.line"),
        (row("t", 20, {"id": "1", "v": "x"}).replace(b'"commitTs"', b'"other"'), "change_log.line"),
        (row("t", 20, {"id": "1", "v": "x"}, kind="MERGE"), "change_log.line"),
        (row("t", 20, {"id": "1", "v": "x"}, kind="UPDATE"), "change_log.line"),
        (row("t", 20, {"id": "1", "v": "x", "w": "new"}), "change_log.column"),
        (row("t", 20, {"id": "1"}), "change_log.column"),
        (row("t", 20, {"id": "1", "v": "x"}, types={"id": "bigint", "v": "geometry"}), "change_log.column"),
        (row("t", 20, {"id": "one", "v": "x"}), "change_log.value"),
        (row("t", 20, {"id": "0x10", "v": "x"}), "change_log.value"),
        (row("t", 20, {"id": "9223372036854775808", "v": "x"}), "change_log.value"),
        (row("t", 20, {"id": "1", "v": "x"}).replace(b'"x"', b'"\\ud800"'), "change_log.line"),
        (one(20, 1).replace(b'"commitTs": 20', b'"commitTs": 0'), "change_log.line"),
        (one(20, 1).replace(b'"commitTs": 20', b'"commitTs": 9223372036854775808'), "change_log.line"),
        (one(20, 1).replace(b'"commitTs": 20', b'"commitTs": 18446744073709551616'), "change_log.line"),
        (one(20, 1).replace(b'"es": 7', b'"es": 9223372036854775808'), "change_log.line"),
        (one(20, 1).replace(b'"es": 7', b'"es": -9223372036854775809'), "change_log.line"),
    ],
)
def test_a_bad_line_is_refused_with_its_place_or_put_aside(tmp_path: Path, line: bytes, code: str) -> None:
    log = write(tmp_path / "log", ddl(5, CREATE), one(10, 1), line, one(30, 3), watermark(30))
    with pytest.raises(RunFailed) as caught:
        play(log)
    assert caught.value.code == code
    assert caught.value.place is not None
    assert (caught.value.place.file, caught.value.place.line) == (str(log), 3)

    rejects = tmp_path / "rejects"
    outlet = play(log, on_bad_line="reject", rejects=str(rejects))
    assert stamps(outlet) == [(10, 0), (30, 0)]
    (record_,) = [json.loads(text) for text in rejects.read_text().splitlines()]
    assert (record_["place"], record_["text"].encode()) == (f"{log}:3", line)
    assert code in record_["reason"]


@pytest.mark.parametrize("raw", [b"\xed\xa0\x80", b"\xff", b"\xf0\x9f"])
def test_a_line_that_is_no_unicode_is_refused(tmp_path: Path, raw: bytes) -> None:
    line = one(10, 1).replace(b'"x"', b'"' + raw + b'"')
    with pytest.raises(RunFailed, match=r"\[change_log.line\]"):
        play(write(tmp_path / "log", line))


@pytest.mark.parametrize(
    ("good", "bad"), [(b'"varchar"', b'"varchar\xff"'), (b'["id"]', b'["id\xed\xa0\x80"]')], ids=["types", "keys"]
)
def test_types_and_keys_that_are_no_unicode_are_a_bad_line(tmp_path: Path, good: bytes, bad: bytes) -> None:
    log = tmp_path / "log"
    log.write_bytes(one(10, 1) + b"\n" + one(11, 2).replace(good, bad) + b"\n" + one(12, 3) + b"\n")
    with pytest.raises(RunFailed, match=r"log:2.*\[change_log\.line\] bad `mysqlType` or `pkNames`"):
        play(log)
    rejects = tmp_path / "rejects"
    assert stamps(play(log, on_bad_line="reject", rejects=str(rejects))) == [(10, 0), (12, 0)]
    assert json.loads(rejects.read_text())["place"] == f"{log}:2"


def test_a_line_longer_than_allowed_is_refused_without_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "BLOCK", 4096)
    long = row("t", 20, {"id": "2", "v": "x" * 50_000})
    log = write(tmp_path / "log", one(10, 1), long, one(30, 3), watermark(30), one(31, 4))
    with pytest.raises(RunFailed, match=r"log:2 \[change_log\.line\].*50"):
        play(log, longest_line="10KiB")
    outlet = play(log, longest_line="10KiB", on_bad_line="reject", rejects=str(tmp_path / "rejects"))
    assert stamps(outlet) == [(10, 0), (30, 0), (31, 0)]
    assert outlet.promises[-1].cursor["line"] == 6


def test_rejects_are_on_disk_before_a_promise_covers_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    rejects = tmp_path / "rejects"
    log = write(tmp_path / "log", b"{bad", one(10, 1), watermark(10))
    play(log, on_bad_line="reject", rejects=str(rejects))
    assert synced == [rejects.stat().st_size]


def test_the_options_say_what_they_need_of_each_other() -> None:
    assert [d.code for d in ChangeLog(path="x", on_bad_line="reject").check()] == ["node.option"]
    assert [d.code for d in ChangeLog(path="x", rejects="y").check()] == ["node.option"]
    assert not list(ChangeLog(path="x", on_bad_line="reject", rejects="y").check())


@pytest.mark.parametrize(
    ("path", "rejects"),
    [
        ("log", "./log"),
        ("*.jsonl", "rejects.jsonl"),
        ("sub/../*.jsonl", "{here}/rejects.jsonl"),
        ("**/*.jsonl", "some/folder/rejects.jsonl"),
        ("**", "rejects"),
        ("linked/*", "sub/rejects"),
        ("sub/*", "linked/rejects"),
        ("log-[ab]", "log-b"),
        ("log", "alias"),
    ],
)
def test_rejects_that_the_log_would_read_again_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, rejects: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "linked").symlink_to("sub")
    (tmp_path / "log").touch()
    (tmp_path / "alias").symlink_to("log")
    log = ChangeLog(path=path, on_bad_line="reject", rejects=rejects.format(here=tmp_path))
    (found,) = log.check()
    assert (found.code, found.field) == ("node.option", "rejects")
    assert "is one of the files that `path`" in found.message


@pytest.mark.parametrize(
    ("path", "rejects"),
    [
        ("*.jsonl", "rejects"),
        ("*.jsonl", "sub/rejects.jsonl"),
        ("*", ".rejects"),
        ("**/*.jsonl", ".hidden/rejects.jsonl"),
        ("-", "-"),
    ],
)
def test_rejects_beside_the_log_are_fine(path: str, rejects: str) -> None:
    assert not list(ChangeLog(path=path, on_bad_line="reject", rejects=rejects).check())
