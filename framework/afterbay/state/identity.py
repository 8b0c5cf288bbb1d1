"""A state belongs to one pipeline with one set of options: another is refused before anything is done (I10)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from afterbay.errors import Diagnostic, PipelineInvalid, Place
from afterbay.schema import Json

_ABSENT = "absent"

Recognises = Callable[[str, str, Json], bool]
"""(node, option, stored value) -> the stored value means what the node says now, though it is written otherwise."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One option that is not what the state was made with. `old` and `new` are JSON text, or `absent`."""

    node: str
    option: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.node}.{self.option}: {self.old} -> {self.new}"


def differences(stored: Mapping[str, Json], given: Mapping[str, Json]) -> tuple[Difference, ...]:
    """What differs, by node and option name. Both map a node to its options; a node may be missing on one side."""
    return tuple(_differences(stored, given))


def _differences(stored: Mapping[str, Json], given: Mapping[str, Json]) -> Iterator[Difference]:
    for node in sorted(stored.keys() | given.keys()):
        old, new = _options(stored, node), _options(given, node)
        for option in sorted(old.keys() | new.keys()):
            before, after = _text(old, option), _text(new, option)
            if before != after:
                yield Difference(node, option, before, after)


def check_pipeline(directory: Path, stored: str, given: str) -> None:
    """Raises PipelineInvalid (`state.pipeline`) if the state is another pipeline's."""
    if stored != given:
        raise PipelineInvalid(
            "state.pipeline",
            f"the state directory {directory} belongs to pipeline '{stored}', not to '{given}'",
            hint=f"give '{given}' a state directory of its own (`state:` or --state), or put the name back",
        )


def check_identity(
    directory: Path, stored: Mapping[str, Json], given: Mapping[str, Json], recognises: Recognises
) -> None:
    """Raises PipelineInvalid (`state.identity`), one finding a difference, if the options are not the stored ones.

    A value that is written otherwise, and that `recognises` says means the same, is no difference.
    """
    found = [
        item
        for item in differences(stored, given)
        if item.old == _ABSENT or not recognises(item.node, item.option, json.loads(item.old))
    ]
    if found:
        raise PipelineInvalid.of(
            Diagnostic(
                "state.identity",
                f"{item} (old -> new): the state in {directory} was made with the old value",
                Place(node=item.node),
                hint=f"put `{item.option}` back to {item.old}, or start anew with another state directory and an empty "
                "root",
            )
            for item in found
        )


def _options(identity: Mapping[str, Json], node: str) -> dict[str, Json]:
    options = identity.get(node)
    return options if isinstance(options, dict) else {}


def _text(options: Mapping[str, Json], option: str) -> str:
    return json.dumps(options[option], sort_keys=True) if option in options else _ABSENT
