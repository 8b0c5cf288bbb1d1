"""Whose state is it: another pipeline, other options, a newer version, another program, damage (I10)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from afterbay.errors import EnvironmentRefused, PipelineInvalid, Place
from afterbay.pipeline import Pipeline
from afterbay.schema import Json
from afterbay.state.identity import Difference, differences
from afterbay.state.status import read_status
from tests.support.state import Run, open_state

STORED: dict[str, Json] = {
    "changes": {"type": "log", "path": "a.jsonl"},
    "csv": {"type": "encode_csv", "quote": '"', "include_commit_ts": True},
}


def test_each_difference_is_listed_old_to_new() -> None:
    given: dict[str, Json] = {
        "csv": {"type": "encode_csv", "quote": "", "terminator": "\n"},
        "lake": {"type": "files"},
    }
    assert differences(STORED, given) == (
        Difference("changes", "type", '"log"', "absent"),
        Difference("csv", "include_commit_ts", "true", "absent"),
        Difference("csv", "quote", '"\\""', '""'),
        Difference("csv", "terminator", "absent", '"\\n"'),
        Difference("lake", "type", "absent", '"files"'),
    )
    assert differences(STORED, dict(reversed(STORED.items()))) == ()


def test_other_options_are_refused_with_each_of_them_and_a_way_out(tmp_path: Path) -> None:
    open_state(tmp_path, identity=STORED).close()
    given: dict[str, Json] = {**STORED, "csv": {"type": "encode_csv", "quote": "'", "include_commit_ts": False}}
    with pytest.raises(PipelineInvalid) as caught:
        open_state(tmp_path, identity=given)
    error = caught.value
    assert error.exit_code == 2
    assert [(item.code, item.place.node if item.place else None) for item in error.diagnostics] == [
        ("state.identity", "csv"),
        ("state.identity", "csv"),
    ]
    assert "csv.include_commit_ts: true -> false" in str(error)
    assert "put `quote` back" in str(error)
    open_state(tmp_path, identity=STORED).close()  # the refusal left nothing behind, the lock neither


def test_another_way_of_writing_it_is_let_in_and_replaced_when_the_run_starts(tmp_path: Path) -> None:
    open_state(tmp_path, identity=STORED).close()
    given: dict[str, Json] = {**STORED, "changes": {"type": "log", "path": "files"}}

    def recognises(node: str, option: str, stored: Json) -> bool:
        return (node, option, stored) == ("changes", "path", "a.jsonl")

    # Refused later, by a sink that looks at its root: then it is the old one still.
    open_state(tmp_path, identity=given, recognises=recognises).close()
    open_state(tmp_path, identity=STORED).close()

    state = open_state(tmp_path, identity=given, recognises=recognises)
    state.start({}, lambda *_: None, lambda _: None)
    state.close()
    open_state(tmp_path, identity=given).close()
    with pytest.raises(PipelineInvalid, match=r"changes\.path: \"files\" -> \"a\.jsonl\""):
        open_state(tmp_path, identity=STORED)


def said(tmp_path: Path, given: dict[str, Json]) -> list[tuple[str, str]]:
    """What is told of each finding, up to what all have in common, and the way out."""
    open_state(tmp_path, identity=STORED).close()
    with pytest.raises(PipelineInvalid) as caught:
        open_state(tmp_path, identity=given)
    return [
        (item.message.partition(": the state")[0], str(item.hint).partition(",")[0])
        for item in caught.value.diagnostics
    ]


def test_another_type_is_one_finding(tmp_path: Path) -> None:
    given: dict[str, Json] = {**STORED, "csv": {"type": "encode_canal_json", "compatible": True}}
    assert said(tmp_path, given) == [
        ("node 'csv' was encode_csv, now it is encode_canal_json", "put `type` back to encode_csv")
    ]


def test_a_renamed_node_is_one_finding_with_its_old_name(tmp_path: Path) -> None:
    given: dict[str, Json] = {"changes": STORED["changes"], "plain": STORED["csv"]}
    assert said(tmp_path, given) == [("node 'plain' (encode_csv) was called 'csv'", "call it 'csv' again")]


def test_nodes_that_came_and_nodes_that_are_gone(tmp_path: Path) -> None:
    given: dict[str, Json] = {"changes": STORED["changes"], "lake": {"type": "files", "root": "x"}}
    assert said(tmp_path, given) == [
        ("node 'lake' (files) is new", "leave it out"),
        ("node 'csv' (encode_csv) is gone", "put it back"),
    ]


def test_a_finding_has_its_place_in_the_pipeline_file(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"

    def run(seed: int, hole: str) -> None:
        file.write_text(
            f"state: {tmp_path / 'state'}\n"
            "nodes:\n"
            f"  bank: {{type: demo, rows: 100, seed: {seed}}}\n"
            f"  {hole}: {{type: blackhole, inputs: bank}}\n"
        )
        Pipeline.from_yaml(file).run()

    run(1, "hole")
    with pytest.raises(PipelineInvalid) as caught:
        run(2, "pit")
    seed, hole = caught.value.diagnostics
    assert seed.place == Place(str(file), 3, 39, "bank")
    assert seed.message.startswith("bank.seed: 1 -> 2 (old -> new)")
    assert hole.place == Place(str(file), 4, 3, "pit")
    assert hole.message.startswith("node 'pit' (blackhole) was called 'hole'")
    assert "seed: 2" in str(caught.value)


def test_another_pipelines_state_is_refused(tmp_path: Path) -> None:
    open_state(tmp_path).close()
    with pytest.raises(PipelineInvalid, match=r"state\.pipeline.*'orders'.*'payments'"):
        open_state(tmp_path, pipeline="payments")


def test_a_newer_database_is_refused_by_run_and_status(tmp_path: Path) -> None:
    open_state(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "checkpoint.db", isolation_level=None)) as connection:
        connection.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at) "
            "values ('afterbay.checkpoint', 'm0099_from_tomorrow', 'then')"
        )
    for reader in (open_state, read_status):
        with pytest.raises(EnvironmentRefused, match=r"state\.newer.*m0099_from_tomorrow"):
            reader(tmp_path)


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "checkpoint.db", isolation_level=None)) as connection:
        connection.execute("create table photos (id integer primary key)")
    before = (tmp_path / "checkpoint.db").read_bytes()
    with pytest.raises(EnvironmentRefused, match=r"state\.foreign"):
        open_state(tmp_path)
    assert (tmp_path / "checkpoint.db").read_bytes() == before


@pytest.mark.parametrize("damage", [b"this is no database" * 100, None], ids=["not sqlite", "a page overwritten"])
def test_a_damaged_database_is_refused_with_a_way_out(tmp_path: Path, damage: bytes | None) -> None:
    run = Run(tmp_path)
    run.store(7, 1)
    run.state.close()
    path = tmp_path / "checkpoint.db"
    whole = path.read_bytes()
    path.write_bytes(damage if damage is not None else whole[:4096] + b"\xa5" * 4096 + whole[8192:])
    with pytest.raises(EnvironmentRefused, match=r"state\.corrupt") as caught:
        open_state(tmp_path)
    assert "start anew" in str(caught.value.hint)
    assert "an older one is refused" in str(caught.value.hint), "a copy from before the last run is no way out"
    path.write_bytes(whole)
    open_state(tmp_path).close()


def test_a_row_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.store(7, 1)
    run.state.close()
    with closing(sqlite3.connect(tmp_path / "checkpoint.db", isolation_level=None)) as connection:
        connection.execute("update checkpoints set cursor = '[1, 2'")
    for reader in (open_state, read_status):
        with pytest.raises(EnvironmentRefused, match=r"state\.corrupt"):
            reader(tmp_path)


def test_a_state_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(EnvironmentRefused, match=r"state\.folder"):
            open_state(directory)
    assert (tmp_path / "file").read_text() == ""
