"""A read pipeline file: its values as plain data, and where each of them stands.

Between the tree and the values lies interpolation: `${VAR}`, `${VAR:-default}`, `${VAR:?why}` in scalars, `$${` for a
literal `${`. It works on parsed scalars, so a variable's value can never become structure. An unquoted scalar that is
one reference and nothing else is typed by YAML's rules (`shards: ${SHARDS}` is a number); all others stay text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from afterbay.compile.findings import Findings
from afterbay.compile.scalars import Scalar, typed
from afterbay.compile.source_text import SourceText, Span, Spot
from afterbay.compile.suggest import closest
from afterbay.compile.tree import MAX_CHARACTERS, Entries, Items, Text, Tree
from afterbay.printable import visible

Value = Scalar | list["Value"] | dict[str, "Value"]
Path = tuple[str | int, ...]

_REFERENCE = re.compile(
    r"(?P<escaped>\$\$\{)"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<how>:-|:\?)(?P<rest>[^}]*))?\}"
    r"|(?P<broken>\$\{[^}]*\}?)"
)


@dataclass(frozen=True, slots=True)
class _Where:
    key: Span | None
    value: Span


class Document:
    """The values of a file with their places. A path is made of keys and list indices."""

    def __init__(self, root: Entries, source: SourceText, env: Mapping[str, str]) -> None:
        """Raises PipelineInvalid for every reference that cannot be resolved."""
        self.source = source
        self._places: dict[Path, _Where] = {(): _Where(None, root.span)}
        interpolation = _Interpolation(env, source)
        value = self._walk(root, (), interpolation)
        interpolation.findings.stop()
        assert isinstance(value, dict)
        self.root: dict[str, Value] = value

    def value_spot(self, *path: str | int) -> Spot:
        """Where the value at `path` stands; what is not in the file is looked for at the key around it."""
        where, exact = self._nearest(path)
        return self.source.spot(where.value if exact or where.key is None else where.key)

    def key_spot(self, *path: str | int) -> Spot:
        """Where the key of `path` stands; for list items and what is not in the file, the nearest around it."""
        where, _ = self._nearest(path)
        return self.source.spot(where.key or where.value)

    def has(self, *path: str | int) -> bool:
        """True if the file says something at `path`."""
        return path in self._places

    def _nearest(self, path: Path) -> tuple[_Where, bool]:
        """The place at or around `path`, and whether it is the value itself (a lone item stands for its list)."""
        exact = True
        while path not in self._places:
            exact = exact and isinstance(path[-1], int)
            path = path[:-1]
        return self._places[path], exact

    def _walk(self, tree: Tree, path: Path, interpolation: _Interpolation) -> Value:
        if isinstance(tree, Text):
            return interpolation.value_of(tree)
        if isinstance(tree, Items):
            out: list[Value] = []
            for index, item in enumerate(tree.items):
                self._places[*path, index] = _Where(None, item.span)
                out.append(self._walk(item, (*path, index), interpolation))
            return out
        mapping: dict[str, Value] = {}
        for key, item in tree.entries:
            self._places[*path, key.text] = _Where(key.span, item.span)
            mapping[key.text] = self._walk(item, (*path, key.text), interpolation)
        return mapping


class _Interpolation:
    """Resolves references against `env`. Collects what cannot be resolved."""

    def __init__(self, env: Mapping[str, str], source: SourceText) -> None:
        self.findings = Findings()
        self._env = env
        self._source = source
        self._written = 0

    def value_of(self, scalar: Text) -> Value:
        """The scalar's value with its references resolved."""
        if "${" not in scalar.text:
            return typed(scalar.text) if scalar.plain else scalar.text
        text = _REFERENCE.sub(lambda match: self._resolved(match, scalar.span), scalar.text)
        whole = _REFERENCE.fullmatch(scalar.text)
        is_reference = whole is not None and whole["name"] is not None
        return typed(text) if scalar.plain and is_reference else text

    def _resolved(self, match: re.Match[str], span: Span) -> str:
        if match["escaped"] is not None:
            return "${"
        if match["broken"] is not None:
            self._add(
                "variable.syntax",
                f"'{visible(match['broken'][:60])}' is no reference to a variable",
                span,
                "write ${NAME}, ${NAME:-default} or ${NAME:?why}; $${ stands for a literal ${",
            )
            return ""
        name, how, rest = match["name"], match["how"], match["rest"] or ""
        if "${" in rest:
            self._add("variable.syntax", f"the default of ${{{name}}} holds a reference", span, "use one variable")
            return ""
        value = self._env.get(name)
        if value or (how is None and value is not None):
            # As in a shell, `:-` and `:?` take an empty variable for a missing one.
            return self._counted(value, span)
        if how == ":-":
            return rest
        what = "is not set" if value is None else "is empty"
        why = f": {visible(rest)}" if rest else ""
        guess = None if value is not None else closest(name, self._env)
        near = f"did you mean ${{{guess}}}? if not, " if guess is not None else ""
        default = f", or give a default: ${{{name}:-…}}" if how is None else ""
        hint = f"{near}set {name}{default}"
        self._add("variable.missing", f"the variable {name} {what}{why}", span, hint)
        return ""

    def _counted(self, value: str, span: Span) -> str:
        self._written += len(value)
        if self._written > MAX_CHARACTERS:
            self._add(
                "variable.size",
                f"the variables' values make more than {MAX_CHARACTERS} characters",
                span,
                "shorten them",
            )
            self.findings.stop()
        return value

    def _add(self, code: str, message: str, span: Span, hint: str) -> None:
        self.findings.add(code, message, self._source.spot(span), hint)
