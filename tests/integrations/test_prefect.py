"""The Prefect integration inside the real Prefect: the example's steps, what its server says then, and a stop."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from afterbay import Pipeline
from tests.support.environments import ROOT, Environment, environment

EXAMPLE = ROOT / "examples" / "prefect"
STEPS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}


@pytest.fixture(scope="module")
def prefect() -> Environment:
    return environment("prefect")


def test_the_steps_of_the_example_lead_to_an_artifact_with_the_graph(prefect: Environment, tmp_path: Path) -> None:
    project = Path(shutil.copytree(EXAMPLE, tmp_path / "project"))
    steps = "set -eu\n" + "".join(STEPS.findall((EXAMPLE / "README.md").read_text(encoding="utf-8")))
    done = prefect.run(["bash", "-c", steps], project, QUIET)
    assert re.search(r"^new rows: [1-9]", done.stdout, re.MULTILINE)
    assert "bank.accounts_0" in done.stdout, "`afterbay ls` shows the tables"
    facts = [prefect.python, str(Path(__file__).with_name("prefect_facts.py"))]
    home = {"PREFECT_HOME": str(project / "prefect_home")}
    told = json.loads(prefect.run(facts, project, {**QUIET, **home}).stdout)
    assert told["states"] == ["COMPLETED"]
    assert told["key"] == "afterbay-bank"
    assert "```mermaid\n" in told["markdown"]
    assert re.search(r"^\| bank.accounts\\_0 \| [0-9,]+ \| [1-9]", told["markdown"], re.MULTILINE)
    assert told["kept"] == ["BANK_LAKE"]
    assert str(project) not in told["shown"], "what a block keeps is shown as stars"


def test_a_flow_that_is_cancelled_is_drained(
    prefect: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [prefect.python, str(Path(__file__).with_name("prefect_endless.py"))]
    variables = prefect.variables(PREFECT_HOME=str(tmp_path / "home"), **QUIET)
    with (
        (tmp_path / "said.txt").open("w+") as said,
        subprocess.Popen(
            command, cwd=tmp_path, env=variables, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        ) as run,
    ):
        try:
            while not list(tmp_path.glob("lake/**/CDC*.csv")):
                assert run.poll() is None, (tmp_path / "said.txt").read_text()
                with suppress(subprocess.TimeoutExpired):
                    run.wait(0.1)
            run.send_signal(signal.SIGTERM)
            run.wait(timeout=120)
        finally:
            run.kill()
    assert "aborted by a termination signal" in (tmp_path / "said.txt").read_text()
    pipeline = Pipeline.from_yaml(tmp_path / "endless.yaml")
    status = pipeline.status()
    assert not status.locked
    assert status.rows > 0
    assert status.intents == (), "no file was left half done"
    (stored,) = pipeline.verify().values()
    assert stored.is_clean
    assert stored.checkpoint == status.checkpoints["bank"].commit_ts
