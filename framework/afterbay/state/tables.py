"""The SQL of `checkpoint.db`: files, positions, checkpoints, DDLs.

Every method runs inside the owner's transaction and looks before it writes: a call that raises RunFailed has written
nothing, so the others of its group commit without it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from afterbay.clock import Clock
from afterbay.errors import Place, RunFailed
from afterbay.instruments import StoreOutage
from afterbay.positions import ResumePoint, StoredPosition
from afterbay.printable import visible
from afterbay.schema import RowPosition
from afterbay.state.codec import decode_commit_ts, decode_object, encode_commit_ts, encode_cursor
from afterbay.state.records import Intent, OpenIntent, StoredTotals

_INTENT_COLUMNS = (
    "sink, partition, dispatcher, directory, number, path, "
    "first_commit_ts, first_ordinal, last_commit_ts, last_ordinal, rows, size, crc, header"
)


class Tables:
    """Reads and writes through the owner's connection; used by the thread that owns it only."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        (highest,) = connection.execute("select coalesce(max(id), 0) from intents").fetchone()
        # Numbers are never given twice by one process, so a late `finish` cannot hit another file's intent.
        self._next_intent = int(highest) + 1

    def identify(self, identity: str) -> None:
        """The pipeline's identity is written like this from now on."""
        self._connection.execute("update state set identity = ?", (identity,))

    def claim(self, sink: str, adopted: int | None = None, mark: str = "") -> None:
        """The sink takes its root. A second claim changes nothing but the mark, if it gives one."""
        self._connection.execute(
            "insert into sinks (sink, claimed_at, adopted) values (?, ?, ?) on conflict do nothing",
            (sink, self._now(), None if adopted is None else encode_commit_ts(adopted)),
        )
        if mark:
            self._connection.execute("update sinks set mark = ? where sink = ?", (mark, sink))

    def marked(self, sink: str) -> None:
        """The sink's mark is at its root."""
        self._connection.execute("update sinks set mark = '' where sink = ?", (sink,))

    def disclaim(self, sink: str) -> None:
        """The root is somebody else's. A sink that has stored something keeps its claim."""
        self._connection.execute(
            "delete from sinks where sink = ? and files = 0 and ddls = 0 "
            "and not exists (select 1 from intents where intents.sink = sinks.sink)",
            (sink,),
        )

    def begin(self, intent: Intent) -> int:
        """Opens an intent; gives its id."""
        if self._number_open(intent.sink, intent.directory) is not None:
            raise _refused("state.open", intent, "has an open file already: at most one a directory is under way (I6)")
        used = self._number_used(intent.sink, intent.directory)
        if used is not None and intent.number <= used:
            raise _refused("state.number", intent, f"has used the numbers up to {used}: {intent.number} is taken (I6)")
        position = self._position(intent)
        if position is not None and intent.first <= position:
            raise _refused(
                "state.repeated", intent, f"stores {intent.first} again: stored up to {position} already (I6)"
            )
        self.claim(intent.sink)
        number = self._next_intent
        self._next_intent += 1
        self._connection.execute(
            f"insert into intents (id, {_INTENT_COLUMNS}) values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
            (number, *_row(intent)),
        )
        return number

    def finish(self, intent_id: int) -> None:
        """The file is whole and indexed: done, counted, and the dispatcher's position is its last change (I4)."""
        intent = self._intent(intent_id)
        position = self._position(intent)
        if position is not None and intent.last < position:
            raise _refused("state.order", intent, f"ends at {intent.last}, below what is stored ({position}) (I4)")
        self._connection.execute("delete from intents where id = ?", (intent_id,))
        self._connection.execute(
            "update sinks set files = files + 1, rows = rows + ?, bytes = bytes + ? where sink = ?",
            (intent.rows, intent.size, intent.sink),
        )
        self.note_directory(intent.sink, intent.directory, intent.number)
        self._connection.execute(
            "insert or replace into positions "
            "(sink, partition, dispatcher, commit_ts, ordinal, directory, number, size) values (?,?,?,?,?,?,?,?)",
            (
                intent.sink,
                intent.partition,
                intent.dispatcher,
                encode_commit_ts(intent.last.commit_ts),
                intent.last.ordinal,
                intent.directory,
                intent.number,
                intent.size,
            ),
        )

    def withdraw(self, intent_id: int) -> None:
        """The file is not there and never will be: its number is free again."""
        intent = self._intent(intent_id)
        (covered,) = self._connection.execute(
            "select exists (select 1 from checkpoints where partition = ? and commit_ts >= ?)",
            (intent.partition, encode_commit_ts(intent.first.commit_ts)),
        ).fetchone()
        if covered:
            raise _refused(
                "state.withdraw",
                intent,
                "cannot be withdrawn: the checkpoint says that it is stored (I1)",
                hint="a data file is missing from the store: put it back, or start anew from an empty root",
            )
        self._connection.execute("delete from intents where id = ?", (intent_id,))

    def fence(self, intent_id: int) -> None:
        """As `withdraw`, but an empty file has taken the number, so that the dead process's put is refused."""
        intent = self._intent(intent_id)
        self.withdraw(intent_id)
        self.note_directory(intent.sink, intent.directory, intent.number)

    def note_directory(self, sink: str, directory: str, number: int) -> None:
        """`number` is used in the directory. Never falls."""
        self._connection.execute(
            "insert into directories (sink, directory, number) values (?, ?, ?) "
            "on conflict do update set number = max(number, excluded.number)",
            (sink, directory, number),
        )

    def directory_number(self, sink: str, directory: str) -> int | None:
        """The last number used, that of an open intent included; None if the state knows of none."""
        numbers = (self._number_used(sink, directory), self._number_open(sink, directory))
        return max((number for number in numbers if number is not None), default=None)

    def finish_ddl(self, sink: str, key: str, commit_ts: int) -> None:
        """The schema files of the DDL are visible. A second call changes nothing."""
        self.claim(sink)
        stored = self._connection.execute(
            "insert into ddls (sink, key, commit_ts) values (?, ?, ?) on conflict do nothing",
            (sink, key, encode_commit_ts(commit_ts)),
        )
        self._connection.execute("update sinks set ddls = ddls + ? where sink = ?", (stored.rowcount, sink))

    def checkpoint(self, partition: str, point: ResumePoint) -> None:
        """Writes the checkpoint row. Raises RunFailed if it would fall (I1)."""
        commit_ts = encode_commit_ts(point.commit_ts)
        written = self._connection.execute(
            "insert into checkpoints (partition, commit_ts, cursor, updated_at) values (?, ?, ?, ?) "
            "on conflict do update set commit_ts = excluded.commit_ts, cursor = excluded.cursor, "
            "updated_at = excluded.updated_at where excluded.commit_ts >= commit_ts",
            (partition, commit_ts, encode_cursor(point.cursor), self._now()),
        )
        if written.rowcount != 1:
            raise RunFailed(
                "state.checkpoint", f"the checkpoint of partition '{partition}' would fall to {commit_ts} (I1)"
            )

    def forget_ddls(self, commit_ts: int) -> None:
        """DDLs at or below every partition's checkpoint are not sent again: nobody will ask for them (I8)."""
        self._connection.execute("delete from ddls where commit_ts <= ?", (encode_commit_ts(commit_ts),))

    def note_outage(self, sink: str, outage: StoreOutage | None) -> None:
        """What the sink's store fails at; None: it works."""
        self._connection.execute("delete from outages where sink = ?", (sink,))
        if outage is not None:
            told = (outage.operation, visible(outage.key), visible(outage.reason))
            self._connection.execute(
                "insert into outages (sink, operation, key, reason, since) values (?, ?, ?, ?, ?)",
                (sink, *told, outage.since.isoformat(timespec="milliseconds")),
            )

    def forget_outages(self) -> None:
        """What a dead run noted."""
        self._connection.execute("delete from outages")

    def cleaned_before(self, sink: str, day: str) -> None:
        """The sink has removed, or will, what lies below `day`. Never falls."""
        self._connection.execute("update sinks set cleaned_before = max(cleaned_before, ?) where sink = ?", (day, sink))

    def cleaned(self) -> dict[str, str]:
        """By sink, the day below which files were removed; without those that never removed any."""
        rows = self._connection.execute("select sink, cleaned_before from sinks where cleaned_before <> ''")
        return {str(sink): str(day) for sink, day in rows}

    def totals(self) -> dict[str, StoredTotals]:
        """What each sink that has claimed its root has stored."""
        rows = self._connection.execute("select sink, files, rows, bytes, ddls from sinks")
        return {str(sink): StoredTotals(files, stored, size, ddls) for sink, files, stored, size, ddls in rows}

    def claimed(self) -> frozenset[str]:
        """Sinks that have claimed their root."""
        return frozenset(str(row[0]) for row in self._connection.execute("select sink from sinks"))

    def adopted(self) -> dict[str, int]:
        """By sink that took a root with files in it, the checkpoint that the root showed then."""
        rows = self._connection.execute("select sink, adopted from sinks where adopted is not null")
        return {str(sink): decode_commit_ts(shown) for sink, shown in rows}

    def marks(self) -> dict[str, str]:
        """By sink whose mark may not be at its root yet, the mark."""
        rows = self._connection.execute("select sink, mark from sinks where mark <> ''")
        return {str(sink): str(mark) for sink, mark in rows}

    def checkpoints(self) -> dict[str, ResumePoint]:
        """The checkpoint of each partition."""
        rows = self._connection.execute("select partition, commit_ts, cursor from checkpoints")
        return {partition: ResumePoint(decode_commit_ts(ts), decode_object(cursor)) for partition, ts, cursor in rows}

    def positions(self) -> Mapping[tuple[str, str, str], StoredPosition]:
        """Last stored change by (sink, partition, dispatcher)."""
        rows = self._connection.execute(
            "select sink, partition, dispatcher, commit_ts, ordinal, directory, number, size, counted from positions"
        )
        return {
            (sink, partition, dispatcher): StoredPosition(
                RowPosition(decode_commit_ts(commit_ts), ordinal), directory, number, size, bool(counted)
            )
            for sink, partition, dispatcher, commit_ts, ordinal, directory, number, size, counted in rows
        }

    def intents(self) -> tuple[OpenIntent, ...]:
        """Open intents, oldest first."""
        rows = self._connection.execute(f"select id, {_INTENT_COLUMNS} from intents order by id")  # noqa: S608
        return tuple(OpenIntent(row[0], _intent_of(row[1:])) for row in rows)

    def ddls(self) -> frozenset[tuple[str, str, int]]:
        """(sink, key, commit-ts) of DDLs whose schema files are stored."""
        rows = self._connection.execute("select sink, key, commit_ts from ddls")
        return frozenset((sink, key, decode_commit_ts(commit_ts)) for sink, key, commit_ts in rows)

    def _intent(self, intent_id: int) -> Intent:
        row = self._connection.execute(
            f"select {_INTENT_COLUMNS} from intents where id = ?",  # noqa: S608
            (intent_id,),
        ).fetchone()
        if row is None:
            raise RunFailed(
                "state.intent", f"intent {intent_id} is not open: it was settled before, or never begun (I6)"
            )
        return _intent_of(row)

    def _position(self, intent: Intent) -> RowPosition | None:
        row = self._connection.execute(
            "select commit_ts, ordinal from positions where sink = ? and partition = ? and dispatcher = ?",
            (intent.sink, intent.partition, intent.dispatcher),
        ).fetchone()
        return RowPosition(decode_commit_ts(row[0]), row[1]) if row is not None else None

    def _number_used(self, sink: str, directory: str) -> int | None:
        return self._number("select number from directories where sink = ? and directory = ?", sink, directory)

    def _number_open(self, sink: str, directory: str) -> int | None:
        return self._number("select number from intents where sink = ? and directory = ?", sink, directory)

    def _number(self, query: str, sink: str, directory: str) -> int | None:
        row = self._connection.execute(query, (sink, directory)).fetchone()
        return int(row[0]) if row is not None else None

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds")


def _row(intent: Intent) -> tuple[str | int, ...]:
    return (
        intent.sink,
        intent.partition,
        intent.dispatcher,
        intent.directory,
        intent.number,
        intent.path,
        encode_commit_ts(intent.first.commit_ts),
        intent.first.ordinal,
        encode_commit_ts(intent.last.commit_ts),
        intent.last.ordinal,
        intent.rows,
        intent.size,
        intent.crc,
        intent.header,
    )


def _intent_of(row: tuple[str | int, ...]) -> Intent:
    sink, partition, dispatcher, directory, number, path, first, first_at, last, last_at, rows, size, crc, header = row
    return Intent(
        sink=str(sink),
        partition=str(partition),
        dispatcher=str(dispatcher),
        directory=str(directory),
        number=int(number),
        path=str(path),
        first=RowPosition(int(first), int(first_at)),
        last=RowPosition(int(last), int(last_at)),
        rows=int(rows),
        size=int(size),
        crc=int(crc),
        header=int(header),
    )


def _refused(code: str, intent: Intent, why: str, *, hint: str | None = None) -> RunFailed:
    place = Place(node=intent.sink, table=intent.dispatcher, position=f"{intent.first} … {intent.last}")
    return RunFailed(code, f"{intent.path}: {why}", place=place, hint=hint)
