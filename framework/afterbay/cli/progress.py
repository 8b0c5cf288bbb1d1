"""What a run shows while it runs, on stderr: a live line on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import logging
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from afterbay.cli import console
from afterbay.cli.snapshot import Snapshot
from afterbay.printable import visible_lines

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 2.0
"""Plain lines come this far apart: often enough to see that it goes on, rare enough for a log."""

RATE_SECONDS = 3.0
"""The live line's rates are means over this long: steady to the eye, quick to follow."""


LEAST_IMPORTANT = ("files", "spool", "checkpoint lag", "stored")
"""What a narrow terminal does without, in this order."""

_SPINNER_WIDTH = 2  # with the blank behind it


class LogLevel(StrEnum):
    """The least severe log record that is shown."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Progress(ABC):
    """Shows a run. Used by the main thread; `say` may be called by any thread."""

    @abstractmethod
    def show(self, now: Snapshot) -> None:
        """The run is here now. Called several times a second; shows what is due."""

    @abstractmethod
    def say(self, text: str) -> None:
        """Prints a line of its own, without disturbing the display."""

    @abstractmethod
    def close(self) -> None:
        """The run has ended: the last state is shown, the terminal is as before."""


class QuietProgress(Progress):
    """Shows nothing but what is said."""

    def show(self, now: Snapshot) -> None:
        """Shows nothing."""

    def say(self, text: str) -> None:
        console.note(text)

    def close(self) -> None:
        """Shows nothing."""


class LineProgress(Progress):
    """One line every few seconds, and one at the end."""

    def __init__(self) -> None:
        self._shown = Snapshot(0.0)
        self._newest = Snapshot(0.0)

    def show(self, now: Snapshot) -> None:
        self._newest = now
        if now.seconds - self._shown.seconds >= LINE_SECONDS:
            self._print()

    def say(self, text: str) -> None:
        console.note(text)

    def close(self) -> None:
        if self._newest.seconds > self._shown.seconds:
            self._print()

    def _print(self) -> None:
        parts = "  ".join(f"{label} {value}" for label, value in self._newest.fields(self._shown))
        console.note(f"{_clock(self._newest.seconds)}  {parts}")
        self._shown = self._newest


class LiveProgress(Progress):
    """One line that changes in place. Owns the terminal's last line until `close`."""

    def __init__(self, terminal: Console) -> None:
        from rich.live import Live
        from rich.spinner import Spinner

        self._terminal = terminal
        self._recent: deque[Snapshot] = deque([Snapshot(0.0)])
        self._spinner = Spinner("dots", style="cyan")
        # Drawn by `show` alone: no thread of its own, so that a stuck main thread is seen as such.
        # What nodes print is shown above the line, unless stdout goes elsewhere: that is not ours to redirect.
        self._live = Live(console=terminal, auto_refresh=False, transient=True, redirect_stdout=sys.stdout.isatty())
        self._live.start()

    def show(self, now: Snapshot) -> None:
        from rich.text import Text

        self._recent.append(now)
        while len(self._recent) > 2 and now.seconds - self._recent[1].seconds >= RATE_SECONDS:
            self._recent.popleft()
        clock = _clock(now.seconds)
        room = self._terminal.width - _SPINNER_WIDTH
        line = Text(clock, no_wrap=True, overflow="ellipsis")
        for label, value in fitting(now.fields(self._recent[0]), room - len(clock)):
            line.append(f"  {label} ", style="dim")
            line.append(value, style="bold")
        line.truncate(max(1, room), overflow="ellipsis")
        self._spinner.update(text=line)
        self._live.update(self._spinner, refresh=True)

    def say(self, text: str) -> None:
        self._terminal.print(visible_lines(text), markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        self._live.stop()


def fitting(fields: Sequence[tuple[str, str]], room: int) -> list[tuple[str, str]]:
    """The fields that fit on a line of `room` characters, in their order; the least important give way first."""
    kept = list(fields)
    for label in LEAST_IMPORTANT:
        if sum(len(name) + len(value) + 3 for name, value in kept) <= room:
            break
        kept = [field for field in kept if field[0] != label]
    return kept


class _Told(logging.Handler):
    """Log records as lines of the display."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._progress.say(self.format(record))
        except Exception:
            self.handleError(record)  # the logging module's own rule: a log line never fails the program


def open_progress(*, quiet: bool) -> Progress:
    """The display that fits stderr."""
    if quiet:
        return QuietProgress()
    if not sys.stderr.isatty():
        return LineProgress()
    from rich.console import Console

    return LiveProgress(Console(stderr=True))


def attach_logs(progress: Progress, level: LogLevel) -> logging.Handler:
    """Shows log records from `level` on; give the handler to `detach_logs` at the end.

    Other libraries are heard from warnings on only: at debug level some of them print signed requests.
    """
    handler = _Told(progress)
    logging.getLogger().addHandler(handler)
    for package in ("afterbay", "afterbay_nodes"):
        logging.getLogger(package).setLevel(level.value.upper())
    return handler


def detach_logs(handler: logging.Handler) -> None:
    """Undoes `attach_logs`."""
    logging.getLogger().removeHandler(handler)
    for package in ("afterbay", "afterbay_nodes"):
        logging.getLogger(package).setLevel(logging.NOTSET)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"
