"""A call of the command line as a whole: help, refusals, exit codes, and what is imported for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from afterbay.cli import main
from afterbay.cli.app import call
from afterbay.errors import EnvironmentRefused, RunFailed

VERBS = ["run", "validate", "plan", "graph", "status", "schema", "init", "ls", "verify", "nodes list", "nodes show"]


@pytest.fixture(autouse=True)
def _without_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["--help"]) == 0
    out = capsys.readouterr().out
    assert [verb for verb in VERBS if f"  {verb.split()[0]} " not in out] == []


def test_no_arguments_print_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert call([]) == 0
    assert "Usage: afterbay" in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_examples_and_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call([*verb.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert "Examples:\n" in out
    assert "--json" in out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["--version"]) == 0
    assert capsys.readouterr().out.startswith("afterbay ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu", "x.yaml"], "Did you mean 'run'"),
        (["run"], "PIPELINE"),
        (["run", "x.yaml", "--untill", "end"], "--until"),
        (["run", "x.yaml", "--log-level", "loud"], "loud"),
        (["run", "x.yaml", "--until", "soon"], "until 'soon'"),
        (["run", "x.yaml", "--stop-timeout", "-3"], "--stop-timeout"),
        (["graph", "x.yaml", "--format", "png"], "png"),
        (["status"], "neither a pipeline nor a state directory"),
        (["nodes"], "Missing command"),
    ],
)
def test_an_invalid_call_exits_2_and_says_why(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert ".invalid] " in err
    assert "hint: " in err


def test_an_invalid_call_is_answered_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", "--json", "--nonsense"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] == "call.invalid"
    assert err == ""


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(RunFailed("x", "y"), 1), (EnvironmentRefused("state.locked", "by 17"), 3), (KeyError("surprise"), 1)],
)
def test_what_a_verb_raises_becomes_text_and_exit_code(
    error: Exception, exit_code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> object:
        raise error

    monkeypatch.setattr("afterbay.state.status.read_status", refuse)
    assert call(["status", "--state", "somewhere"]) == exit_code
    out, err = capsys.readouterr()
    assert out == ""
    assert type(error).__name__ in err or "[" in err


def test_a_signal_after_the_end_is_too_late_to_change_the_outcome(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        request.addfinalizer(partial(signal.signal, number, signal.getsignal(number)))
    monkeypatch.setattr(sys, "argv", ["afterbay", "--version"])
    assert main() == 0
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)


def test_help_imports_none_of_what_running_needs() -> None:
    heavy = {"pyarrow", "pydantic", "networkx", "rich", "boto3", "sqlite3", "ruamel", "opentelemetry", "msgspec"}
    script = (
        "import sys\nfrom afterbay.cli import app\nassert app.call(['--help']) == 0\n"
        f"print(sorted(set(sys.modules) & {heavy!r}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_validate_does_not_import_pandas_where_there_is_one(tmp_path: Path) -> None:
    """`pa.array` does, and it takes longer than everything else together."""
    nodes = ["log: {type: change_log, path: events.jsonl}"]
    for form in ("csv", "canal_json", "debezium_json", "parquet", "avro"):
        nodes.append(f"{form}: {{type: encode_{form}, inputs: log}}")
        nodes.append(f"{form}_spool: {{type: spool, inputs: {form}}}")
        nodes.append(f"{form}_lake: {{type: cloud_storage, inputs: {form}_spool, uri: ./{form}}}")
    (tmp_path / "all.yaml").write_text("nodes:\n" + "".join(f"  {node}\n" for node in nodes))
    script = (
        "import sys\nfrom afterbay.cli import app\nassert app.call(['validate', 'all.yaml']) == 0\n"
        "print(sorted(set(sys.modules) & {'pandas', 'polars', 'duckdb'}), file=sys.stderr)"
    )
    with_pandas = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=with_pandas, capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"


@pytest.mark.parametrize("module", ["typer", "afterbay.compile.compiler"])
def test_an_interrupt_while_modules_are_loaded_ends_quietly(module: str) -> None:
    """The one in the first tenth of a second: neither a trace nor a defect."""
    program = f"""
import sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from afterbay.cli import main
sys.exit(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "validate", "nowhere.yaml"], capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"")
