"""The trigger: waits in the triggerer until a pipeline is far enough, and holds no worker meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from afterbay.errors import AfterbayError
from afterbay.integrations.airflow.hook import AfterbayHook
from afterbay.integrations.waiting import far_enough, moment_of, position_of


class AfterbayPositionTrigger(BaseTrigger):
    """Fires when every checkpoint is at or past a position (commit-ts) or a moment (ISO 8601), or cannot be asked.

    The triggerer reads the state's folder: it needs the volume that the pipeline's runs have it on. Its arguments are
    kept in Airflow's database: none of them is a secret.
    """

    def __init__(
        self,
        pipeline: str,
        state: str | None = None,
        position: str | None = None,
        moment: str | None = None,
        poll_seconds: float = 5.0,
    ) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.state = state
        self.position = position
        self.moment = moment
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What another triggerer makes it of."""
        kept = ("pipeline", "state", "position", "moment", "poll_seconds")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in kept}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event: `checkpoints`, or `error` in words."""
        while True:
            try:
                reached = await asyncio.to_thread(self._look)
            except AfterbayError as error:
                yield TriggerEvent({"error": str(error)})
                return
            if reached is not None:
                yield TriggerEvent({"checkpoints": reached})
                return
            await asyncio.sleep(self.poll_seconds)

    def _look(self) -> dict[str, str] | None:
        pipeline = AfterbayHook(self.pipeline, self.state).get_conn()
        return far_enough(pipeline, position=position_of(self.position), moment=moment_of(self.moment))
