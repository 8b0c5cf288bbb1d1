"""A store against a database: what its rows and DDLs leave in the end is what the tables hold.

The store is applied to a scratch copy by the very code of `apply`, so that DDLs, defaults, conversions and types mean
the same; then both sides are subtracted from each other in SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from afterbay.errors import RunFailed
from afterbay.printable import visible
from afterbay_nodes.apply.engine import Apply, ApplyOptions
from afterbay_nodes.apply.report import ApplyReport
from afterbay_nodes.apply.states import LOG_COLUMNS, LOG_NUMBER, LOG_OP, LOG_ROW, LOG_SERIES, TableState
from afterbay_nodes.apply.type_table import Temporal
from afterbay_nodes.storage.names import escape
from afterbay_nodes.transforms.table_rules import TableRules
from afterbay_nodes.verify.chosen import Chosen
from afterbay_nodes.verify.database_pairs import Pair, Row, open_pair
from afterbay_nodes.verify.fault import Fault
from afterbay_nodes.verify.reached import Progress
from afterbay_nodes.verify.report import Question, Unchecked
from afterbay_nodes.verify.verifier import Checked, Findings

_SHOWN = 60
_OVERWRITTEN = Unchecked(
    "changes that later ones of the same row have overwritten", "a database holds the last state of each row only"
)


class AgainstDatabase:
    """A `Comparison` with a database, `sqlite:///FILE`, `duckdb:///FILE` or `postgresql://…`, which is only read.

    `temporal` is how it keeps dates and times, as `apply` was told. Needs temporary space for the store's tables.
    A store that cannot be applied raises RunFailed, unless it is a faulty one.
    """

    answers = frozenset({Question.ROWS})

    def __init__(self, uri: str, temporal: Temporal = Temporal.NATIVE, rules: TableRules | None = None) -> None:
        """`rules`: the tables that are compared."""
        self.name = f"the database {_display(uri)}"
        self._uri = uri
        self._temporal = temporal
        self._rules = rules

    def __call__(self, checked: Checked) -> Findings:
        """See `Comparison`."""
        found = Findings(unchecked=[_OVERWRITTEN, *Chosen(self._rules).unchecked(self.name)])
        with open_pair(self._uri, self._temporal) as pair:
            try:
                work = Apply(
                    checked.bucket,
                    pair.target,
                    ApplyOptions(rules=self._rules),
                    decoders=checked.decoders,
                    progress=_told(checked.progress),
                )
                work.round()
            except RunFailed as error:
                if not checked.is_faulty:
                    raise
                why = f"the store cannot be applied: {error.diagnostics[0].message}"
                found.unchecked.append(Unchecked(f"rows against {self.name}", why))
                return found
            states = sorted(pair.target.tables().values(), key=lambda state: state.name)
            for note in work.report.notes:
                found.unchecked.append(Unchecked(f"all rows against {self.name}", note))
            pair.filled()
            for state in states:
                if (open_why := _unchecked(pair, state)) is not None:
                    found.unchecked.append(Unchecked(f"rows of {state.name} against {self.name}", open_why))
                else:
                    found.faults += _table(pair, state)
        return found


def _told(progress: Progress) -> Callable[[ApplyReport], None]:
    """Tells of each transaction's rows."""
    before = 0

    def tell(report: ApplyReport) -> None:
        nonlocal before
        progress.compared(report.rows - before)
        before = report.rows

    return tell


def _unchecked(pair: Pair, state: TableState) -> str | None:
    """Why the rows of a table cannot be compared, if they cannot."""
    shape = pair.shape(state.name) if state.is_log and state.is_there else None
    if shape is None or not _is_original_log(state, shape):
        return None
    ((updates,),) = pair.rows(f"SELECT COUNT(*) FROM {pair.stored(state.name)} WHERE {LOG_OP} = 'U'")
    return "it has no key, and an update does not say which of its rows it changed" if updates else None


def _table(pair: Pair, state: TableState) -> Iterator[Fault]:
    """What differs of one table: its being there, its columns, its rows."""
    shape = pair.shape(state.name)
    if not state.is_there:
        if shape is not None:
            yield _fault(state, "against.table", "the store drops it, and the database has it")
        return
    if shape is None:
        yield _fault(state, "against.table", "the database does not have it")
        return
    differences = _columns(pair, state, shape)
    if differences:
        yield _fault(state, "against.columns", f"in the database {'; '.join(differences)}")
        return
    yield from _rows(pair, state, shape)


def _columns(pair: Pair, state: TableState, shape: dict[str, str]) -> list[str]:
    dialect = pair.dialect
    wanted = {dialect.column_name(column.name): column for column in state.columns}
    told = []
    for name, column in wanted.items():
        kind = dialect.type_of(column)
        if name not in shape:
            told.append(f"column {visible(name)!r} is missing")
        elif shape[name] != kind and not pair.is_original(state.name, column):
            told.append(f"column {visible(name)!r} is {shape[name] or 'without a type'}, not {kind or 'without'}")
    more = [name for name in shape if name not in wanted and name not in LOG_COLUMNS]
    return told + [f"column {visible(name)!r} is none of the store's" for name in more]


def _is_original_log(state: TableState, shape: dict[str, str]) -> bool:
    """True for a table without a key that is no copy: what was inserted into it and not deleted is there."""
    return state.is_log and not any(name in shape for name in LOG_COLUMNS)


def _rows(pair: Pair, state: TableState, shape: dict[str, str]) -> Iterator[Fault]:
    """Rows of one side that the other does not have: how many, and the first of them by key."""
    is_log = state.is_log and not _is_original_log(state, shape)
    logged = LOG_COLUMNS if is_log else ()
    columns = [*(pair.compared(column) for column in state.columns), *logged]
    columns_there = [*(pair.compared_there(state.name, column) for column in state.columns), *logged]
    names = [*(column.name for column in state.columns), *logged]
    keys = [LOG_SERIES, LOG_NUMBER, LOG_ROW] if is_log else list(state.keys) or names
    places = [names.index(key) for key in keys]
    ours = f"SELECT {', '.join(columns)} FROM {pair.stored(state.name)}"
    if state.is_log and not is_log:
        ours = f"{ours} WHERE {LOG_OP} = 'I' EXCEPT ALL {ours} WHERE {LOG_OP} = 'D'"
    theirs = f"SELECT {', '.join(columns_there)} FROM {pair.there(state.name)}"
    missing, first = _only(pair, ours, theirs, places)
    extra, first_extra = _only(pair, theirs, ours, places)
    same = first is not None and first_extra is not None and _key(first, places) == _key(first_extra, places)
    if first is not None and first_extra is not None and same:
        told = _differing(names, first, first_extra)
        more = f" ({missing} rows of the store are not there, {extra} are there that it does not have)"
        yield _fault(state, "against.row", f"row {_named(names, places, first)}: {told}{more}")
        return
    if first is not None:
        told = f"the database lacks {missing} rows of the store, the first is {_named(names, places, first)}"
        yield _fault(state, "against.missing", told)
    if first_extra is not None:
        told = (
            f"the database has {extra} rows that the store does not, the first is {_named(names, places, first_extra)}"
        )
        yield _fault(state, "against.extra", told)
    if first is None and first_extra is None and pair.is_set:
        (held,), (wanted,) = (pair.rows(f"SELECT COUNT(*) FROM ({query}) AS rest")[0] for query in (theirs, ours))
        if held != wanted:
            told = f"the database has {held} rows, the store {wanted}: some are there more than once"
            yield _fault(state, "against.extra", told)


def _only(pair: Pair, one: str, other: str, places: Sequence[int]) -> tuple[int, Row | None]:
    """(how many rows of a query another one does not have, the first by key)."""
    rest = f"SELECT * FROM ({one}) AS one {pair.difference} SELECT * FROM ({other}) AS other"
    ((count,),) = pair.rows(f"SELECT COUNT(*) FROM ({rest}) AS rest")
    if not count:
        return 0, None
    order = ", ".join(str(place + 1) for place in places)
    return int(count), pair.rows(f"SELECT * FROM ({rest}) AS rest ORDER BY {order} LIMIT 1")[0]


def _differing(names: Sequence[str], stored: Row, there: Row) -> str:
    for name, one, other in zip(names, stored, there, strict=True):
        if one != other:
            return f"column {visible(name)!r} is {_shown(one)}, in the database {_shown(other)}"
    return "it is another one in the database"


def _key(row: Row, places: Sequence[int]) -> Row:
    return tuple(row[place] for place in places)


def _named(names: Sequence[str], places: Sequence[int], row: Row) -> str:
    return ", ".join(f"{visible(names[place])}={_shown(row[place])}" for place in places)


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str | bytes) else str(value)
    return visible(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _fault(state: TableState, code: str, message: str) -> Fault:
    return Fault("/".join(map(escape, state.name)), 0, code, message, str(state.name))


def _display(uri: str) -> str:
    """A URI without what may be a secret."""
    scheme, _, rest = uri.partition("://")
    place = rest.partition("?")[0]
    return f"{scheme}://{place.rpartition('@')[2]}"
