"""The option that chooses tables, for verbs over stores."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from afterbay.errors import PipelineInvalid
from afterbay.printable import visible

if TYPE_CHECKING:
    from afterbay.schema import TableName
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

_NAMED = 5


def table_rules(patterns: list[str] | None) -> TableRules | None:
    """What `--tables` says, None for all tables. Raises PipelineInvalid for what is no pattern."""
    from afterbay_nodes.transforms.table_rules import TableRules

    if not patterns:
        return None
    try:
        return TableRules.parse(patterns)
    except ValueError as error:
        raise PipelineInvalid("call.invalid", f"--tables: {error}", hint="for example --tables 'shop.*'") from error


def refuse_idle(rules: TableRules | None, names: Collection[TableName], display: str) -> None:
    """Raises PipelineInvalid if `--tables` matches none of a store's tables: "all is well" would be said of nothing."""
    if rules is None or not names or any(map(rules.matches, names)):
        return
    some = ", ".join(visible(str(name)) for name in sorted(names)[:_NAMED])
    raise PipelineInvalid(
        "call.tables",
        f"--tables matches none of the {len(names)} tables of {display}",
        hint=f"it has {some}{', …' if len(names) > _NAMED else ''}; 'afterbay ls' shows all",
    )
