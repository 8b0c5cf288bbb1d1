"""Every quarter of an hour: bring the lake up to date, then look at what came."""

import sys
from pathlib import Path

from prefect import flow, get_run_logger, task

from afterbay.integrations.prefect import PipelineCredentials, bring_up_to_date

PIPELINE = Path(__file__).parent / "bank.yaml"


@task
def look(tables: dict) -> int:
    """Something of your own: here, rows of the audit table that are new."""
    return tables.get("bank.audit", {"rows": 0})["rows"]


@flow(name="bank lake")
def bank_lake() -> int:
    """Loads, then looks."""
    loaded = bring_up_to_date(PIPELINE, credentials=PipelineCredentials.load("bank-lake"), stop_timeout="20s")
    new = look(loaded["tables"])
    get_run_logger().info("%s rows of the audit table are new", new)
    return new


if __name__ == "__main__":
    if sys.argv[1:] == ["once"]:
        print("new rows:", bank_lake())
    else:
        bank_lake.serve(cron="*/15 * * * *")
