"""Every quarter of an hour: bring the lake up to date, and tell what of it is new."""

from pathlib import Path

import pendulum
from airflow.sdk import dag, task

from afterbay.integrations.airflow import AfterbayHook, AfterbayOperator, AfterbayPositionSensor, asset_of

PIPELINE = str(Path(__file__).parent / "bank" / "bank.yaml")
TABLES = ["bank.accounts_0", "bank.accounts_1", "bank.audit"]


@dag(
    schedule="*/15 * * * *",
    start_date=pendulum.datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["afterbay"],
)
def bank_lake():
    """The bank's changes, in the lake."""
    load = AfterbayOperator(task_id="load", pipeline=PIPELINE, tables=TABLES, lake="bank_lake", stop_timeout="20s")

    # Waits in the triggerer until the checkpoint covers what the load has stored; a DAG that does not run the pipeline
    # itself waits like this, or with `moment="{{ data_interval_end }}"`.
    stored = AfterbayPositionSensor(
        task_id="stored",
        pipeline=PIPELINE,
        position="{{ ti.xcom_pull(task_ids='load')['checkpoint'] }}",
        deferrable=True,
    )

    @task
    def told() -> dict:
        return AfterbayHook(PIPELINE).status()

    load >> stored >> told()


@dag(schedule=[asset_of("bank.audit", lake="bank_lake")], start_date=pendulum.datetime(2026, 1, 1), tags=["afterbay"])
def bank_audit():
    """Runs whenever the lake has new rows of the audit table."""

    @task
    def new_rows(triggering_asset_events=None) -> int:
        return sum(event.extra["rows"] for events in (triggering_asset_events or {}).values() for event in events)

    new_rows()


bank_lake()
bank_audit()
