r"""Rows as COPY's text format takes them: tabs between values, `\N` for null, a backslash before what would be read.

The text format, not CSV: servers before version 17 take a line `\.` for the end of a CSV even inside of a text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, Column
from afterbay_nodes.apply.type_table import Temporal, is_named
from afterbay_nodes.apply.values import dates, decimal_text, names, spans, timestamps, without_nul
from afterbay_nodes.encoders.stored_values import hex_text

NULL = r"\N"
_ESCAPES = (("\\", r"\\"), ("\n", r"\n"), ("\r", r"\r"), ("\t", r"\t"))
_SPECIAL = r"[\\\n\r\t]"
_TEMPORAL: Mapping[str, Callable[[Column, pa.Array], pa.Array]] = {
    "date": dates,
    "datetime": timestamps,
    "timestamp": timestamps,
    "time": spans,
}


def copied(column: Column, values: pa.Array | pa.ChunkedArray, temporal: Temporal) -> pa.Array:
    """A column's values as text for COPY, nulls left null. Raises `values.Unfit`."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if column.type in INTEGER_TYPES or column.type in ("year", "bit"):
        return whole.cast(pa.utf8())
    if column.type in ("float", "double"):
        return _reals(whole)
    if column.type in BINARY_TYPES:
        return pc.binary_join_element_wise(r"\\x", hex_text(whole), "")
    if column.type == "decimal":
        return decimal_text(column, whole)
    if temporal is Temporal.NATIVE and column.type in _TEMPORAL:
        _TEMPORAL[column.type](column, whole)
        return whole
    return _escaped(without_nul(column, names(column, whole) if is_named(column) else whole))


def copy_lines(columns: Sequence[pa.Array]) -> pa.Buffer:
    """The lines of all rows, as one buffer."""
    filled = [pc.fill_null(column, NULL) for column in columns]
    lines = pc.binary_join_element_wise(*filled, "\t") if len(filled) > 1 else filled[0]
    ended = pc.binary_join_element_wise(lines, "\n", "").cast(pa.large_utf8())
    if not len(ended):
        return pa.py_buffer(b"")
    offsets, data = ended.buffers()[1], ended.buffers()[2]
    first, last = (pa.Array.from_buffers(pa.int64(), len(ended) + 1, [None, offsets])[at].as_py() for at in (0, -1))
    return data.slice(first, last - first)


def _escaped(text: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring_regex(text, _SPECIAL)).as_py():
        return text
    for character, escape in _ESCAPES:
        text = pc.replace_substring(text, character, escape)
    return text


def _reals(values: pa.Array) -> pa.Array:
    text = values.cast(pa.utf8())
    for shown, name in (("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
        text = pc.if_else(pc.equal(text, shown), name, text)
    return text
