"""Rows through a real slot, in every protocol version: applied in order, they are the server's tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from afterbay_nodes.sources.postgres.key_changes import split_key_changes
from afterbay_nodes.sources.postgres.pgoutput import (
    Begin,
    Commit,
    Message,
    Relation,
    RowMessage,
    StreamAbort,
    StreamCommit,
    StreamStart,
    StreamStop,
    Truncate,
    parse,
)
from afterbay_nodes.sources.postgres.row_run import XLOG_HEAD, RowRun
from afterbay_nodes.sources.postgres.tuples import decode_rows
from afterbay_nodes.sources.postgres.type_table import mapped_columns, table_schema
from tests.support.postgres_server import PostgresServer
from tests.support.replication import Replication

STREAMING = {1: "", 2: ", streaming 'on'", 3: ", streaming 'on'", 4: ", streaming 'parallel'"}
LARGE = "repeat(md5(%s), 400)"


@dataclass
class Copy:
    """A reading of the stream that keeps each table as key -> row, as simply as can be."""

    relations: dict[int, Relation] = field(default_factory=dict)
    tables: dict[str, dict[Any, dict[str, Any]]] = field(default_factory=dict)
    unknown: int = 0
    said: list[bytes] = field(default_factory=list)
    _streamed: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)

    def read(self, messages: list[bytes]) -> None:
        block: int | None = None
        for data in messages:
            message = parse(data[XLOG_HEAD:], 0, streamed=block is not None)
            match message:
                case Relation():
                    self.relations[message.oid] = message
                case StreamStart():
                    block = message.xid
                    self._streamed.setdefault(block, [])
                case StreamStop():
                    block = None
                case StreamAbort():
                    kept = self._streamed[message.xid]
                    whole = message.subxid == message.xid
                    self._streamed[message.xid] = [] if whole else [item for item in kept if item[0] != message.subxid]
                case StreamCommit():
                    for _, row in self._streamed.pop(message.xid):
                        self._row(row, streamed=True)
                case RowMessage() if block is not None:
                    assert message.xid is not None
                    self._streamed[block].append((message.xid, data))
                case RowMessage():
                    self._row(data, streamed=False)
                case Truncate():
                    for oid in message.relation_oids:
                        self.tables[self.relations[oid].name].clear()
                case Message():
                    self.said.append(message.content)
                case Begin() | Commit():
                    assert block is None

    def _row(self, data: bytes, *, streamed: bool) -> None:
        head = parse(data[XLOG_HEAD:], 0, streamed=streamed)
        assert isinstance(head, RowMessage)
        relation = self.relations[head.relation_oid]
        table = self.tables.setdefault(relation.name, {})
        run = RowRun.of([data], head=XLOG_HEAD, streamed=streamed)
        schema = table_schema(relation, ["id"], {}, version=1)
        key = [schema.columns.index(column) for column in schema.key_columns]
        found, _ = split_key_changes(decode_rows(relation, run, mapped_columns(relation, {})), key)
        for index, (op, row) in enumerate(zip(found.ops.to_pylist(), found.rows.to_pylist(), strict=True)):
            if op == 2:
                del table[row["id"]]
                continue
            for column, mask in found.unchanged.items():
                if mask[index].as_py():
                    self.unknown += 1
                    name = relation.columns[column].name
                    row[name] = table[row["id"]][name]
            table[row["id"]] = row


@pytest.fixture
def database(logical_postgres: PostgresServer) -> str:
    return logical_postgres.database()


@pytest.fixture(params=STREAMING, ids="version {}".format)
def replication(database: str, request: pytest.FixtureRequest) -> Iterator[Replication]:
    with Replication(database, version=request.param, more=STREAMING[request.param]) as replication:
        yield replication


def held(db: psycopg.Connection[Any], table: str) -> dict[Any, dict[str, Any]]:
    with db.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return {row["id"]: row for row in cursor.execute(f"SELECT * FROM public.{table}")}


def test_the_stream_applied_in_order_is_the_tables(replication: Replication) -> None:
    db = replication.db
    db.execute("CREATE TABLE public.plain (id int PRIMARY KEY, n bigint, large text)")
    db.execute("CREATE TABLE public.whole (id int PRIMARY KEY, n bigint, large text)")
    db.execute("ALTER TABLE public.whole REPLICA IDENTITY FULL")
    for table in ("plain", "whole"):
        db.execute(f"ALTER TABLE public.{table} ALTER large SET STORAGE EXTERNAL")
    for table in ("plain", "whole"):
        db.execute(f"INSERT INTO public.{table} SELECT i, i, {LARGE % 'i::text'} FROM generate_series(1, 30) i")
        with db.transaction():
            # A key that changes twice, one that another row had before, and large values that nobody touches.
            db.execute(f"UPDATE public.{table} SET n = n + 1 WHERE id % 2 = 0")
            db.execute(f"DELETE FROM public.{table} WHERE id % 5 = 0")
            db.execute(f"UPDATE public.{table} SET n = NULL, large = NULL WHERE id = 4")
            if table == "whole":
                db.execute("UPDATE public.whole SET id = 50 WHERE id = 7")
                db.execute("UPDATE public.whole SET id = 5 WHERE id = 50")
                db.execute("UPDATE public.whole SET id = 7 WHERE id = 8")
            else:
                db.execute("UPDATE public.plain SET id = 50, large = 'short' WHERE id = 7")
                db.execute("UPDATE public.plain SET id = 5 WHERE id = 50")
                db.execute("UPDATE public.plain SET id = 7, large = 'x' WHERE id = 8")
    copy = Copy()
    copy.read(replication.messages())
    assert copy.tables == {"plain": held(db, "plain"), "whole": held(db, "whole")}
    assert copy.unknown == 15  # the updates of n, in the table whose old rows are not in the log


def test_what_is_rolled_back_leaves_nothing(replication: Replication) -> None:
    """Large enough to be streamed before it is known how it ends."""
    db = replication.db
    db.execute("CREATE TABLE public.t (id int PRIMARY KEY, n bigint)")
    with db.transaction():
        db.execute("INSERT INTO public.t SELECT i, i FROM generate_series(1, 3000) i")
        with db.transaction():
            db.execute("INSERT INTO public.t SELECT i, i FROM generate_series(3001, 6000) i")
            raise psycopg.Rollback
        db.execute("SELECT pg_logical_emit_message(true, 'test', 'inside')")
        db.execute("UPDATE public.t SET n = -1 WHERE id > 2990")
    with db.transaction():
        db.execute("INSERT INTO public.t SELECT i, i FROM generate_series(7001, 9000) i")
        raise psycopg.Rollback
    copy = Copy()
    messages = replication.messages()
    copy.read(messages)
    assert copy.tables == {"t": held(db, "t")}
    assert copy.said == [b"inside"]
    streamed = any(data[XLOG_HEAD : XLOG_HEAD + 1] == b"S" for data in messages)
    assert streamed == (replication.version > 1)


def test_a_truncate_names_its_tables(replication: Replication) -> None:
    db = replication.db
    db.execute("CREATE TABLE public.t (id int PRIMARY KEY)")
    db.execute("CREATE TABLE public.u (id int PRIMARY KEY REFERENCES public.t)")
    db.execute("INSERT INTO public.t VALUES (1), (2)")
    db.execute("INSERT INTO public.u VALUES (1)")
    db.execute("TRUNCATE public.t CASCADE")
    db.execute("INSERT INTO public.t VALUES (3)")
    copy = Copy()
    copy.read(replication.messages())
    assert copy.tables == {"t": {3: {"id": 3}}, "u": {}}
