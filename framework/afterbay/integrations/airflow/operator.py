"""The operator: runs a pipeline inside a task until it has caught up, and tells assets what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowException

from afterbay.integrations.airflow.hook import AfterbayHook
from afterbay.integrations.carrying import carry
from afterbay.integrations.figures import of_run, of_table, schema_and_table
from afterbay.units import parse_duration

if TYPE_CHECKING:
    from afterbay.runtime.run import Run


def asset_of(table: str, lake: str) -> Asset:
    """The asset of `schema.table`, for `schedule=[…]` of another DAG. `lake` names the store among all of yours."""
    parts = "/".join(quote(name, safe="") for name in schema_and_table(table))
    return Asset(name=f"{lake}/{table}", uri=f"x-afterbay://{quote(lake, safe='')}/{parts}")


class AfterbayOperator(BaseOperator):
    """Runs the pipeline of a file until it has caught up, and gives the sums of the run (XCom).

    With `tables` (`schema.table`) and `lake` each of them is an outlet, an asset whose event says rows, bytes, files
    and position. A task that is killed drains its run within `stop_timeout`, and fails; what was received is stored.
    Airflow kills for good after its own `[core] killed_task_cleanup_time`: give the drain less.
    """

    template_fields: ClassVar[Sequence[str]] = ("pipeline", "state", "until", "env")
    ui_color = "#d7ebf5"

    def __init__(
        self,
        *,
        pipeline: str,
        state: str | None = None,
        env: Mapping[str, str] | None = None,
        until: str = "caught-up",
        wait: str = "0s",
        adopt: bool = False,
        stop_timeout: str = "30s",
        tables: Sequence[str] = (),
        lake: str = "afterbay",
        **kwargs: Any,
    ) -> None:
        own = [asset_of(table, lake) for table in tables]
        super().__init__(outlets=[*(kwargs.pop("outlets", None) or []), *own], **kwargs)
        self.pipeline = pipeline
        self.state = state
        self.env = dict(env or {})
        self.until = until
        self.wait = wait
        self.adopt = adopt
        self.stop_timeout = stop_timeout
        self.tables = list(tables)
        self.lake = lake
        self._run: Run | None = None
        self._killed = False

    def execute(self, context: Any) -> dict[str, Any]:
        """Runs, and gives the sums of this run. Raises AirflowException if the task was killed, else what failed."""
        found = AfterbayHook(self.pipeline, self.state, self.env).get_conn()
        report = carry(
            found,
            until=self.until,
            wait=self.wait,
            adopt=self.adopt,
            stop_timeout=self.stop_timeout,
            tell=self.log.info,
            started=self._started,
        )
        events = context.get("outlet_events")
        for table in self.tables if events is not None else ():
            events[asset_of(table, self.lake)].extra = of_table(report, table)
        if self._killed:
            raise AirflowException(f"{found.name} was killed, and drained: {report.rows_stored} rows are stored")
        return dict(of_run(report))

    def on_kill(self) -> None:
        """Drains. Called by a signal's handler: returns at once, `execute` waits."""
        self._killed = True
        if self._run is not None:
            self._run.drain(parse_duration(self.stop_timeout))

    def _started(self, run: Run) -> None:
        self._run = run
        if self._killed:  # the signal came while it was starting
            run.drain(parse_duration(self.stop_timeout))
