"""The progress display: plain lines, the live line, and silence."""

from __future__ import annotations

import io
import logging
import re
import sys
from datetime import UTC, datetime

import pytest
from rich.console import Console

from afterbay.cli.progress import (
    LineProgress,
    LiveProgress,
    LogLevel,
    QuietProgress,
    attach_logs,
    detach_logs,
    fitting,
    open_progress,
)
from afterbay.cli.snapshot import Snapshot
from afterbay.instruments import SpoolLevels, StoreOutage
from afterbay.telemetry import FlushReason, Telemetry
from tests.support.plans import chain


def at(seconds: float) -> Snapshot:
    """A run that does 1,000 rows and 2 MB a second."""
    return Snapshot(
        seconds,
        rows_in=int(1000 * seconds),
        rows_stored=int(900 * seconds),
        bytes_stored=int(2e6 * seconds),
        files=int(seconds),
        spool_memory=3 << 20,
        spool_disk=1 << 30,
        lag=0.25,
    )


def test_a_snapshot_reads_rows_files_spool_and_lag() -> None:
    telemetry = Telemetry("orders")
    telemetry.node("changes").passed(120, 4000)
    telemetry.node("csv").passed(120, 3000)
    telemetry.node("lake").flushed(FlushReason.SIZE, 100, 2500, 0.1)
    telemetry.watch_spool("spool", lambda: SpoolLevels(memory=10, disk=20, quota=100, segments=1, entries=2))
    telemetry.watch_lag(lambda: {"changes/0": 0.5, "changes/1": 2.0})
    assert Snapshot.take(chain(), telemetry, 3.0) == Snapshot(3.0, 120, 100, 2500, 1, 10, 20, 2.0, 100)


def test_plain_lines_come_every_two_seconds_with_the_rates_since_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    lines = LineProgress()
    for tick in range(1, 45):
        lines.show(at(tick / 10))
    lines.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "00:02  rows in 2,000 (1,000/s)  stored 1,800 (2.0 MB/s)  files 2  spool 3.0 MiB memory, 1.0 GiB disk  "
        "checkpoint lag 0.25 s",
        "00:04  rows in 4,000 (1,000/s)  stored 3,600 (2.0 MB/s)  files 4  spool 3.0 MiB memory, 1.0 GiB disk  "
        "checkpoint lag 0.25 s",
        "00:04  rows in 4,400 (1,000/s)  stored 3,960 (2.0 MB/s)  files 4  spool 3.0 MiB memory, 1.0 GiB disk  "
        "checkpoint lag 0.25 s",
    ]


def test_a_source_that_is_held_back_is_seen_with_the_room_there_is() -> None:
    telemetry = Telemetry("orders")
    now = SpoolLevels(memory=3 << 20, disk=1 << 20, quota=16 << 20, segments=1, entries=2, held_back="memory")
    telemetry.watch_spool("spool", lambda: now)
    fields = dict(Snapshot.take(chain(), telemetry, 3.0).fields(Snapshot(0.0)))
    assert fields["spool"] == "3.0 MiB memory, 1.0 MiB disk of 16.0 MiB, held back (memory)"


def test_a_store_that_fails_is_seen_as_long_as_it_does() -> None:
    telemetry = Telemetry("orders")
    outage: list[StoreOutage | None] = [StoreOutage("put", "a.csv", "refused", datetime(2026, 1, 1, tzinfo=UTC), 38, 9)]
    telemetry.node("lake").watch_outage(lambda: outage[0])

    def fields() -> dict[str, str]:
        return dict(Snapshot.take(chain(), telemetry, 3.0).fields(Snapshot(0.0)))

    assert fields()["store failing"] == "38.0 s (put)"
    assert ("store failing", "38.0 s (put)") in fitting(list(fields().items()), 40), "what matters most stays"
    outage[0] = None
    assert "store failing" not in fields()


def test_a_run_shorter_than_a_line_still_shows_one(capsys: pytest.CaptureFixture[str]) -> None:
    lines = LineProgress()
    lines.show(at(0.4))
    lines.close()
    lines.close()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_quiet_shows_only_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = QuietProgress()
    quiet.show(at(9))
    quiet.say("stopping")
    quiet.close()
    assert capsys.readouterr().err == "stopping\n"


def terminal(width: int = 200, *, color: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, no_color=not color, color_system="standard")


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_live_line_shows_the_same_fields_and_leaves_the_terminal_clean() -> None:
    console = terminal()
    live = LiveProgress(console)
    live.show(at(2))
    live.close()
    live.close()
    text = shown(console)
    assert "rows in" in text
    assert "2,000 (1,000/s)" in text
    assert "0.25 s" in text
    assert text.endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # the cursor is back, the line is gone


@pytest.mark.parametrize(
    ("width", "labels"),
    [
        (200, ["rows in", "stored", "files", "spool", "checkpoint lag"]),
        (130, ["rows in", "stored", "spool", "checkpoint lag"]),
        (100, ["rows in", "stored", "checkpoint lag"]),
        (80, ["rows in", "stored"]),
        (60, ["rows in"]),
        (12, []),
    ],
)
def test_the_live_line_is_one_line_whatever_the_width(width: int, labels: list[str]) -> None:
    console = terminal(width)
    live = LiveProgress(console)
    live.show(at(2_000))
    (line,) = [
        found
        for text in shown(console).split("\r")
        if (found := re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).strip("\n"))
    ]
    assert "\n" not in line
    assert len(line) <= width
    assert [
        label for label in ("rows in", "stored", "files", "spool", "checkpoint lag") if f"{label} " in line
    ] == labels
    live.close()


def test_the_live_rates_are_of_the_last_seconds_only() -> None:
    console = terminal()
    live = LiveProgress(console)
    for tick in range(1, 101):
        live.show(at(tick / 10))
    for tick in range(1, 51):
        live.show(Snapshot(10 + tick / 10, rows_in=10_000))
    live.close()
    assert "10,000 (0/s)" in shown(console)


def test_what_is_said_stands_above_the_live_line_with_its_markup_unread() -> None:
    console = terminal()
    live = LiveProgress(console)
    live.show(at(1))
    live.say("table [bold]x[/bold] \x1b[31m")
    live.close()
    assert "table [bold]x[/bold] \\x1b[31m" in shown(console)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(file=io.StringIO(), force_terminal=True, width=200)
    live = LiveProgress(console)
    live.show(at(1))
    live.close()
    assert "\x1b[36m" not in shown(console)


@pytest.mark.parametrize(("quiet", "kind"), [(True, QuietProgress), (False, LineProgress)])
def test_the_display_fits_stderr(monkeypatch: pytest.MonkeyPatch, quiet: bool, kind: type) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(open_progress(quiet=quiet), kind)


def test_log_records_become_lines_from_the_chosen_level_on(capsys: pytest.CaptureFixture[str]) -> None:
    handler = attach_logs(QuietProgress(), LogLevel.INFO)
    try:
        logging.getLogger("afterbay.run").info("started")
        logging.getLogger("afterbay.run").debug("detail")
        logging.getLogger("botocore").info("Authorization: secret")
    finally:
        detach_logs(handler)
    logging.getLogger("afterbay.run").error("after the end")
    err = capsys.readouterr().err
    assert "INFO    afterbay.run: started" in err
    assert "detail" not in err
    assert "secret" not in err
