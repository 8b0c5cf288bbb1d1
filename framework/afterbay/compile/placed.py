"""A refusal of a start names nodes and options; here it gets their place in the pipeline file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from afterbay.compile.draft import Locator
from afterbay.errors import AfterbayError, Diagnostic, EnvironmentRefused, PipelineInvalid


@contextmanager
def placed(locator: Locator) -> Iterator[None]:
    """PipelineInvalid and EnvironmentRefused from inside leave with file, line and column where they name a node."""
    try:
        yield
    except (PipelineInvalid, EnvironmentRefused) as error:
        found = tuple(at_its_place(item, locator) for item in error.diagnostics)
        if found == error.diagnostics:
            raise
        own: AfterbayError = type(error)(error.code, str(error), hint=error.hint, diagnostics=found)
        raise own from error


def at_its_place(item: Diagnostic, locator: Locator) -> Diagnostic:
    """The finding with the place of its node, or of the option that it names in `field`. Others stay as they are."""
    place = item.place
    if place is None or place.node is None or place.file is not None:
        return item
    path = ("nodes", place.node, *(int(part) if part.isdigit() else part for part in (item.field or "").split(".")))
    spot = locator.value_spot(*path) if item.field else locator.key_spot("nodes", place.node)
    if spot.place.file is None:
        return item
    known = replace(place, file=spot.place.file, line=spot.place.line, column=spot.place.column)
    return replace(item, place=known, snippet=spot.snippet)
