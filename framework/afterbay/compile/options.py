"""Node sections -> node declarations: the type is found, then its pydantic model reads the options.

Pydantic's findings are told in the file's terms: at the line and column of the value (of the key, if it is the key
that is wrong), with the keys that are allowed, and what was probably meant.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from afterbay.advice import AdvisedBuild
from afterbay.compile.document import Document
from afterbay.compile.draft import DraftNode
from afterbay.compile.envelope import NODE_KEYS, NodeSection
from afterbay.compile.findings import Findings
from afterbay.compile.option_faults import Location, keys_of, location, models_at, relevant
from afterbay.compile.registry import Registry, option_names
from afterbay.compile.suggest import closest, did_you_mean, listed
from afterbay.errors import Diagnostic, PipelineInvalid
from afterbay.node import Node
from afterbay.printable import visible


def load_types(sections: Sequence[NodeSection], document: Document, registry: Registry) -> dict[str, type[Node]]:
    """The class of every type that is used. Raises PipelineInvalid with every type that is unknown or broken."""
    findings = Findings()
    found: dict[str, type[Node]] = {}
    for section in sections:
        spot = document.value_spot("nodes", section.name, "type")
        if section.type_name not in registry:
            findings.add(
                "node.unknown",
                f"there is no node type '{visible(section.type_name)}' (node '{section.name}')",
                spot,
                registry.hint_for(section.type_name),
            )
            continue
        try:
            found[section.type_name] = registry.load(section.type_name)
        except PipelineInvalid as error:
            for item in error.diagnostics:
                findings.add(item.code, item.message, spot, item.hint or "this is a fault of the pack")
    findings.stop()
    return found


def build_nodes(
    sections: Sequence[NodeSection],
    document: Document,
    registry: Registry,
    classes: Mapping[str, type[Node]],
    folder: Path,
    warnings: Findings,
) -> tuple[DraftNode, ...]:
    """The declarations. `warnings` gets their advice. Raises PipelineInvalid with every option that is wrong."""
    findings = Findings()
    drafts: list[DraftNode] = []
    for section in sections:
        options = _Options(section, document, registry, classes)
        context = AdvisedBuild(folder)
        try:
            node = classes[section.type_name].model_validate(dict(section.options), context=context)
        except ValidationError as error:
            options.tell(error.errors(include_url=False, include_input=False), findings)
        except PipelineInvalid as error:
            for item in error.diagnostics:
                options.pass_on(item, findings)
        else:
            drafts.append(DraftNode(section.name, node, section.inputs, section.parallelism))
            for item in context.heard:
                options.pass_on(item, warnings)
    findings.stop()
    return tuple(drafts)


class _Options:
    """The options of one node, as far as messages are concerned."""

    def __init__(
        self, section: NodeSection, document: Document, registry: Registry, classes: Mapping[str, type[Node]]
    ) -> None:
        self._section = section
        self._document = document
        self._registry = registry
        self._classes = classes
        self._node = classes[section.type_name]

    def tell(self, details: Sequence[ErrorDetails], findings: Findings) -> None:
        """Pydantic's findings, as ours."""
        for detail, text in relevant(details, self._known_part):
            self._tell(detail, text, findings)

    def _tell(self, detail: ErrorDetails, text: str, findings: Findings) -> None:
        loc = location(detail)
        where = f"node '{self._section.name}' ({self._section.type_name})"
        path = ("nodes", self._section.name, *self._known_part(loc))
        name = visible(".".join(str(part) for part in path[2:]))
        if detail["type"] == "missing":
            missing = visible(str(loc[-1]))
            message = f"{where} needs the key '{missing}'" + (f" in '{name}'" if name else "")
            findings.add("option.missing", message, self._document.key_spot(*path), self._about(loc))
        elif detail["type"] == "extra_forbidden":
            key = str(loc[-1])
            message = f"{where} has no key '{visible(key)}'" + (
                f" in '{name.rpartition('.')[0]}'" if len(loc) > 1 else ""
            )
            hint = self._hint_for_key(key) if len(loc) == 1 else self._hint_for_inner_key(loc)
            findings.add("option.unknown", message, self._document.key_spot(*path), hint)
        else:
            unwritten = str(loc[0]) if loc and str(loc[0]) in option_names(self._node) else ""  # set by another option
            option = f" '{name or unwritten}'" if name or unwritten else ""
            findings.add(
                "option.invalid",
                f"{where}{option}: {visible(text)}",
                self._document.value_spot(*path) if name else self._document.key_spot(*path),
                self._hint_for_value(detail, text),
            )

    def pass_on(self, item: Diagnostic, findings: Findings) -> None:
        """A finding that the node made itself: at the option that it names, or that its code starts with (`uri.…`)."""
        first = item.code.partition(".")[0]
        field = item.field or (first if first in option_names(self._node) else "")
        path = ("nodes", self._section.name, *self._known_part(tuple(part for part in field.split(".") if part)))
        spot = self._document.value_spot(*path) if len(path) > 2 else self._document.key_spot(*path)
        message = f"node '{self._section.name}' ({self._section.type_name}): {item.message}"
        findings.add(item.code, message, spot, item.hint or self._about(path[2:]), item.field)

    def _known_part(self, loc: Location) -> Location:
        """The part of a pydantic location that the file has: unions and validators put their own names into it."""
        known: Location = ()
        for part in loc:
            if self._document.has("nodes", self._section.name, *known, part):
                known = (*known, part)
        return known

    def _hint_for_key(self, key: str) -> str:
        own = (*option_names(self._node), *NODE_KEYS)
        guess = closest(key, own)
        if guess is not None:
            return f"did you mean '{guess}'?"
        plain = key.replace("-", "_")
        owner = next((name for name, node in self._others() if plain in option_names(node)), None)
        return f"`{plain}` is a key of {owner}" if owner is not None else f"the keys here are: {listed(own)}"

    def _hint_for_inner_key(self, loc: Location) -> str:
        keys = keys_of(models_at(self._node, loc[:-1]))
        return did_you_mean(str(loc[-1]), keys, otherwise="the keys here are")

    def _others(self) -> Iterator[tuple[str, type[Node]]]:
        """All other types, those of this pipeline first."""
        yield from self._classes.items()
        yield from self._registry.loadable()

    def _hint_for_value(self, detail: ErrorDetails, text: str) -> str:
        if detail["type"] in ("string_type", "string_unicode") and " or " not in text:
            return "quote the value to make it text"
        return self._about(location(detail))

    def _about(self, loc: Location) -> str:
        """What the option is for, with an example where it has an inner form; or where to read it."""
        for end in range(len(loc), 0, -1):
            for model in models_at(self._node, loc[: end - 1]):
                for name, field in model.model_fields.items():
                    if loc[end - 1] in (name, field.alias) and field.description:
                        example = f"; such as {json.dumps(field.examples[0])}" if field.examples else ""
                        return f"`{field.alias or name}`: {field.description.removesuffix('.')}{example}"
        return f"`afterbay nodes show {self._section.type_name}` tells the keys and their values"
