"""What went wrong, as text, as data and as an exit code. Groups are unpacked: every failure tells its place."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace

from afterbay.cli import console
from afterbay.errors import AfterbayError, Cancelled, Diagnostic

DEFECT = 1
FOREIGN_CODE = frozenset({"node.failed", "python.raised"})
"""Errors whose cause was raised by a node's or a user's own code: only its stack trace says where."""


@dataclass(frozen=True, slots=True)
class Failure:
    """All findings of one failed call. `traces` are stack traces of code that raised what nobody expected."""

    exit_code: int
    diagnostics: tuple[Diagnostic, ...]
    traces: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The failure that `error` stands for; an exception group gives the findings of all its leaves.

        The exit code is that of the first leaf, unless another one says 1: a run that failed is no matter of the
        environment alone.
        """
        diagnostics: list[Diagnostic] = []
        traces: list[str] = []
        codes: list[int] = []
        for leaf in _leaves(error):
            if isinstance(leaf, AfterbayError):
                diagnostics.extend(_noted(item, leaf) for item in leaf.diagnostics)
                codes.append(leaf.exit_code)
                if leaf.code in FOREIGN_CODE and leaf.__cause__ is not None:
                    traces.append(_trace(leaf.__cause__))
            else:
                unexpected = Diagnostic(
                    "defect",
                    f"{type(leaf).__name__}: {leaf}",
                    hint="a defect of Afterbay or of a node, not of your pipeline: please report it with the trace",
                )
                diagnostics.append(_noted(unexpected, leaf))
                codes.append(DEFECT)
                traces.append(_trace(leaf))
        return cls(1 if 1 in codes or not codes else codes[0], tuple(diagnostics), tuple(traces))

    def to_dict(self) -> dict[str, object]:
        """As plain data, for `--json`."""
        out: dict[str, object] = {
            "error": self.diagnostics[0].code if self.diagnostics else "cancelled",
            "diagnostics": [item.to_dict() for item in self.diagnostics],
        }
        if self.traces:
            out["traces"] = list(self.traces)
        return out

    @property
    def stuck(self) -> bool:
        """True if threads of the run still live: the process has to be ended by force."""
        return any(item.code == "run.stuck" for item in self.diagnostics)

    def tell(self, *, as_json: bool) -> None:
        """As data on stdout, or as text on stderr: stack traces first, for what a person reads last is what counts."""
        if as_json:
            console.data(self.to_dict())
            return
        for text in (*self.traces, *map(str, self.diagnostics)):
            console.note(text)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    elif not isinstance(error, Cancelled):  # cancelled by the failure beside it: no news
        yield error


def _noted(item: Diagnostic, leaf: BaseException) -> Diagnostic:
    notes = getattr(leaf, "__notes__", ())
    return replace(item, message=f"{item.message} ({'; '.join(notes)})") if notes else item


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()
