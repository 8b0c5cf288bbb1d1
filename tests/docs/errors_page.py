"""`docs/errors.md` from the code: every stable code that a refusal or a finding can have.

A code is what stands as ``group.name`` at the head of a call that makes an error, or as the value of a rule. What it
says is taken from the call: the text as far as it is fixed, `…` where names and values come in.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from afterbay.invariants import PROTECTED
from afterbay_nodes.bucket.findings import _HINTS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "errors.md"
CODE = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
EXITS = {"RunFailed": 1, "PipelineInvalid": 2, "EnvironmentRefused": 3}
OTHER_CALLS = frozenset({"logging.getLogger", "Path", "Decimal", "self._meter.tracer.start_as_current_span"})
HEAD = """\
# Errors and findings

Every code that a refusal, a bad line or a finding can have, in groups. The code is stable and stands in `[brackets]`
behind the place; `--json` has it as `code`. A text is given as far as it is fixed: `…` stands for names and values. The
exit code is that of the command where the error ends it: 1 the run failed, 2 the pipeline or the call is invalid, 3 the
environment refused. Where a refusal keeps an [invariant](architecture.md), its number is given.

Made from the code by `python -m tests.docs`.
"""


@dataclass
class Known:
    """What the code says about one error code."""

    texts: dict[str, None] = field(default_factory=dict)
    hints: dict[str, None] = field(default_factory=dict)
    exits: set[int] = field(default_factory=set)


def page() -> str:
    """The whole page."""
    groups: dict[str, dict[str, Known]] = defaultdict(dict)
    for code, known in sorted(codes().items()):
        groups[code.partition(".")[0]][code] = known
    parts = [HEAD]
    for group, members in sorted(groups.items()):
        parts += [f"## `{group}`\n", "| code | exit | says | hint |", "|---|---|---|---|"]
        for code, known in members.items():
            exits = ", ".join(map(str, sorted(known.exits)))
            protected = PROTECTED.get(code)
            mark = f" ({protected.name})" if protected is not None else ""
            parts.append(f"| `{code}`{mark} | {exits} | {_cell(known.texts)} | {_cell(known.hints)} |")
        parts.append("")
    return "\n".join(parts)


def codes() -> dict[str, Known]:
    """By code, everything that is fixed about it."""
    found: dict[str, Known] = defaultdict(Known)
    folders = (ROOT / "framework" / "afterbay", ROOT / "nodes" / "afterbay_nodes")
    trees = [ast.parse(path.read_text("utf-8")) for folder in folders for path in sorted(folder.rglob("*.py"))]
    constants = {name: code for tree in trees for name, code in _constants(tree)}
    for tree in trees:
        locals_of = dict(_local_texts(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                _of_call(node, constants, locals_of.get(id(node), {}), found)
            elif isinstance(node, ast.Tuple) and len(node.elts) > 1:
                code, said = _text(node.elts[0]), _text(node.elts[1])
                if code is not None and said is not None and CODE.fullmatch(code):
                    found[code].texts[said] = None
            elif isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
                for _, code in _constants(node):
                    found[code]  # known, whatever is said with it
    for rule, hint in _HINTS.items():
        found[rule.value].hints[hint] = None
    return {code: known for code, known in found.items() if not code.startswith("afterbay.")}  # loggers, groups


def _local_texts(tree: ast.AST) -> Iterator[tuple[int, dict[str, list[str]]]]:
    """By call (its id): the texts that the names of its function were given."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            texts: dict[str, list[str]] = defaultdict(list)
            for node in ast.walk(function):
                if (
                    isinstance(node, ast.Assign)
                    and isinstance(node.targets[0], ast.Name)
                    and (text := _text(node.value))
                ):
                    texts[node.targets[0].id].append(text)
            yield from ((id(node), texts) for node in ast.walk(function) if isinstance(node, ast.Call))


def _constants(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names of the module or class that stand for a code, or for something that looks like one."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            value = _text(node.value) if node.value is not None else None
            if value is not None and CODE.fullmatch(value):
                yield name, value


def _of_call(
    call: ast.Call, constants: dict[str, str], texts: Mapping[str, Sequence[str]], found: dict[str, Known]
) -> None:
    name = ast.unparse(call.func)
    if name in OTHER_CALLS:
        return
    chosen = [
        (index, code)
        for index, argument in enumerate(call.args)
        for branch in ((argument.body, argument.orelse) if isinstance(argument, ast.IfExp) else (argument,))
        if (code := _text(branch) or constants.get(ast.unparse(branch))) is not None and CODE.fullmatch(code)
    ]
    for index, code in chosen:
        known = found[code]
        if name in EXITS:
            known.exits.add(EXITS[name])
        if index + 1 < len(call.args):
            known.texts |= dict.fromkeys(_texts(call.args[index + 1], texts))
        for keyword in call.keywords:
            if keyword.arg == "hint":
                known.hints |= dict.fromkeys(_texts(keyword.value, texts))


def _texts(node: ast.expr, texts: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """What an argument may say: itself, or what its name was given."""
    text = _text(node)
    return texts.get(node.id, ()) if isinstance(node, ast.Name) else () if text is None else (text,)


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return None


def _cell(texts: dict[str, None]) -> str:
    return "<br>".join(_escaped(text) for text in texts)


def _escaped(text: str) -> str:
    """Plain text within a table."""
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
    return re.sub(r"([*_\[\]])", r"\\\1", shown) if "`" not in shown else shown
