"""One look after another at a pipeline, whether it runs, has ended or is somebody else's: for pages and terminals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from afterbay.compile.plan import Plan
from afterbay.errors import AfterbayError, EnvironmentRefused
from afterbay.live.client import Connection
from afterbay.live.rates import Rates, without_rates
from afterbay.live.stored import stored_look
from afterbay.schema import Json


class Looker:
    """Looks at the pipeline whose state is in `directory`. Used by one thread; owns its connection.

    `plan`: the pipeline, where its file is known; a run's own graph comes before it.
    """

    def __init__(self, directory: Path, plan: Plan | None = None) -> None:
        self._directory = directory
        self._plan = plan
        self._connection: Connection | None = None
        self._graph: dict[str, Any] = {}
        self._rates = Rates()

    def look(self) -> dict[str, Any]:
        """`live`, `graph`, `holder`, `figures` (with rates); `why`: what keeps it from being live, "" if it is.

        Raises EnvironmentRefused where there is no run and no state either.
        """
        try:
            figures = self._ask()
        except EnvironmentRefused as error:
            found = stored_look(self._directory, self._plan)
            figures = without_rates(found["figures"])
            return {**found, "figures": figures, "live": False, "why": error.diagnostics[0].message}
        return {"live": True, "graph": self._graph, "holder": None, "figures": self._rates.add(figures), "why": ""}

    def command(self, ask: str, **what: Json) -> None:
        """Drain, pause, resume or flush. Raises AfterbayError."""
        connection = Connection.open(self._directory)
        try:
            connection.ask(ask, **what)
        finally:
            connection.close()

    def close(self) -> None:
        """Ends the connection, if there is one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _ask(self) -> dict[str, Any]:
        if self._connection is None:
            self._connection = Connection.open(self._directory)
            self._graph = {}
        try:
            if not self._graph:
                self._graph = self._connection.ask("graph")
            return self._connection.ask("figures")
        except AfterbayError:
            self.close()
            raise
