"""The option that chooses tables, for verbs over stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.errors import PipelineInvalid

if TYPE_CHECKING:
    from afterbay_nodes.transforms.table_rules import TableRules

Tables = Annotated[
    list[str] | None,
    typer.Option(
        "--tables",
        metavar="PATTERN",
        help="schema.table with * and ?, `!` in front excludes; the last that matches decides. Can be repeated.",
        show_default=False,
    ),
]


def table_rules(patterns: list[str] | None) -> TableRules | None:
    """What `--tables` says, None for all tables. Raises PipelineInvalid for what is no pattern."""
    from afterbay_nodes.transforms.table_rules import TableRules

    if not patterns:
        return None
    try:
        return TableRules.parse(patterns)
    except ValueError as error:
        raise PipelineInvalid("call.invalid", f"--tables: {error}", hint="for example --tables 'shop.*'") from error
