"""What the command line prints: results on stdout, the rest on stderr, nothing that steers the terminal."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from afterbay.cli import console
from afterbay.cli.amounts import count, duration, plural, size
from afterbay.errors import EnvironmentRefused
from afterbay.printable import visible


def test_results_go_to_stdout_and_notes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.result("the result")
    console.note("by the way")
    assert capsys.readouterr() == ("the result\n", "by the way\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name", "plain name"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\rb\x00", "a\\rb\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("two\u2028lines\nthree", "two\\u2028lines\\nthree"),
        ("\ud800", "\\ud800"),
        ("訂單 👩‍🚀", "訂單 👩‍🚀"),
        ("no\u00a0break", "no\u00a0break"),
    ],
)
def test_names_from_outside_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_our_own_line_breaks_stay(capsys: pytest.CaptureFixture[str]) -> None:
    console.note("first\nsecond \x1b[31m")
    assert capsys.readouterr().err == "first\nsecond \\x1b[31m\n"


def test_an_ascii_terminal_shows_escapes_instead_of_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    console.result("訂單")
    assert raw.getvalue() == b"\\u8a02\\u55ae\n"


def test_data_is_json_that_every_terminal_can_take(capsys: pytest.CaptureFixture[str]) -> None:
    console.data({"table": "訂\ud800"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"table": "訂\ud800"}


def test_a_table_aligns_its_columns_and_escapes_its_cells() -> None:
    assert console.table(("NODE", "TYPE"), [("a", "demo"), ("long\n", "x")]) == "NODE    TYPE\na       demo\nlong\\n  x"


def test_a_document_goes_into_the_file_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    console.document("<svg/>", tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_bytes() == b"<svg/>\n"
    assert capsys.readouterr().out == ""


def test_a_document_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentRefused, match=r"output\.unwritable.*No such file"):
        console.document("<svg/>", tmp_path / "missing" / "a.svg")


def test_amounts_read_well() -> None:
    assert count(1234567) == "1,234,567"
    assert [size(n) for n in (0, 1023, 1536, 64 << 20, 3 << 40)] == ["0 B", "1023 B", "1.5 KiB", "64.0 MiB", "3.0 TiB"]
    assert [duration(s) for s in (0.042, 12.34, 125, 3600 * 3 + 20 * 60)] == [
        "0.04 s",
        "12.3 s",
        "2 min 5 s",
        "3 h 20 min",
    ]
    assert [plural(1, "file"), plural(2, "file")] == ["1 file", "2 files"]
