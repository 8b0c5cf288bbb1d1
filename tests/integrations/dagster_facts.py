"""Run inside Dagster's environment: what its instance knows of the example, as JSON on stdout."""

import json
import sys

import dagster as dg
from bank_lake.definitions import defs

made = defs()
with dg.DagsterInstance.get() as instance:
    told = {}
    for key in made.resolve_asset_graph().get_all_asset_keys():
        event = instance.get_latest_materialization_event(key)
        metadata = event.asset_materialization.metadata if event else {}
        told[key.to_user_string()] = {name: value.value for name, value in metadata.items()}
    checks = {}
    for check in made.resolve_asset_graph().asset_check_keys:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(check, limit=1) or [None]
        checks[check.asset_key.to_user_string()] = record and record.status.value
    schedule = made.resolve_schedule_def("bank_schedule")
    tick = schedule.evaluate_tick(dg.build_schedule_context(instance=instance))
    json.dump(
        {
            "materialized": told,
            "checks": checks,
            "schedule": [schedule.cron_schedule, schedule.job.name, len(tick.run_requests)],
        },
        sys.stdout,
    )
