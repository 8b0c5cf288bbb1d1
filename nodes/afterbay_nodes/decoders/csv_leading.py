"""Which columns stand before a table's own in a file without a header: told from its first rows, or refused.

A schema file does not say which columns are virtual, and rows do not carry those. Where no statement tells either, as
many fields may mean "commit-ts, and one column is virtual" or "no commit-ts, and all columns": if the values fit both,
only whoever wrote the file knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

import pyarrow as pa

from afterbay.errors import RunFailed
from afterbay.schema import INTEGER_TYPES, Column, TableSchema
from afterbay_nodes.decoders.csv_fields import BadField, Field
from afterbay_nodes.decoders.csv_form import NAMES, CsvForm, Leading
from afterbay_nodes.decoders.stored_rows import bad_row
from afterbay_nodes.decoders.text_values import BadText, values_of

BARE_TYPES = frozenset({*INTEGER_TYPES, "year", "bit", "float", "double"})
"""Their values stand without quotes."""

HINT = "say whether the files have it: --csv-commit-ts yes, or no"

_ROWS = 32
"""Rows that are looked at: ids that fall, or a commit-ts that does not, tell most tables apart."""

_COMMIT_TS = re.compile(rb"[0-9]{1,20}")
_FLAGS = (b"true", b"false")
_Rows = Sequence[Sequence[Field]]


def leading_of_rows(found: Iterator[list[Field]], schema: TableSchema, form: CsvForm, key: str) -> Leading:
    """Told from the first rows of `found`, of which there is one at least.

    Raises RunFailed `csv.columns` if the number of fields fits no reading, `csv.ambiguous` if it fits several; BadField
    if the first row is none.
    """
    first = next(found)
    readings = [Leading(dated, flagged) for dated in (False, True) for flagged in (False, True)]
    readings = [leading for leading in readings if form.commit_ts in (None, leading.commit_ts)]
    own = len(schema.stored_columns)
    whole = [it for it in readings if len(first) == it.count + own and _leads(it, [first])]
    if not whole:
        raise _misfit(len(first), schema, form, key)
    rows: _Rows = [first]
    for other in readings:
        missing = other.count + own - len(first)
        # Some column is stored.
        if 0 < missing < own and _leads(other, [first]):
            rows = rows if len(rows) > 1 else [first, *_more(found, len(first))]
            likely = _leads(other, rows) and (not other.commit_ts or _rises(rows, schema))
            if likely and _fits(other, missing, rows, schema, form):
                raise _ambiguous(whole[0], other, missing, schema, form, key)
    return whole[0]


def _more(found: Iterator[list[Field]], width: int) -> Iterator[list[Field]]:
    """Some rows more, up to one that is damaged: what it is, is told when it is read."""
    try:
        for row in islice(found, _ROWS):
            if len(row) != width:
                return
            yield row
    except BadField:
        return


def _leads(leading: Leading, rows: _Rows) -> bool:
    """True if the leading fields of all rows can be what `leading` says."""
    if leading.commit_ts:
        fields = [row[NAMES] for row in rows]
        if not all(not field.quoted and _COMMIT_TS.fullmatch(field.text or b"") for field in fields):
            return False
    at = leading.count - 1
    return not leading.is_update or all(row[at].text in _FLAGS and not row[at].quoted for row in rows)


def _rises(rows: _Rows, schema: TableSchema) -> bool:
    """True if the fields where a commit-ts stands are of the table's version and never fall, as a commit-ts does."""
    numbers = [int(row[NAMES].text or b"") for row in rows]
    return schema.version <= numbers[0] < 1 << 64 and all(earlier <= later for earlier, later in pairwise(numbers))


def _fits(leading: Leading, missing: int, rows: _Rows, schema: TableSchema, form: CsvForm) -> bool:
    """True if all fields behind the leading ones fit the columns in their order without `missing` of them."""
    width = len(rows[0]) - leading.count
    reached = {0}  # how many columns can have been left out so far
    for at, column in enumerate(schema.stored_columns):
        kept = {
            left
            for left in reached
            if at - left < width and _fit(column, [row[leading.count + at - left] for row in rows], form)
        }
        # No key is virtual.
        passed = set() if column.primary_key else {left + 1 for left in reached if left < missing}
        reached = kept | passed
    return missing in reached


def _fit(column: Column, fields: Sequence[Field], form: CsvForm) -> bool:
    quoted = column.type not in BARE_TYPES
    if column.primary_key and any(field.text is None for field in fields):
        return False
    if form.dialect.quote and any(field.text is not None and field.quoted != quoted for field in fields):
        return False
    try:
        text = pa.array([None if field.text is None else field.text.decode() for field in fields], pa.utf8())
        values_of(column, text, binary=form.binary, by_name=True)
    except (BadText, UnicodeDecodeError):
        return False
    return True


def _misfit(fields: int, schema: TableSchema, form: CsvForm, key: str) -> RunFailed:
    own = len(schema.stored_columns)
    dated = {None: "[commit-ts], ", True: "commit-ts, ", False: ""}[form.commit_ts]
    least, most = NAMES + own + (form.commit_ts is True), NAMES + own + 1 + (form.commit_ts is not False)
    return bad_row(
        "csv.columns",
        f"the row has {fields} fields; the {own} columns of its version and operation, table, schema, {dated}"
        f"[is-update] make {least} to {most}",
        schema=schema,
        key=key,
        row=1,
        hint="check the delimiter and the quote; or the table has a virtual column, which rows do not carry",
    )


def _ambiguous(one: Leading, other: Leading, missing: int, schema: TableSchema, form: CsvForm, key: str) -> RunFailed:
    columns = "one column is" if missing == 1 else f"{missing} columns are"
    return bad_row(
        "csv.ambiguous",
        f"the rows can be read as {_told(one)} and all {len(schema.stored_columns)} columns, or as {_told(other)}, if "
        f"{columns} virtual",
        schema=schema,
        key=key,
        row=1,
        hint=HINT if form.commit_ts is None else "only who wrote the files knows: their statements do not tell",
    )


def _told(leading: Leading) -> str:
    dated = "a commit-ts" if leading.commit_ts else "no commit-ts"
    return f"{dated} and is-update" if leading.is_update else dated
