"""Connections to the server: for questions (`Server`) and for the stream. Every call has a deadline.

psycopg is imported here when a connection is asked for, so that a pipeline is checked without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from afterbay.errors import EnvironmentRefused, Place, RunFailed
from afterbay.printable import visible
from afterbay_nodes.sources.postgres.session import startup_options

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS: Final = 10
STATEMENT_SECONDS: Final = 60
LOCK_SECONDS: Final = 30
SLOT_SECONDS: Final = 60
"""For each transaction that is open when a snapshot's slot is made."""

Row = tuple[Any, ...]

_SETTINGS: Final = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "application_name": "afterbay",
}
# Wrong password, no such role or database, no right to connect or replicate: no retry mends them.
_PERMANENT: Final = re.compile(
    r"password authentication failed|role .* does not exist|database .* does not exist|no pg_hba\.conf entry|"
    r"permission denied|no password supplied|must be superuser|must have the REPLICATION|"
    r"certificate verify failed|does not match host name|root certificate file .* does not exist|"
    r"server does not support SSL",
    re.IGNORECASE,
)


class ConnectionLost(Exception):
    """The server, or the way to it, is gone for now: what is under way is given up and tried again."""


class TookTooLong(ConnectionLost):
    """A statement, or its wait for a lock, was ended by its deadline. The connection is there."""


class Access:
    """How the server is reached. Holds the secret; gives connections away, each to one owner."""

    def __init__(self, dsn: str, node: str) -> None:
        """`dsn` in a form of libpq, "" for the environment's. Raises EnvironmentRefused without the driver."""
        try:
            import psycopg
        except ModuleNotFoundError as error:
            raise EnvironmentRefused(
                "postgres.driver",
                f"the driver is not installed ({error.name})",
                hint="pip install 'afterbay[postgres]'",
            ) from error
        self._driver = psycopg
        self.no_such_object = psycopg.errors.UndefinedObject
        self.no_such_table = psycopg.errors.UndefinedTable
        self._dsn = dsn
        self._place = Place(node=node)

    def questions(self) -> Server:
        """A connection for statements. Raises ConnectionLost or EnvironmentRefused."""
        limits = f" -c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s"
        return Server(self._connect(limits), self)

    def reader(self) -> psycopg.Connection[Row]:
        """A connection for reading tables, which takes as long as it takes; the caller closes it. Raises the same.

        With row security a role would see some of the rows only: off, the server refuses it instead.
        """
        return self._connect(f" -c statement_timeout=0 -c lock_timeout={LOCK_SECONDS}s -c row_security=off")

    def replication(self) -> psycopg.Connection[Row]:
        """A connection that speaks the replication protocol; the caller closes it. Raises as `questions`."""
        return self._connect(f" -c lock_timeout={SLOT_SECONDS}s", replication="database")

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Errors of the driver as ConnectionLost, EnvironmentRefused or RunFailed."""
        try:
            yield
        except self._driver.Error as error:
            raise self.explained(error) from error

    def explained(self, error: Exception) -> Exception:
        """A driver's error as ours."""
        state = str(getattr(error, "sqlstate", None) or "")
        told = visible(str(error).strip().split("\n")[0])
        lost = isinstance(error, self._driver.OperationalError | self._driver.InterfaceError)
        if state == "55006":
            return ConnectionLost(told)  # the slot is in use: by a process that is dead, or by one that is not
        if state[:2] in ("28", "3D") or state == "42501" or (lost and _PERMANENT.search(told)):
            return EnvironmentRefused("postgres.refused", f"the server refuses: {told}", place=self._place)
        if state in ("57014", "55P03"):
            return TookTooLong(told)
        if lost or state[:2] in ("08", "53", "57", "58"):
            return ConnectionLost(told)
        return RunFailed("postgres.failed", f"the server says: {told}", place=self._place)

    def _connect(self, options: str, **more: str) -> psycopg.Connection[Row]:
        from psycopg.conninfo import conninfo_to_dict

        with self.guarded():
            given = conninfo_to_dict(self._dsn)
            settings: dict[str, Any] = {**_SETTINGS, **given, **more}
            settings.setdefault("connect_timeout", str(CONNECT_SECONDS))
            settings["options"] = f"{given.get('options') or ''} {startup_options()}{options}".strip()
            return self._driver.connect(autocommit=True, **settings)


class Server:
    """A connection that is asked questions. Owns it; used by one thread."""

    def __init__(self, connection: psycopg.Connection[Row], access: Access) -> None:
        self._connection = connection
        self._access = access

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """The rows of a query, values by `%s`. Raises ConnectionLost, EnvironmentRefused or RunFailed."""
        with self._access.guarded():
            return self._connection.execute(sql, values or None).fetchall()

    def value(self, sql: str, values: Sequence[object] = ()) -> Any:
        """The one value of a query, None if there is no row."""
        found = self.rows(sql, values)
        return found[0][0] if found else None

    def run(self, sql: str, values: Sequence[object] = ()) -> None:
        """A statement without a result."""
        with self._access.guarded():
            self._connection.execute(sql, values or None)

    @property
    def version(self) -> int:
        """As PostgreSQL numbers them: 150004."""
        return self._connection.info.server_version

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()
