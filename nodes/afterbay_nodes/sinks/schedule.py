"""When a cron spec comes up. Six fields: second, minute, hour, day of month, month, day of week."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

FIELDS = 6
LONGEST_SPEC = 200
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)


class Schedule:
    """The moments of a spec in a time zone (None: the machine's own). Raises ValueError for what is no spec."""

    def __init__(self, spec: str, zone: tzinfo | None) -> None:
        fields = len(spec.split())
        if fields != FIELDS or len(spec) > LONGEST_SPEC:
            raise ValueError(
                f"a cron spec has six fields, seconds first ('0 0 2 * * *' is two o'clock every day); this has {fields}"
            )
        self._spec = spec
        self._zone = zone
        self.after(_ANY_DAY)

    def after(self, moment: datetime) -> datetime:
        """The first moment after `moment` (with a time zone), whole seconds.

        A time that a change of the clocks leaves out does not come up that day; one that comes twice does so twice.
        """
        from cronsim import CronSim, CronSimError

        try:
            return next(CronSim(self._spec, moment.astimezone(self._zone)))
        except CronSimError as error:
            raise ValueError(f"'{self._spec}' is no cron spec: {error}") from error
        except StopIteration:
            raise ValueError(f"'{self._spec}' never comes up") from None
