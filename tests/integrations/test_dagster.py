"""The Dagster integration inside the real Dagster: the example's steps, what the instance knows then, and a stop."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from afterbay import Pipeline
from tests.support.environments import ROOT, Environment, environment

EXAMPLE = ROOT / "examples" / "dagster"
STEPS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLES = ("lake/bank/accounts_0", "lake/bank/accounts_1", "lake/bank/audit")


@pytest.fixture(scope="module")
def dagster() -> Environment:
    return environment("dagster")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(EXAMPLE, folder)
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").touch()
    return folder


def test_the_steps_of_the_example_lead_to_assets_with_figures(dagster: Environment, project: Path) -> None:
    steps = "set -eu\n" + "".join(STEPS.findall((EXAMPLE / "README.md").read_text(encoding="utf-8")))
    own = {"PYTHONPATH": str(project / "src")}
    done = dagster.run(["bash", "-c", steps], project, own)
    assert "bank.accounts_0" in done.stdout, "`afterbay ls` shows the tables"
    facts = [dagster.python, str(Path(__file__).with_name("dagster_facts.py"))]
    told = json.loads(dagster.run(facts, project, {**own, "DAGSTER_HOME": str(project / "dagster_home")}).stdout)
    made = told["materialized"]
    assert sorted(made) == sorted(["lake/bank", *TABLES])
    assert sum(made[table]["rows"] for table in TABLES) == made["lake/bank"]["rows"] > 20_000
    assert sum(made[table]["bytes"] for table in TABLES) == made["lake/bank"]["bytes"]
    for table in TABLES:
        assert made[table]["files"] >= 1
        assert 0 < int(made[table]["position"]) <= int(made[table]["checkpoint"])
        assert "flowchart" in made[table]["graph"]
    assert "data:image/svg+xml" in made["lake/bank"]["graph_svg"]
    assert set(told["checks"].values()) == {"SUCCEEDED"}
    assert len(told["checks"]) == 4
    assert told["schedule"] == ["*/15 * * * *", "bank_job", 1]


def test_a_run_that_is_terminated_is_drained(
    dagster: Environment, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    command = [dagster.python, str(Path(__file__).with_name("dagster_endless.py"))]
    variables = dagster.variables(DAGSTER_HOME=str(project / "home"))
    with subprocess.Popen(command, cwd=project, env=variables, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "storing\n"
        run.send_signal(signal.SIGTERM)
        rest = run.communicate(timeout=120)[0]
    assert "interrupted DagsterExecutionInterruptedError" in rest
    pipeline = Pipeline.from_yaml(project / "endless.yaml", state=project / "state", env={})
    status = pipeline.status()
    assert not status.locked
    assert status.rows > 0
    assert status.intents == (), "no file was left half done"
    (stored,) = pipeline.verify().values()
    assert stored.is_clean
    assert stored.checkpoint == status.checkpoints["bank"].commit_ts


def test_damage_fails_the_check_of_its_table_and_a_new_table_is_reported(dagster: Environment, project: Path) -> None:
    command = [dagster.python, str(Path(__file__).with_name("dagster_damage.py"))]
    told = json.loads(dagster.run(command, project, {"DAGSTER_HOME": str(project / "home")}).stdout)
    assert told["specs"] == ["bank", "bank/accounts_0"]
    assert told["reported"] == ["bank", "bank/accounts_0", "bank/accounts_1", "bank/audit"]
    assert told["before"] == {"bank": True, "bank/accounts_0": True}
    assert told["after"] == {"bank": True, "bank/accounts_0": False}
    assert told["discovered"] == ["bank", "bank/accounts_0", "bank/accounts_1", "bank/audit"]
