"""Text as the server writes it, as a column of its mapped type; a value that this cannot hold is refused."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from afterbay.errors import Place, RunFailed
from afterbay.printable import visible
from afterbay_nodes.sources.postgres.type_table import Mapped
from afterbay_nodes.sources.postgres.values import BadValue

_SHOWN = 60


def typed(mapped: Mapped, text: pa.Array, table: str, position: Callable[[int], str]) -> pa.Array:
    """`text` (binary, compact, offset 0; nulls stay) as the column. `position` says where a row is, by its number.

    Raises RunFailed `postgres.value` for the first value that the column cannot hold.
    """
    if text.null_count == len(text):
        return pa.nulls(len(text), mapped.column.arrow_type)
    try:
        return mapped.values(text)
    except BadValue as error:
        name = visible(mapped.column.name)
        raise RunFailed(
            "postgres.value",
            f"column '{name}' ({visible(mapped.source)}) holds '{_shown(text[error.index].as_py())}', which {error}",
            place=Place(table=visible(table), position=position(error.index)),
            hint=f"name the column '{name}' under `as_text`: a text column holds every value as the server writes it"
            if error.as_text
            else None,
        ) from error


def _shown(value: bytes) -> str:
    shown = visible(value[: _SHOWN + 1].decode(errors="backslashreplace"))
    return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
