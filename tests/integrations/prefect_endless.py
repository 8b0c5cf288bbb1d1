"""Run inside Prefect's environment: a flow that never ends, cancelled as Prefect's runner does it."""

from pathlib import Path

from prefect.flow_engine import capture_sigterm

from afterbay.integrations.prefect import pipeline_flow

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
with capture_sigterm():
    pipeline_flow("endless.yaml", until="forever")()
