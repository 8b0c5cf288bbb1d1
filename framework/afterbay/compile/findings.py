"""The findings of one phase: all are collected before the phase stops."""

from __future__ import annotations

from afterbay.compile.source_text import Spot
from afterbay.errors import Diagnostic, PipelineInvalid


class Findings:
    """Collects diagnostics in the order of their places. Owned by one phase."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, code: str, message: str, spot: Spot, hint: str, field: str | None = None) -> None:
        """One finding at `spot`. `hint` says what would be right: no finding leaves a person without it."""
        self._found.append(Diagnostic(code, message, spot.place, hint, spot.snippet, field))

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        """Everything, top of the file first."""
        return tuple(sorted(self._found, key=_by_place))

    def stop(self) -> None:
        """The end of the phase: raises PipelineInvalid with everything that was found, top of the file first."""
        if self._found:
            raise PipelineInvalid.of(self.found)


def _by_place(item: Diagnostic) -> tuple[int, int]:
    place = item.place
    if place is None:
        return (0, 0)
    return (place.line or 0, place.column or 0)
