"""A `checkpoint.db` or `spool.db` from elsewhere: its schema runs nothing, its values are bounded, its text is text."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from afterbay.cli.app import call
from afterbay.errors import AfterbayError, EnvironmentRefused
from afterbay.foreign_sqlite import LARGEST_VALUE
from afterbay.spool.folder import LOCK_FILE
from afterbay.spool.inspection import fsck, stat
from afterbay.state.export import export_state
from afterbay.state.status import read_status
from afterbay_migrations.spool.m0001_initial import migrate
from tests.support.state import Run, StoppedClock, intent, open_state, schema

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state that nobody has, with a row in every table that a reader looks at."""
    run = Run(tmp_path / "state")
    run.state.schema("changes", "d1", 3, schema(3))
    run.store(5, 1)
    run.state.begin(intent(7, 2))
    run.state.close()
    return tmp_path / "state"


def changed(directory: Path, *statements: str) -> None:
    with closing(sqlite3.connect(directory / "checkpoint.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def refusals(directory: Path) -> set[str]:
    """What each way of opening it says."""
    ways: list[Callable[[], object]] = [
        lambda: read_status(directory),
        lambda: export_state(directory, StoppedClock()),
        lambda: open_state(directory).close(),
    ]
    codes = set()
    for way in ways:
        with pytest.raises(AfterbayError) as caught:
            way()
        codes.add(caught.value.code)
    return codes


CODE = {
    "trigger": ["create trigger t after update on checkpoints begin delete from positions; end"],
    "view": ["drop table outages", "create view outages as select * from sinks"],
    "virtual table": ["create virtual table v using fts5(text)"],
    "computed columns in the table": ["create table g (a, b as (hex(zeroblob(a))))"],
    "computed columns in the index": ["create index i on sinks (hex(zeroblob(files)))"],
}


@pytest.mark.parametrize("code", CODE)
def test_a_schema_with_code_in_it_is_refused_before_a_row_is_read(directory: Path, code: str) -> None:
    changed(directory, *CODE[code])
    assert refusals(directory) == {"state.foreign"}
    with pytest.raises(EnvironmentRefused, match=f"has .*{code}"):
        read_status(directory)


def test_another_programs_database_is_refused_by_readers_too(directory: Path) -> None:
    changed(directory, "pragma application_id = 7")
    assert refusals(directory) == {"state.foreign"}


def test_a_value_that_is_too_large_is_refused_before_it_is_loaded(directory: Path) -> None:
    changed(directory, f"update state set identity = printf('%.*c', {LARGEST_VALUE + 1}, 'x')")
    with pytest.raises(EnvironmentRefused, match=r"state\.large"):
        open_state(directory)
    with pytest.raises(EnvironmentRefused, match=r"state\.large"):
        export_state(directory, StoppedClock())


DEEP = "[" * 100_000
ROWS = {
    "JSON that is none": "update checkpoints set cursor = 'x'",
    "JSON of another shape": "update checkpoints set cursor = '[]'",
    "JSON that is too deep": f"update checkpoints set cursor = '{DEEP}'",
    "digits that are none": "update checkpoints set commit_ts = '0000000000000000000x'",
    "a number of thousands of digits": f"""update checkpoints set cursor = '{{"a":{"9" * 5000}}}'""",
}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_that_cannot_be_read_is_damage(directory: Path, row: str) -> None:
    changed(directory, ROWS[row])
    assert refusals(directory) == {"state.corrupt"}


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"columns":[{}]}', '{"columns":[{"name":1,"other":2}],"schema":"a"}', DEEP]
)
def test_a_schema_in_the_state_that_is_none_is_damage(directory: Path, text: str) -> None:
    changed(directory, f"update schemas set schema = '{text}'")
    with pytest.raises(EnvironmentRefused, match=r"state\.corrupt"):
        open_state(directory)


def test_names_in_the_state_do_not_steer_the_terminal(directory: Path, capsys: Captured) -> None:
    hostile = "'d' || char(27) || '[2J' || char(10) || char(8238)"
    changed(
        directory,
        f"update sinks set sink = {hostile}",
        f"update checkpoints set partition = {hostile}",
        f"update intents set path = {hostile}, sink = {hostile}",
        f"update state set pipeline = {hostile}",
    )
    for verb in (["status"], ["state", "show"], ["state", "export"], ["status", "--json"]):
        flags = ["--state", str(directory)]
        assert call([*verb, *flags]) == 0
        out = capsys.readouterr().out
        assert "[2J" in out
        assert not set(out) & {"\x1b", "\u202e"}


def test_a_spools_catalog_with_code_in_it_is_damage(tmp_path: Path) -> None:
    from sqlite_utils import Database

    with closing(sqlite3.connect(tmp_path / "spool.db")) as connection:
        migrate(Database(connection))
        connection.execute("alter table entries rename to kept")
        connection.execute("create view entries as select * from kept")
        connection.commit()
    (tmp_path / LOCK_FILE).touch()
    assert "a view called 'entries'" in stat(tmp_path).damage
    (found,) = fsck(tmp_path)
    assert found.code == "spool.catalog"


def test_a_schema_of_an_endless_statement_is_refused(directory: Path) -> None:
    columns = ", ".join(f"a_column_with_a_rather_long_name_{'x' * 1000}{number}" for number in range(1500))
    changed(directory, f"create table endless ({columns})")
    assert refusals(directory) == {"state.corrupt"}
