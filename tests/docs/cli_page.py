"""`docs/cli-reference.md` from the command line itself: every verb, argument, option and example."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from afterbay.cli.app import app

PAGE = Path(__file__).parents[2] / "docs" / "cli-reference.md"
HEAD = """\
# Every verb and option

What `afterbay VERB --help` says, on one page. How the verbs are meant to be used: [cli.md](cli.md).
Made from the program by `python -m tests.docs`.
"""
WIDTH = 100


def page() -> str:
    """The whole page."""
    root = get_command(app)
    return "\n".join([HEAD, *_sections(root, root.context_class(root, info_name="afterbay"))])


def _sections(command: Any, context: Any) -> Iterator[str]:
    """A verb's section, or those of the verbs below it. The classes of Typer's own click have no public names."""
    if not isinstance(command, TyperGroup):
        context.max_content_width = context.terminal_width = WIDTH
        yield f"## `{context.command_path.partition(' ')[2]}`\n"
        yield f"```text\n{command.get_help(context).rstrip()}\n```\n"
        return
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from _sections(below, below.context_class(below, info_name=name, parent=context))
