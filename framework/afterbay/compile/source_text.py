"""The text of a pipeline file: turns a span into a place and the lines around it, with a caret.

The lines may hold what is not for everyone's eyes (a password written into a URI) and what is not for every terminal
(control characters). Both are masked before they are shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from afterbay.errors import Place
from afterbay.printable import visible

_LINES_BEFORE = 2
_LINES_AFTER = 1
_WIDEST = 140
_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_MASK = "***"
_SECRETS = (
    # `password: …` to the end of the line, unless the value is a reference to a variable
    re.compile(
        r"""((?:password|passwd|secret|token|credential|access[_-]?key)[\w-]*["']?\s*:\s*)(?!["']?\$\{)\S.*""",
        re.IGNORECASE,
    ),
    re.compile(r"(://)[^/\s@\"'${}]+(?=@)"),  # scheme://user:password@host
    re.compile(r"([?&][\w-]*(?:key|secret|token|password|sig|external-id)[\w-]*=)(?!\$\{)[^&\s\"']+", re.IGNORECASE),
)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the file. Lines and columns count from 1; the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int

    @classmethod
    def point(cls, line: int, column: int) -> Span:
        """One character."""
        return cls(line, column, line, column + 1)


FILE_START = Span.point(1, 1)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a finding is, with the source lines around it if it is in a file."""

    place: Place
    snippet: str | None = None


class SourceText:
    """One file's name (as the caller wrote it) and text."""

    def __init__(self, file: str, text: str) -> None:
        self.file = visible(file)
        # The same line breaks as the YAML reader counts.
        self._lines = _LINE_BREAK.split(text)

    def spot(self, span: Span) -> Spot:
        """The place of `span` and its lines."""
        return Spot(Place(file=self.file, line=span.line, column=span.column), self._snippet(span))

    def _snippet(self, span: Span) -> str | None:
        if not 1 <= span.line <= len(self._lines):
            return None
        first = max(1, span.line - _LINES_BEFORE)
        last = min(len(self._lines), span.line + _LINES_AFTER)
        gutter = len(str(last))
        line = self._lines[span.line - 1]
        start = len(visible(line[: span.column - 1]))
        end = span.end_column - 1 if span.end_line == span.line else len(line)
        width = max(1, len(visible(line[span.column - 1 : end])))
        left = max(0, start + min(width, _WIDEST // 2) - _WIDEST)
        out: list[str] = []
        for number in range(first, last + 1):
            shown = visible(_masked(self._lines[number - 1]))[left : left + _WIDEST]
            out.append(f"  {number:>{gutter}} | {shown}".rstrip())
            if number == span.line:
                carets = min(width, max(1, len(shown) - (start - left)))
                out.append(f"  {'':>{gutter}} | {' ' * (start - left)}{'^' * carets}")
        while len(out) > 2 and out[-1].endswith("|") and not out[-1].strip("| 0123456789"):
            out.pop()  # an empty last line says nothing
        return "\n".join(out)


def _masked(line: str) -> str:
    for secret in _SECRETS:
        line = secret.sub(lambda match: match[1] + _MASK, line)
    return line
