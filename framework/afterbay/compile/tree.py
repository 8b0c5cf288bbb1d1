"""Bytes -> a tree of scalars, lists and mappings that all know where they stand in the file.

YAML 1.2 by ruamel's event parser; the tree is built here, without recursion and with a budget, so that a hostile file
(a bomb of aliases, thousands of brackets) is refused before it costs anything. Refused as well: duplicate keys,
several documents, tags, keys that are not text, other encodings than UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from afterbay.compile.findings import Findings
from afterbay.compile.source_text import FILE_START, SourceText, Span
from afterbay.printable import visible

MAX_BYTES = 1 << 20
MAX_VALUES = 20_000
MAX_CHARACTERS = 4 * MAX_BYTES
MAX_DEPTH = 32

_TOO_DEEP = "no option of a node is that deep: is a bracket left open?"
_ESCAPE = 'write it as an escape in double quotes, such as "\\t"'
_QUOTE = "check the indentation and the brackets, and quote text that holds ': ', '#', '{' or '['"


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as written. `plain`: unquoted, so that the core schema decides what it means."""

    text: str
    plain: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Tree, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entries:
    """A mapping; keys are unique."""

    entries: tuple[tuple[Text, Tree], ...]
    span: Span


Tree = Text | Items | Entries


@dataclass(frozen=True, slots=True)
class _Weight:
    """What a subtree costs where it is used: aliases count each time."""

    values: int
    characters: int
    depth: int


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read; `values` and `characters` are the totals before it."""

    is_mapping: bool
    span: Span
    anchor: str | None
    values: int
    characters: int
    depth: int = 0
    children: list[Tree] = field(default_factory=list)


class _Refused(Exception):
    """Carries the place of the fault out of the loop. Never leaves this module."""

    def __init__(self, code: str, message: str, span: Span, hint: str) -> None:
        super().__init__(message)
        self.code, self.message, self.span, self.hint = code, message, span, hint


def read_tree(data: bytes, file: str) -> tuple[Entries, SourceText]:
    """The file's root mapping and its text. Raises PipelineInvalid with every finding that can be told at once."""
    findings = Findings()
    if len(data) > MAX_BYTES:
        findings.add(
            "yaml.size",
            f"the file has more than {MAX_BYTES} bytes: it is no pipeline file",
            SourceText(file, "").spot(FILE_START),
            "was another file meant?",
        )
        findings.stop()
    text = _decoded(data, file, findings)
    source = SourceText(file, text)
    try:
        root = _Builder(findings, source).build(text)
    except _Refused as refused:
        findings.add(refused.code, refused.message, source.spot(refused.span), refused.hint)
        root = None
    findings.stop()
    if not isinstance(root, Entries):
        what = "a list" if isinstance(root, Items) else "a single value" if root is not None else "empty"
        findings.add(
            "yaml.root",
            f"a pipeline file is a mapping with the keys 'name', 'state' and 'nodes'; this one is {what}",
            source.spot(root.span if root is not None else FILE_START),
            "start with `nodes:`, or let `afterbay init` write a first file",
        )
        findings.stop()
    assert isinstance(root, Entries)
    return root, source


def _decoded(data: bytes, file: str, findings: Findings) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        findings.add(
            "yaml.encoding",
            f"the file is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}",
            SourceText(file, data.decode("utf-8-sig", "replace")).spot(Span.point(line, column)),
            "save the file as UTF-8",
        )
        findings.stop()
        raise


class _Builder:
    """Builds the tree from parser events. Owns the anchors and the budget."""

    def __init__(self, findings: Findings, source: SourceText) -> None:
        self._findings = findings
        self._source = source
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Tree, _Weight]] = {}
        self._root: Tree | None = None
        self._values = 0
        self._characters = 0

    def build(self, text: str) -> Tree | None:
        """The root, or None for an empty file. Raises `_Refused` where reading on makes no sense."""
        from ruamel.yaml import events as yaml

        documents = 0
        for event in _events(text):
            span = _span(event)
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Refused("yaml.documents", "a pipeline file is one document", span, "remove the second `---`")
                if event.version not in (None, (1, 2)):
                    raise _Refused("yaml.version", "pipeline files are YAML 1.2", span, "remove the %YAML line")
            elif isinstance(event, yaml.ScalarEvent):
                tag = self._tag(event, span, "str")
                value = self._joined(str(event.value), span)
                scalar = Text(value, event.style is None and tag is None, span)
                self._add(scalar, _Weight(1, len(value), 0), event.anchor)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event.anchor, span)
            elif isinstance(event, yaml.MappingStartEvent):
                self._tag(event, span, "map")
                self._start(_Open(True, span, event.anchor, self._values, self._characters))
            elif isinstance(event, yaml.SequenceStartEvent):
                self._tag(event, span, "seq")
                self._start(_Open(False, span, event.anchor, self._values, self._characters))
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self._end()
        return self._root

    def _joined(self, text: str, span: Span) -> str:
        """`text` with the pairs of surrogates that JSON writes for one character joined; a lone one is told."""
        if text.isascii():
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            message = "an escape stands for half a character (a lone surrogate)"
            self._findings.add("yaml.character", message, self._source.spot(span), "write the character itself")
            return ""

    def _tag(self, event: Any, span: Span, kind: str) -> str | None:
        tag = None if event.ctag is None else str(event.tag)
        if tag not in (None, "!", f"tag:yaml.org,2002:{kind}"):
            self._findings.add(
                "yaml.tag",
                f"the tag {visible(str(tag))} means nothing in a pipeline file",
                self._source.spot(span),
                "remove the tag; quote a value to make it text",
            )
        return tag

    def _alias(self, name: str, span: Span) -> None:
        if any(item.anchor == name for item in self._open):
            raise _Refused("yaml.alias", f"'*{visible(name)}' refers to what it stands in", span, "write the value out")
        if name not in self._anchors:
            raise _Refused(
                "yaml.alias",
                f"'*{visible(name)}' refers to no anchor above it",
                span,
                f"write &{visible(name)} before the value",
            )
        tree, weight = self._anchors[name]
        self._add(replace(tree, span=span), weight, None)

    def _start(self, item: _Open) -> None:
        self._open.append(item)
        if len(self._open) > MAX_DEPTH:
            raise _Refused("yaml.depth", f"more than {MAX_DEPTH} levels deep", item.span, _TOO_DEEP)

    def _end(self) -> None:
        done = self._open.pop()
        weight = _Weight(self._values - done.values + 1, self._characters - done.characters, done.depth + 1)
        tree = self._mapping(done) if done.is_mapping else Items(tuple(done.children), done.span)
        # What is below was counted when it was added.
        self._values, self._characters = done.values, done.characters
        self._add(tree, weight, done.anchor)

    def _add(self, tree: Tree, weight: _Weight, anchor: str | None) -> None:
        self._values += weight.values
        self._characters += weight.characters
        if self._values > MAX_VALUES or self._characters > MAX_CHARACTERS:
            raise _Refused(
                "yaml.size",
                f"more than {MAX_VALUES} values or {MAX_CHARACTERS} characters; an alias counts as what it repeats",
                tree.span,
                "split the pipeline into several files",
            )
        if len(self._open) + weight.depth > MAX_DEPTH:
            raise _Refused("yaml.depth", f"more than {MAX_DEPTH} levels deep", tree.span, _TOO_DEEP)
        if anchor is not None:
            self._anchors[anchor] = (tree, weight)
        if self._open:
            parent = self._open[-1]
            parent.children.append(tree)
            parent.depth = max(parent.depth, weight.depth)
        else:
            self._root = tree

    def _mapping(self, done: _Open) -> Entries:
        found: dict[str, tuple[Text, Tree]] = {}
        for key, value in zip(done.children[::2], done.children[1::2], strict=True):
            if not isinstance(key, Text):
                self._findings.add(
                    "yaml.key",
                    "a key is a word, not a list or a mapping",
                    self._source.spot(key.span),
                    "write `key: value`",
                )
            elif key.plain and key.text == "<<":
                self._findings.add(
                    "yaml.merge",
                    "the merge key '<<' is not YAML 1.2",
                    self._source.spot(key.span),
                    "write the keys out, or repeat a whole value by an anchor (&name) and an alias (*name)",
                )
            elif key.text in found:
                self._findings.add(
                    "yaml.duplicate",
                    f"the key '{visible(key.text)}' is here twice",
                    self._source.spot(key.span),
                    f"it was first given in line {found[key.text][0].span.line}: keep one of the two",
                )
            else:
                found[key.text] = (key, value)
        return Entries(tuple(found.values()), done.span)


def _events(text: str) -> Iterator[Any]:
    """The parser's events. Raises `_Refused` at a syntax error."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        span = FILE_START if mark is None else Span.point(mark.line + 1, mark.column + 1)
        parts = [str(part) for part in (error.problem, error.context) if part]
        raise _Refused("yaml.syntax", visible(", ".join(parts)), span, _syntax_hint(text, span)) from error
    except ReaderError as error:
        before = text[: error.position]
        span = Span.point(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise _Refused(
            "yaml.character", f"the character U+{error.character:04X} is not allowed", span, _ESCAPE
        ) from error
    except Exception as error:
        # The parser slips on strange input (it asserts, it indexes past the end): the file is at fault all the same.
        raise _Refused("yaml.syntax", f"this is not YAML: {visible(str(error))}", FILE_START, _QUOTE) from error


def _syntax_hint(text: str, span: Span) -> str:
    lines = text.split("\n")
    line = lines[span.line - 1] if span.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent by spaces: YAML allows no tabs there"
    if "{" in line and "${" in line:
        return 'inside { } and [ ], quote a reference: "${VAR}"'
    return _QUOTE


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)
