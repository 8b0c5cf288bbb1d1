"""What pydantic says about options, put in a file's words: no finding that only follows from another, one a place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Location = tuple[str | int, ...]

_LISTS = ("tuple_type", "list_type", "set_type", "frozen_set_type")
_MAPPINGS = ("model_type", "model_attributes_type", "dict_type", "mapping_type", "dataclass_type")
_COUNTS = ("too_short", "too_long")
_PREFIXES = ("Value error, ", "Assertion failed, ")


def relevant(
    details: Sequence[ErrorDetails], known: Callable[[Location], Location]
) -> Iterator[tuple[ErrorDetails, str]]:
    """The findings that say something, each with its text. `known` is the part of a location that the file has.

    A list is not too short because its items are wrong, and of the ways to write a value the one that came furthest
    was meant. Where several of them came equally far, they are one finding.
    """
    paths = [known(location(detail)) for detail in details]
    choices: dict[Location, list[ErrorDetails]] = {}
    told = [(detail, path) for detail, path in zip(details, paths, strict=True) if not _follows(detail, path, paths)]
    read = {path for detail, path in told if not _is_type(detail)}  # one way to write the value could be read
    for detail, path in told:
        if _is_type(detail):
            choices.setdefault(path, []).append(detail)
    for detail, path in told:
        if not _is_type(detail):
            yield detail, _text(detail)
        elif path not in read and choices[path][0] is detail:
            first, *others = dict.fromkeys(map(_text, choices[path]))
            yield detail, " or ".join([first, *(text.removeprefix("input should be ") for text in others)])


def location(detail: ErrorDetails) -> Location:
    """Where the finding is, by keys and indices; names of unions' members may stand between them.

    A validator of the whole node names the option in its error's context, as `field`.
    """
    field = detail.get("ctx", {}).get("field")
    return (*detail["loc"], field) if isinstance(field, str) else detail["loc"]


def _follows(detail: ErrorDetails, path: Location, paths: Sequence[Location]) -> bool:
    deeper = any(len(other) > len(path) and other[: len(path)] == path for other in paths)
    return deeper and (_is_type(detail) or detail["type"] in _COUNTS)


def _is_type(detail: ErrorDetails) -> bool:
    return detail["type"].endswith("_type")


def _text(detail: ErrorDetails) -> str:
    if detail["type"] in _LISTS:
        return "input should be a list"
    if detail["type"] in _MAPPINGS:
        return "input should be a mapping"
    text = detail["msg"]
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    if detail["type"] in _COUNTS:
        text = "List" + text[text.index(" ") :].replace(" after validation", "")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def models_at(model: type[BaseModel], loc: Location) -> list[type[BaseModel]]:
    """The models whose keys can stand at `loc` (the key itself left out): several where an option is a union."""
    here = [model]
    for part in loc:
        if isinstance(part, str):
            inner = [
                found
                for owner in here
                for name, field in owner.model_fields.items()
                if part in (name, field.alias)
                for found in models_in(field.annotation)
            ]
            here = inner or here  # a union's member is named, which is no key
    return here


def keys_of(models: Iterable[type[BaseModel]]) -> tuple[str, ...]:
    """The keys of some models, in the order of declaration."""
    return tuple(dict.fromkeys(field.alias or name for model in models for name, field in model.model_fields.items()))


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type is made of: those in its lists and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)
