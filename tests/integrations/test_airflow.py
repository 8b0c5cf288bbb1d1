"""The Airflow integration inside the real Airflow: the example's steps, what its database says then, and a kill."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest

from afterbay import Pipeline
from tests.support.environments import ROOT, Environment, environment

EXAMPLE = ROOT / "examples" / "airflow"
STEPS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENDLESS = """
from pathlib import Path
import pendulum
from airflow.sdk import DAG
from afterbay.integrations.airflow import AfterbayOperator

with DAG("endless", schedule=None, start_date=pendulum.datetime(2026, 1, 1)):
    file = str(Path("endless.yaml").absolute())
    AfterbayOperator(task_id="load", pipeline="{{ params.file }}", until="forever", params={"file": file})
"""
PIPELINE = """
name: bank
state: ./state
nodes:
  bank: {type: demo, rows: 100000000, tables: 2, rate: 20000}
  csv: {type: encode_csv, inputs: bank, include_commit_ts: true}
  spool: {type: spool, inputs: csv}
  lake: {type: cloud_storage, inputs: spool, uri: ./lake, flush_interval: 200ms}
"""


@pytest.fixture(scope="module")
def airflow() -> Environment:
    return environment("airflow")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "project"))


def test_the_steps_of_the_example_lead_to_assets_with_figures(airflow: Environment, project: Path) -> None:
    steps = "set -eu\n" + "".join(STEPS.findall((EXAMPLE / "README.md").read_text(encoding="utf-8")))
    done = airflow.run(["bash", "-c", steps], project)
    assert "bank.accounts_0" in done.stdout, "`afterbay ls` shows the tables"
    assert "running trigger in line" in done.stdout + done.stderr, "the sensor was deferred"
    with closing(sqlite3.connect(project / "airflow_home" / "airflow.db")) as database:
        states = dict(database.execute("select task_id, state from task_instance where dag_id = 'bank_lake'"))
        events = dict(
            database.execute("select a.name, e.extra from asset_event e join asset a on a.id = e.asset_id").fetchall()
        )
    assert states == {"load": "success", "stored": "success", "told": "success"}
    told = {name: json.loads(extra) for name, extra in events.items()}
    assert sorted(told) == [f"bank_lake/bank.{table}" for table in ("accounts_0", "accounts_1", "audit")]
    assert sum(figures["rows"] for figures in told.values()) > 20_000
    for figures in told.values():
        assert figures["files"] >= 1
        assert 0 < int(figures["position"]) <= int(figures["checkpoint"])


def test_a_task_that_is_killed_is_drained(airflow: Environment, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    (project / "dags" / "endless.py").write_text(ENDLESS)
    (project / "endless.yaml").write_text(PIPELINE)
    own = {
        "AIRFLOW_HOME": str(project / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    airflow.run(["airflow", "db", "migrate"], project, own)
    with (
        (project / "said.txt").open("w+") as said,
        subprocess.Popen(
            ["airflow", "dags", "test", "endless"],
            cwd=project,
            env=airflow.variables(**own),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        ) as task,
    ):
        try:
            while not list(project.glob("lake/**/CDC*.csv")):
                assert task.poll() is None, (project / "said.txt").read_text()
                with suppress(subprocess.TimeoutExpired):
                    task.wait(0.1)
            task.send_signal(signal.SIGTERM)
            task.wait(timeout=120)
        finally:
            task.kill()
    assert "bank was killed, and drained" in (project / "said.txt").read_text()
    pipeline = Pipeline.from_yaml(project / "endless.yaml")
    status = pipeline.status()
    assert not status.locked
    assert status.rows > 0
    assert status.intents == (), "no file was left half done"
    (stored,) = pipeline.verify().values()
    assert stored.is_clean
    assert stored.checkpoint == status.checkpoints["bank"].commit_ts
