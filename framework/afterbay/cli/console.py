"""What goes where: results on stdout, everything else on stderr; nothing from outside steers the terminal.

Not a terminal library: plain text, so that a result reads the same in a pipe, a log and under NO_COLOR.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from afterbay.errors import EnvironmentRefused, PipelineInvalid
from afterbay.printable import visible, visible_lines


def result(text: str) -> None:
    """Prints a result on stdout."""
    _print(text, sys.stdout)


def note(text: str) -> None:
    """Prints what is not the result (progress, findings, hints) on stderr."""
    _print(text, sys.stderr)


def data(value: object) -> None:
    """Prints plain data as JSON on stdout. ASCII only: safe for every terminal and encoding."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def document(text: str, output: Path | None) -> None:
    """A whole document (a diagram, a schema): into the file that was asked for, else on stdout.

    Raises EnvironmentRefused if the file cannot be written.
    """
    whole = text if text.endswith("\n") else text + "\n"
    if output is None:
        # Written as bytes, as the printers made it: a document does its own escaping, in its own language.
        sys.stdout.flush()
        sys.stdout.buffer.write(whole.encode())
        sys.stdout.buffer.flush()
        return
    try:
        output.write_text(whole, encoding="utf-8", newline="\n")
    except OSError as error:
        raise EnvironmentRefused(
            "output.unwritable",
            f"cannot write {visible(str(output))}: {error.strerror}",
            hint="choose another file with --output, or leave it out to print on stdout",
        ) from error
    note(f"wrote {output}")


def confirmed(question: str, *, yes: bool) -> bool:
    """Whether the answer on the terminal is yes; `yes` answers it in a script.

    Raises PipelineInvalid where nobody can be asked: what cannot be taken back is not done by chance.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise PipelineInvalid(
            "call.unconfirmed", "there is no terminal to ask for confirmation on", hint="say --yes in a script"
        )
    note(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces apart. The last column is not padded."""
    lines = [[visible(cell) for cell in line] for line in [header, *rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _print(text: str, stream: TextIO) -> None:
    encoding = stream.encoding or "utf-8"
    # An ASCII terminal shows an escape where it cannot show the letter; it must not fail the run.
    safe = visible_lines(text).encode(encoding, "backslashreplace").decode(encoding)
    stream.write(safe + "\n")
    stream.flush()
