"""Verbs of packs: they stand beside the framework's own, and a broken pack disturbs nobody."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from afterbay.cli.app import call
from afterbay.cli.pack_verbs import installed
from tests.reader.trees import healthy, write

Captured = pytest.CaptureFixture[str]
Install = Callable[[str, str, str], None]

GREET = '''
from afterbay.errors import RunFailed
from afterbay.verbs import AsJson, data, result

EXAMPLES = """\\b
Examples:
  afterbay greet"""

def greet(name: str, loud: bool = False, as_json: AsJson = False) -> int:
    """Greet somebody. At length."""
    if name == "nobody":
        raise RunFailed("greet.nobody", "nobody is there")
    data({"hello": name}) if as_json else result(f"hello {name}" + "!" * loud)
    return 7
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a pack: its name, its module's text, and what its entry point is."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(name: str, module: str, target: str) -> None:
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(module)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[afterbay.commands]\n{name} = {target}\n")

    return put


def test_a_pack_s_verb_is_a_verb(install: Install, capsys: Captured) -> None:
    install("greetings", GREET + "PACK = {'greet': 'greetings:greet'}\n", "greetings:PACK")
    assert call(["greet", "you", "--loud"]) == 7
    assert capsys.readouterr().out == "hello you!\n"
    assert call(["greet", "you", "--json"]) == 7
    assert json.loads(capsys.readouterr().out) == {"hello": "you"}
    assert call(["greet", "nobody"]) == 1
    assert "[greet.nobody] nobody is there" in capsys.readouterr().err
    assert call(["greet", "--nonsense", "you"]) == 2
    assert "see 'afterbay greet --help'" in capsys.readouterr().err
    assert call(["greet", "--help"]) == 0
    assert "Examples:\n    afterbay greet" in capsys.readouterr().out
    assert call(["--help"]) == 0
    assert "  greet     Greet somebody.\n" in capsys.readouterr().out


def test_a_slip_in_a_pack_s_verb_is_guessed(capsys: Captured) -> None:
    assert call(["lss", "x"]) == 2
    assert "Did you mean 'ls'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "target", "said"),
    [
        ("", "broken:pack", "[pack.broken]"),
        ("PACK = ['greet']", "broken:PACK", "it gives list, not a mapping"),
        ("PACK = {'greet': 'broken'}", "broken:PACK", "is no 'module:function'"),
        ("PACK = {'run': 'broken:run'}", "broken:PACK", "a verb 'run', which is one of afterbay itself"),
        ("PACK = {'ls': 'broken:ls'}", "broken:PACK", "a verb 'ls', which is one of the pack 'afterbay (afterbay)'"),
        ("PACK = {'greet': 'broken:greet'}", "broken:PACK", "[pack.import] the verb 'greet' of pack"),
    ],
)
def test_a_broken_pack_is_told_and_disturbs_no_other(
    module: str, target: str, said: str, install: Install, tmp_path: Path, capsys: Captured
) -> None:
    install("broken", module, target)
    assert call(["--version"]) == 0
    assert capsys.readouterr().err == ""
    assert call(["ls", str(write(tmp_path / "lake", healthy()))]) == 0
    assert "zoo.pets" in capsys.readouterr().out
    assert call(["--help"]) == 0
    out, err = capsys.readouterr()
    assert said in err
    assert "  ls " in out
    assert "  greet " not in out


def test_a_verb_that_cannot_be_loaded_is_refused(install: Install, capsys: Captured) -> None:
    install("broken", "PACK = {'greet': 'broken:greet'}", "broken:PACK")
    assert call(["greet"]) == 2
    assert "[pack.import]" in capsys.readouterr().err


def test_the_ready_verbs_can_all_be_loaded() -> None:
    verbs, faults = installed(())
    assert faults == []
    assert {name: verb.load().name for name, verb in verbs.items()} == {name: name for name in verbs}


def test_a_verb_of_the_framework_looks_at_no_pack(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom afterbay.cli import app\n"
        f"assert app.call(['init', {str(tmp_path / 'x.yaml')!r}]) == 0\n"
        "print('afterbay_nodes.commands' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "False\n"
