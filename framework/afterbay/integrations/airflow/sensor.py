"""The sensor: waits until a pipeline, run by whomever, has stored all up to a position or a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowException

from afterbay.integrations.airflow.hook import AfterbayHook
from afterbay.integrations.airflow.trigger import AfterbayPositionTrigger
from afterbay.integrations.waiting import far_enough, moment_of, position_of


class AfterbayPositionSensor(BaseSensorOperator):
    """Succeeds when every checkpoint is at or past `position` (commit-ts) and `moment` (`{{ data_interval_end }}`).

    What is at or below a checkpoint is stored. `deferrable=True` waits in the triggerer. Gives the checkpoints (XCom).
    """

    template_fields: ClassVar[Sequence[str]] = ("pipeline", "state", "position", "moment")
    ui_color = "#d7ebf5"

    def __init__(
        self,
        *,
        pipeline: str,
        state: str | None = None,
        position: str | int | None = None,
        moment: str | None = None,
        deferrable: bool = False,
        poke_interval: float = 5.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(poke_interval=poke_interval, **kwargs)
        self.pipeline = pipeline
        self.state = state
        self.position = position
        self.moment = moment
        self.deferrable = deferrable

    def poke(self, context: Any) -> PokeReturnValue | bool:
        """One look."""
        pipeline = AfterbayHook(self.pipeline, self.state).get_conn()
        reached = far_enough(pipeline, position=position_of(self.position), moment=moment_of(self.moment))
        return False if reached is None else PokeReturnValue(is_done=True, xcom_value=reached)

    def execute(self, context: Any) -> Any:
        """Looks until it is far enough, or defers."""
        if not self.deferrable:
            return super().execute(context)
        position, moment = position_of(self.position), moment_of(self.moment)
        return self.defer(
            trigger=AfterbayPositionTrigger(
                pipeline=self.pipeline,
                state=self.state,
                position=None if position is None else str(position),
                moment=None if moment is None else moment.isoformat(),
                poll_seconds=float(self.poke_interval),
            ),
            method_name="resumed",
            timeout=timedelta(seconds=self.timeout),
        )

    def resumed(self, context: Any, event: dict[str, Any]) -> dict[str, str]:
        """What the trigger found. Raises AirflowException with what it could not."""
        if "error" in event:
            raise AirflowException(event["error"])
        found: dict[str, str] = event["checkpoints"]
        return found
