"""`my_module:redact` -> the function with the payload types that its annotations say.

The module is looked for in the pipeline file's folder first, then as usual; `sys.path` is left as it was. Loading a
module runs it: a pipeline file is as trusted as the code that it names.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from afterbay.messages import ChangeBatch, EncodedBatch
from afterbay.printable import visible

PAYLOADS = (ChangeBatch, EncodedBatch)
REFERENCE = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_SHAPE = "(batch: ChangeBatch) -> ChangeBatch | Iterable[ChangeBatch] | None"


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function that works as a node. `name` is `module:function`, `where` its file and line."""

    name: str
    function: Callable[[Any], Any]
    takes: type
    gives: type
    where: str


def function_call(value: object, folder: Path | None) -> FunctionCall:
    """The function that `value` names or is. Raises ValueError if it cannot work as a node, and says why."""
    if isinstance(value, FunctionCall):
        return value
    if isinstance(value, str):
        return _described(value, _imported(value, folder))
    if not callable(value):
        raise ValueError("name a function: my_module:my_function")
    module, name = getattr(value, "__module__", "?"), getattr(value, "__qualname__", type(value).__qualname__)
    return _described(f"{module}:{name}", value)


def _imported(reference: str, folder: Path | None) -> object:
    if not re.fullmatch(REFERENCE, reference, re.ASCII):
        raise ValueError(f"'{visible(reference)}' names no function; write my_module:my_function")
    module_name, _, attribute = reference.partition(":")
    with _searched_first(folder):
        importlib.invalidate_caches()
        try:
            found: object = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
                looked = f"the pipeline's folder ({visible(str(folder))}) and " if folder is not None else ""
                raise ValueError(f"there is no module '{error.name}' in {looked}Python's search path") from error
            raise ValueError(f"the module '{module_name}' needs another one: {visible(str(error))}") from error
        except (Exception, SystemExit) as error:
            what = f"{type(error).__name__}: {visible(str(error))}"
            raise ValueError(f"the module '{module_name}' cannot be loaded: {what}") from error
        _not_another(module_name, folder)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"the module '{module_name}' has no '{attribute}'")
        found = getattr(found, part)
    return found


@contextmanager
def _searched_first(folder: Path | None) -> Iterator[None]:
    """`folder` in front of Python's search path while the module and what it imports are loaded."""
    if folder is None:
        yield
        return
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:  # the module may have tidied up itself
            sys.path.remove(entry)


def _not_another(module_name: str, folder: Path | None) -> None:
    """A module of the same name from elsewhere, loaded before, must not pass for the one in the folder."""
    if folder is None:
        return
    top = module_name.partition(".")[0]
    spec = PathFinder.find_spec(top, [str(folder)])
    loaded = getattr(sys.modules[top], "__file__", None)
    if spec is None or spec.origin is None:
        return
    if loaded is None or Path(loaded).resolve() != Path(spec.origin).resolve():
        raise ValueError(
            f"another module '{top}' is loaded already, from {visible(str(loaded))}; rename {visible(spec.origin)}"
        )


def _described(name: str, found: object) -> FunctionCall:
    if not callable(found) or isinstance(found, type):
        raise ValueError(f"{name} is no function")
    routine = found if inspect.isroutine(found) else type(found).__call__
    if inspect.iscoroutinefunction(routine) or inspect.isasyncgenfunction(routine):
        raise ValueError(f"{name} is asynchronous; a node's function returns its result")
    try:
        signature = inspect.signature(found)
        hints = get_type_hints(routine)
    except (NameError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"the annotations of {name} cannot be read: {visible(str(error))}") from error
    try:
        signature.bind(object())
    except TypeError as error:
        raise ValueError(f"{name}{signature} must take one batch: {_SHAPE}") from error
    parameter = next(iter(signature.parameters), "")
    if parameter not in hints or "return" not in hints:
        what = f"its parameter '{parameter}'" if parameter not in hints else "what it returns"
        raise ValueError(f"{name} does not say the type of {what}: {_SHAPE}")
    takes, gives = hints[parameter], _given(hints["return"])
    if takes not in PAYLOADS:
        raise ValueError(f"{name} takes {_named(takes)}; a node's function takes ChangeBatch or EncodedBatch")
    if gives is None:
        raise ValueError(f"{name} gives {_named(hints['return'])}: {_SHAPE}")
    code = getattr(inspect.unwrap(routine), "__code__", None)
    where = name if code is None else f"{code.co_filename}:{code.co_firstlineno}"
    return FunctionCall(name, found, takes, gives, visible(where))


def _given(annotation: Any) -> type | None:
    """The one payload type in `X`, `X | None`, `Iterable[X]` and their unions; None if there is none, or several."""
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    found: set[type] = set()
    for member in members:
        origin = get_origin(member)
        inner = get_args(member)
        item = inner[0] if isinstance(origin, type) and issubclass(origin, Iterable) and inner else member
        if item in PAYLOADS:
            found.add(item)
        elif item is not type(None):
            return None
    return found.pop() if len(found) == 1 else None


def _named(annotation: Any) -> str:
    return visible(getattr(annotation, "__name__", str(annotation)))
