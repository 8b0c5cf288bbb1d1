"""The node types that a pipeline may name. Packs bring them in by the entry-point group `afterbay.nodes`.

A pack is a mapping from type names to ``"module:Class"``, or a function without arguments that returns one. It is read
when the registry is made; a node's module is imported only when a pipeline uses the type. The built-in nodes come
through the same door::

    [project.entry-points."afterbay.nodes"]
    my_pack = "my_package.nodes:pack"

A registry is a value: `with_nodes` and `only` give others and change nothing.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import TypeAlias

from afterbay.compile.envelope import NODE_KEYS
from afterbay.compile.suggest import did_you_mean
from afterbay.errors import Diagnostic, PipelineInvalid
from afterbay.node import Node, Sink, Source, Transform
from afterbay.printable import visible

GROUP = "afterbay.nodes"
AnyNodeClass: TypeAlias = type[Node]


@dataclass(frozen=True, slots=True)
class NodeType:
    """One entry: the YAML `type`, what it stands for, and the pack that brought it. `clash`: another brings it too."""

    name: str
    target: str | AnyNodeClass
    pack: str
    clash: Diagnostic | None = None

    def load(self) -> AnyNodeClass:
        """The class. Imports its module. Raises PipelineInvalid if that fails or if it is no usable node."""
        if self.clash is not None:
            raise PipelineInvalid.of([self.clash])
        found = self.target if not isinstance(self.target, str) else self._imported(self.target)
        fault = _fault_of(found, self.name)
        if fault is not None:
            raise PipelineInvalid(
                "pack.node",
                f"the node type '{self.name}' of pack '{self.pack}' cannot be used: {fault}",
                hint="this is a fault of the pack, not of your pipeline",
            )
        assert isinstance(found, type)
        assert issubclass(found, Node)
        return found

    def _imported(self, target: str) -> object:
        module, _, attribute = target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise PipelineInvalid(
                "pack.import",
                f"the node type '{self.name}' of pack '{self.pack}' cannot be loaded from {visible(target)}: "
                f"{type(error).__name__}: {visible(str(error))}",
                hint="install what the pack needs, or tell whoever made the pack",
            ) from error


class Registry:
    """Node types by name. Immutable; iterates in the order of names.

    `faults`: packs that cannot be read, and types that two packs bring. They are errors only for who uses these types.
    """

    def __init__(self, types: Iterable[NodeType] = (), faults: Iterable[Diagnostic] = ()) -> None:
        """Raises PipelineInvalid if a type is there twice."""
        self._types: dict[str, NodeType] = {}
        self.faults = tuple(faults)
        for item in types:
            other = self._types.setdefault(item.name, item)
            if other is not item:
                raise PipelineInvalid.of([_clash(other, item)])

    @classmethod
    def installed(cls) -> Registry:
        """The types of all installed packs; `faults` tells of packs that are broken or clash."""
        found = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))
        types: dict[str, NodeType] = {}
        faults: list[Diagnostic] = []
        for entry in found:
            source = f"{entry.name} ({entry.dist.name})" if entry.dist is not None else entry.name
            try:
                pack = entry.load()
                listing = pack() if callable(pack) else pack
                brought = list(_types_of(listing, source))
            except Exception as error:
                faults.append(
                    Diagnostic(
                        "pack.broken",
                        f"the pack '{visible(source)}' cannot be read: {type(error).__name__}: {visible(str(error))}",
                        hint=f"a pack maps type names to 'module:Class'; '{visible(entry.value)}' does not",
                    )
                )
                continue
            for item in brought:
                other = types.setdefault(item.name, item)
                if other is not item:
                    faults.append(_clash(other, item))
                    types[item.name] = replace(other, clash=faults[-1])
        return cls(types.values(), faults)

    def with_nodes(self, *nodes: AnyNodeClass) -> Registry:
        """A registry that has these classes too, each under its `type_name`. Raises PipelineInvalid on a clash."""
        added = [NodeType(node.type_name, node, "with_nodes") for node in nodes]
        return Registry([*self._types.values(), *added], self.faults)

    def only(self, names: Iterable[str]) -> Registry:
        """A registry of these types alone. Raises KeyError for a name that is not there."""
        return Registry([self._types[name] for name in names])

    def load(self, name: str) -> AnyNodeClass:
        """The class of a type. Raises PipelineInvalid if there is none, or if it cannot be loaded."""
        if name not in self._types:
            raise PipelineInvalid("node.unknown", f"there is no node type '{visible(name)}'", hint=self.hint_for(name))
        return self._types[name].load()

    def hint_for(self, name: str) -> str:
        """What may be meant by a type that is not there."""
        near = did_you_mean(name, self._types, otherwise="the types are")
        broken = [item.message for item in self.faults if item.code == "pack.broken"]
        return f"{near}; or one of a pack that cannot be read: {'; '.join(broken)}" if broken else near

    def loadable(self) -> Iterator[tuple[str, AnyNodeClass]]:
        """Every type that can be loaded, by name: for hints and catalogues, where a broken pack is no matter."""
        for item in self:
            try:
                yield item.name, item.load()
            except PipelineInvalid:
                continue

    def __iter__(self) -> Iterator[NodeType]:
        return iter(sorted(self._types.values(), key=lambda item: item.name))

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def __len__(self) -> int:
        return len(self._types)


def option_names(node: AnyNodeClass) -> tuple[str, ...]:
    """The YAML keys of a node's own options, in the order of declaration."""
    return tuple(field.alias or name for name, field in node.model_fields.items())


def _types_of(listing: object, pack: str) -> Iterator[NodeType]:
    if not isinstance(listing, Mapping):
        raise TypeError(f"it gives {type(listing).__name__}, not a mapping")
    for name, target in listing.items():
        if not (isinstance(name, str) and isinstance(target, str) and target.count(":") == 1):
            raise TypeError(f"its entry {name!r}: {target!r} is no 'module:Class'")
        yield NodeType(name, target, pack)


def _clash(one: NodeType, other: NodeType) -> Diagnostic:
    return Diagnostic(
        "pack.clash",
        f"the packs '{one.pack}' and '{other.pack}' both bring a node type '{one.name}'",
        hint="uninstall one of them, or ask its maker to rename the type",
    )


def _fault_of(found: object, name: str) -> str | None:
    if not (isinstance(found, type) and issubclass(found, (Source, Transform, Sink))):
        return "it is no Source, Transform or Sink"
    if inspect.isabstract(found):
        return f"it does not define {', '.join(sorted(found.__abstractmethods__))}"
    if getattr(found, "type_name", None) != name:
        return f"its class says type_name = {getattr(found, 'type_name', None)!r}"
    taken = [key for key in option_names(found) if key in NODE_KEYS]
    return f"its option '{taken[0]}' is a key of every node" if taken else None
