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
    """One option that is not what the state was made with. `old` and `new` are JSON text, or `absent`.

    The option `type` stands for the whole node: another type, a node that is gone or one that is new.
    """

    node: str
    option: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.node}.{self.option}: {self.old} -> {self.new} (old -> new)"


def differences(stored: Mapping[str, Json], given: Mapping[str, Json]) -> tuple[Difference, ...]:
    """What differs, by node and option name. Both map a node to its options; a node may be missing on one side."""
    return tuple(_differences(stored, given))


def _differences(stored: Mapping[str, Json], given: Mapping[str, Json]) -> Iterator[Difference]:
    for node in sorted(stored.keys() | given.keys()):
        old, new = _options(stored, node), _options(given, node)
        another = _text(old, "type") != _text(new, "type")
        # Of another type all options differ, and none of them is news.
        for option in ("type",) if another else sorted(old.keys() | new.keys()):
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
    `field` is the option, for whoever knows where it was given.
    """
    found = [
        item
        for item in differences(stored, given)
        if item.old == _ABSENT or not recognises(item.node, item.option, json.loads(item.old))
    ]
    if not found:
        return
    gone = {item.node: item.old for item in found if item.option == "type" and item.new == _ABSENT}
    diagnostics = []
    for item in found:
        if item.option != "type":
            unset = item.old in (_ABSENT, "null")
            text, back = str(item), f"leave `{item.option}` out" if unset else f"put `{item.option}` back to {item.old}"
        elif item.node in gone:
            continue
        elif item.old == _ABSENT:
            former = next((name for name, type_name in gone.items() if type_name == item.new), None)
            if former is None:
                text, back = f"node '{item.node}' ({_plain(item.new)}) is new", "leave it out"
            else:
                del gone[former]
                text = f"node '{item.node}' ({_plain(item.new)}) was called '{former}'"
                back = f"call it '{former}' again"
        else:
            text = f"node '{item.node}' was {_plain(item.old)}, now it is {_plain(item.new)}"
            back = f"put `type` back to {_plain(item.old)}"
        diagnostics.append(_refusal(directory, text, item, back))
    for item in found:
        if item.node in gone and item.new == _ABSENT:
            text = f"node '{item.node}' ({_plain(item.old)}) is gone"
            diagnostics.append(_refusal(directory, text, item, "put it back"))
    raise PipelineInvalid.of(diagnostics)


def _refusal(directory: Path, text: str, item: Difference, back: str) -> Diagnostic:
    return Diagnostic(
        "state.identity",
        f"{text}: the state in {directory} was made with the old one",
        Place(node=item.node),
        hint=f"{back}, or start anew with another state directory and an empty root",
        field=None if item.option == "type" and _ABSENT in (item.old, item.new) else item.option,
    )


def _plain(text: str) -> str:
    return text.strip('"')


def _options(identity: Mapping[str, Json], node: str) -> dict[str, Json]:
    options = identity.get(node)
    return options if isinstance(options, dict) else {}


def _text(options: Mapping[str, Json], option: str) -> str:
    return json.dumps(options[option], sort_keys=True) if option in options else _ABSENT
