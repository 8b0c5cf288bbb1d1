"""Run inside Dagster's environment: a table without a definition, and a file that is damaged between two checks."""

import json
import sys
from pathlib import Path

import dagster as dg

from afterbay import Pipeline
from afterbay.integrations.dagster import afterbay_assets, afterbay_checks

Path("bank.yaml").write_text(
    """
name: bank
state: ./state
nodes:
  bank: {type: demo, rows: 2000, tables: 2}
  csv: {type: encode_csv, inputs: bank, include_commit_ts: true}
  spool: {type: spool, inputs: csv}
  lake: {type: cloud_storage, inputs: spool, uri: ./lake}
"""
)


def build() -> Pipeline:
    return Pipeline.from_yaml("bank.yaml")


def passed(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    found = {check.asset_key.to_user_string(): check.passed for check in result.get_asset_check_evaluations()}
    return dict(sorted(found.items()))


tables = ["bank.accounts_0"]
assets, checks = afterbay_assets(build, tables=tables), afterbay_checks(build, tables=tables)
defs = dg.Definitions(
    assets=[assets],
    asset_checks=[checks],
    jobs=[
        dg.define_asset_job("all", selection=dg.AssetSelection.all()),
        dg.define_asset_job("checks", selection=dg.AssetSelection.checks(checks)),
    ],
)
with dg.DagsterInstance.get() as instance:
    first = defs.resolve_job_def("all").execute_in_process(instance=instance)
    reported = sorted(key.to_user_string() for key in instance.all_asset_keys())
    damaged = next(Path("lake/bank/accounts_0").rglob("CDC0*.csv"))
    damaged.write_bytes(damaged.read_bytes().replace(b"\nU,", b"\nZ,", 1).replace(b'\n"U",', b'\n"Z",', 1))
    again = defs.resolve_job_def("checks").execute_in_process(instance=instance)
    discovered = sorted(spec.key.to_user_string() for spec in afterbay_assets(build).specs)
    told = {
        "specs": sorted(spec.key.to_user_string() for spec in assets.specs),
        "reported": reported,
        "before": passed(first),
        "after": passed(again),
        "discovered": discovered,
    }
    json.dump(told, sys.stdout)
