"""An answer of the doctor, and how a node is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable

from afterbay.clock import Clock


class Verdict(StrEnum):
    """How it is: right, worth a look, or in the way of a run."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at (`subject`), how it is, in words, and what to do where it is not right."""

    subject: str
    verdict: Verdict
    text: str
    hint: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Plain data, for `--json`."""
        return asdict(self)


def ok(subject: str, text: str) -> Finding:
    """It is right."""
    return Finding(subject, Verdict.OK, text)


def warn(subject: str, text: str, hint: str) -> Finding:
    """It works, and may be in the way some day."""
    return Finding(subject, Verdict.WARN, text, hint)


def fail(subject: str, text: str, hint: str | None) -> Finding:
    """A run would fail, or be refused."""
    return Finding(subject, Verdict.FAIL, text, hint)


@runtime_checkable
class NeedsExtras(Protocol):
    """A node that works only with some of Afterbay's extras installed. Optional."""

    extras: ClassVar[tuple[str, ...]]


@runtime_checkable
class Examines(Protocol):
    """A node that can be asked whether what it depends on is there. Optional."""

    def examine(self, name: str, clock: Clock) -> Iterable[Finding]:
        """Looks at what is outside (a store, a server). `name` is the node's.

        Bounded by deadlines of its own, shorter than a run's. What it raises becomes a finding.
        """
        ...
