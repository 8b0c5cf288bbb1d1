"""Run inside Dagster's environment: materialises a pipeline that never ends, until it is told to stop."""

from pathlib import Path
from threading import Thread

import dagster as dg

from afterbay import Pipeline
from afterbay.integrations.dagster import AfterbayResource, afterbay_assets

Path("endless.yaml").write_text(
    """
name: bank
state: ./state
nodes:
  bank: {type: demo, rows: 100000000, tables: 2, rate: 20000}
  csv: {type: encode_csv, inputs: bank, include_commit_ts: true}
  spool: {type: spool, inputs: csv}
  lake: {type: cloud_storage, inputs: spool, uri: ./lake, flush_interval: 200ms}
"""
)


def say_when_it_stores() -> None:
    while not list(Path("lake").rglob("CDC*.csv")):
        watching.join(0.05)
    print("storing", flush=True)


watching = Thread(target=lambda: None)
watching.start()
Thread(target=say_when_it_stores, daemon=True).start()
assets = afterbay_assets(
    lambda: Pipeline.from_yaml("endless.yaml"), tables=["bank.accounts_0"], resource=AfterbayResource(until="forever")
)
try:
    with dg.DagsterInstance.get() as instance:
        dg.materialize([assets], instance=instance)
except BaseException as error:
    print("interrupted", type(error).__name__, flush=True)
