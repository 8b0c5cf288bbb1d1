"""One error family: every refusal says what, where, why, and what to do.

A :class:`Diagnostic` is one finding as data (``--json`` prints exactly this). An :class:`AfterbayError`
carries one or many of them. Three subclasses map to the exit codes of the command line:

====================== ==== =======================================================
class                  exit meaning
====================== ==== =======================================================
:class:`RunFailed`      1   the run failed; the checkpoint stays where it was
:class:`PipelineInvalid` 2  the pipeline, its options or the call are invalid
:class:`EnvironmentRefused` 3  state locked, store out of reach, folder unwritable
====================== ==== =======================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from afterbay.invariants import PROTECTED


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault is: in a file (``file:line:col``), or in the data (node, table, position)."""

    file: str | None = None
    line: int | None = None
    column: int | None = None
    node: str | None = None
    shard: int | None = None
    table: str | None = None
    position: str | None = None

    def __str__(self) -> str:
        parts: list[str] = []
        if self.file is not None:
            text = self.file
            if self.line is not None:
                text += f":{self.line}"
                if self.column is not None:
                    text += f":{self.column}"
            parts.append(text)
        if self.node is not None:
            parts.append(f"node '{self.node}'" + (f" shard {self.shard}" if self.shard is not None else ""))
        if self.table is not None:
            parts.append(f"table {self.table}")
        if self.position is not None:
            parts.append(f"at {self.position}")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, str | int]:
        """The parts that are set, by name."""
        named: Mapping[str, str | int | None] = {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "node": self.node,
            "shard": self.shard,
            "table": self.table,
            "position": self.position,
        }
        return {key: value for key, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: a stable ``code`` (``edge.type``), what is wrong, where, and what would be right.

    One that keeps an invariant says which, with its number and in plain words (see :mod:`afterbay.invariants`).
    ``snippet`` holds the source lines around the place with a caret, ready to print. ``field`` is the option that is at
    fault, as a dotted path below its node (``rules.0.match``); the compiler finds the place from it.
    """

    code: str
    message: str
    place: Place | None = None
    hint: str | None = None
    snippet: str | None = None
    field: str | None = None

    def __str__(self) -> str:
        where = str(self.place) if self.place is not None else ""
        text = f"{where}: [{self.code}] {self.message}" if where else f"[{self.code}] {self.message}"
        # `file.yaml:17:5 [code] …` reads as compilers print it; other places keep the colon.
        if self.place is not None and self.place.file is not None:
            text = f"{where} [{self.code}] {self.message}"
        if self.snippet:
            text += "\n" + self.snippet
        if (protected := PROTECTED.get(self.code)) is not None:
            text += f"\n  protects: {protected}"
        if self.hint:
            text += f"\n  hint: {self.hint}"
        return text

    def to_dict(self) -> dict[str, object]:
        """The finding as plain data, for ``--json``."""
        out: dict[str, object] = {"code": self.code, "message": self.message}
        if self.place is not None:
            out["place"] = self.place.to_dict()
        if self.field is not None:
            out["field"] = self.field
        if (protected := PROTECTED.get(self.code)) is not None:
            out["protects"] = protected.name
        if self.hint is not None:
            out["hint"] = self.hint
        return out


class AfterbayError(Exception):
    """Base of every error that Afterbay raises on purpose. ``exit_code`` is what the command line returns."""

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        code: str,
        message: str,
        *,
        place: Place | None = None,
        hint: str | None = None,
        diagnostics: Iterable[Diagnostic] | None = None,
    ) -> None:
        own = Diagnostic(code, message, place, hint)
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics) if diagnostics is not None else (own,)
        self.code = code
        self.place = place
        self.hint = hint
        super().__init__("\n".join(str(item) for item in self.diagnostics))

    def to_dict(self) -> dict[str, object]:
        """The error as plain data, for ``--json``."""
        return {"error": self.code, "diagnostics": [item.to_dict() for item in self.diagnostics]}


class RunFailed(AfterbayError):
    """The run failed while it ran: bad data, a permanent store error, a broken invariant."""

    exit_code = 1


class PipelineInvalid(AfterbayError):
    """The pipeline file, a node's options or the call are invalid. Nothing was started."""

    exit_code = 2

    @classmethod
    def of(cls, diagnostics: Iterable[Diagnostic]) -> PipelineInvalid:
        """All findings of one phase as one error."""
        found = tuple(diagnostics)
        return cls(found[0].code, f"{len(found)} finding(s)", diagnostics=found)


class EnvironmentRefused(AfterbayError):
    """The surroundings do not allow the run: state locked, store out of reach, folder unwritable."""

    exit_code = 3


class Cancelled(BaseException):
    """The scope was cancelled. Not an :class:`Exception`, so that ``except Exception`` cannot swallow it."""
