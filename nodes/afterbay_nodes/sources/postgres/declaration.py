"""The `postgres` source: a database's tables, by logical replication."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator

from afterbay.errors import EnvironmentRefused
from afterbay.messages import ChangeBatch
from afterbay.node import Capabilities, Source, SourceContext, SourceOperator
from afterbay.positions import ResumePoint
from afterbay.schema import Json, TableName
from afterbay.units import GIB, ByteSize, Duration
from afterbay.upstream import Removal, Upstream
from afterbay_nodes.transforms.table_rules import ColumnPattern, NameRules, TableMatch, TablePattern, TableRules

if TYPE_CHECKING:
    from afterbay.clock import Clock
    from afterbay.doctor.finding import Finding
    from afterbay_nodes.sources.postgres.connection import Server

_NAME = r"^[a-z0-9_]{1,63}$"


class AsText(TableMatch):
    """Columns that are text whatever their type is, and so hold every value as the server writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Annotated[tuple[ColumnPattern, ...], Field(min_length=1, description="names, with wildcards")]


class Postgres(Source[ChangeBatch]):
    """Copies tables of a PostgreSQL database (14 or later): the rows that are there, then what is committed.

    The commit-ts of a change is its transaction's commit LSN. The slot and the publication are made if they are not
    there; the slot is confirmed only up to what a checkpoint has, and also while the tables are idle. What a server or
    a table lacks is told at the start, all of it, with the SQL that mends it.

    Dropping the pipeline does not drop the slot, which holds back the server's log for ever: see docs/postgres.md.
    """

    type_name: ClassVar[str] = "postgres"
    summary: ClassVar[str] = "tables of a PostgreSQL database, by logical replication"
    capabilities: ClassVar[Capabilities] = Capabilities(tells_time=True)
    loses_place: ClassVar[str] = (
        "the slot has what is to come, and not which form each table had there, on which every later schema change and "
        "position depends; start afresh, with an empty root and the snapshot"
    )
    extras: ClassVar[tuple[str, ...]] = ("postgres",)

    dsn: Annotated[
        SecretStr,
        Field(
            description="a connection string or URI of libpq; what it leaves out comes from PGHOST, PGPASSFILE, …",
            examples=["postgresql://reader@db.example/shop?sslmode=verify-full"],
        ),
    ]
    tables: Annotated[
        tuple[TablePattern, ...],
        Field(min_length=1, description="tables, with wildcards and `!`; the last pattern that matches decides"),
    ]
    slot: Annotated[str, Field(pattern=_NAME, description="the replication slot, one for each pipeline")] = "afterbay"
    publication: Annotated[str | None, Field(min_length=1, max_length=63, description="default: the slot's name")] = (
        None
    )
    snapshot: Annotated[
        Literal["initial", "never", "only"],
        Field(description="the rows that are there at the start: copied, left out, or all that is copied"),
    ] = "initial"
    ddl_trigger: Annotated[
        bool,
        Field(description="event triggers tell each schema change at its place (making them takes a superuser)"),
    ] = False
    publish: Annotated[
        Literal["tables", "all"],
        Field(description="a publication that is made is for the tables that are there, or (by a superuser) for all"),
    ] = "tables"
    heartbeat: Annotated[
        Duration, Field(gt=0, description="while the tables are idle, the slot is moved this often")
    ] = 10.0
    large_values: Annotated[
        Literal["whole_rows", "risk"],
        Field(
            description="tables with values that an update may leave out: they must have REPLICA IDENTITY FULL, or "
            "the run fails at such an update"
        ),
    ] = "whole_rows"
    as_text: Annotated[tuple[AsText, ...], Field(description="columns that become text")] = ()
    transaction_limit: Annotated[
        ByteSize, Field(gt=0, description="bytes on disk of rows that wait for the commit of their transaction")
    ] = 64 * GIB
    streaming: Annotated[
        bool,
        Field(description="large transactions are sent before they are committed, and wait here for that"),
    ] = False
    retry_for: Annotated[
        Duration, Field(description="for how long a server that is away is tried again before the run fails")
    ] = 900.0

    @field_validator("tables")
    @classmethod
    def _includes_something(cls, tables: tuple[str, ...]) -> tuple[str, ...]:
        TableRules.parse(tables)
        return tables

    @cached_property
    def rules(self) -> TableRules:
        """`tables`, parsed."""
        return TableRules.parse(self.tables)

    @property
    def published_as(self) -> str:
        """The publication's name."""
        return self.publication or self.slot

    def text_columns(self, table: TableName, columns: Sequence[str]) -> frozenset[str]:
        """Which columns of a table are text."""
        rules = [NameRules.parse(item.columns) for item in self.as_text if item.tables.matches(table)]
        return frozenset(name for name in columns if any(rule.matches(name) for rule in rules))

    def identity(self) -> Mapping[str, Json]:
        return {"slot": self.slot, "publication": self.published_as, "snapshot": self.snapshot}

    @property
    def ends(self) -> bool:
        return self.snapshot == "only"

    def facts(self) -> Mapping[str, str]:
        return {"tables": ", ".join(self.tables), "slot": self.slot}

    def commit_ms(self, point: ResumePoint) -> int | None:
        found = point.cursor.get("ms")
        return found if isinstance(found, int) else None

    def upstream(self) -> Upstream:
        """See `HasUpstream`."""
        from afterbay_nodes.sources.postgres.slot import upstream

        with self._asked() as server:
            return upstream(server, self.slot)

    def drop_upstream(self) -> Iterator[Removal]:
        """See `DropsUpstream`."""
        from afterbay_nodes.sources.postgres.removal import removed

        with self._asked() as server:
            yield from removed(server, self.slot, self.published_as, ddl_trigger=self.ddl_trigger)

    def examine(self, name: str, clock: Clock) -> Iterator[Finding]:
        """See `afterbay.doctor.finding.Examines`."""
        from afterbay_nodes.sources.postgres.examination import examine

        with self._asked() as server:
            yield from examine(self, name, server)

    @contextmanager
    def _asked(self) -> Iterator[Server]:
        """A connection for questions. Raises EnvironmentRefused."""
        from afterbay_nodes.sources.postgres.connection import Access, ConnectionLost

        try:
            server = Access(self.dsn.get_secret_value(), self.type_name).questions()
            try:
                yield server
            finally:
                server.close()
        except ConnectionLost as lost:
            raise EnvironmentRefused("postgres.unavailable", f"the server does not answer: {lost}") from lost

    def open(self, context: SourceContext) -> SourceOperator:
        from afterbay_nodes.sources.postgres.operator import PostgresOperator

        return PostgresOperator(self, context)
