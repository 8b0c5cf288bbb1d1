"""`afterbay state drop-slot`: what a pipeline made on the server goes, what it did not make stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import afterbay, started
from tests.support.copied import Copied, copied
from tests.support.postgres_server import PostgresServer
from tests.support.waiting import until

LEFT = """
SELECT (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())
  + (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_event_trigger)
  + (SELECT count(*) FROM pg_namespace WHERE nspname = '_afterbay')
"""


@pytest.fixture
def copy(tmp_path: Path, logical_postgres: PostgresServer) -> Iterator[Copied]:
    with copied(tmp_path, logical_postgres.database(), ddl_trigger=True) as found:
        found.db.execute("CREATE TABLE t (id int PRIMARY KEY, n bigint)")
        found.catches_up()
        yield found


def dropped(copy: Copied, *more: str) -> dict[str, str]:
    """What became of each thing."""
    done = afterbay("state", "drop-slot", copy.file, "--json", *more, cwd=copy.folder)
    assert done.exit_code == 0, done.out + done.err
    return {item["what"].split(" ")[0]: item["fate"] for item in done.data["removals"]}


def test_everything_goes_and_may_be_dropped_again(copy: Copied) -> None:
    assert copy.one(LEFT) == 5
    assert dropped(copy, "--yes") == {"replication": "dropped", "publication": "dropped", "event": "dropped"}
    assert copy.one(LEFT) == 0
    assert dropped(copy, "--yes") == {"replication": "absent", "publication": "absent", "event": "absent"}
    again = afterbay("run", copy.file, "--json", "--until", "caught-up", cwd=copy.folder)
    assert (again.exit_code, again.data["error"]) == (1, "postgres.publication_gone")


def test_a_checkpoint_is_not_made_useless_by_chance(copy: Copied) -> None:
    refused = afterbay("state", "drop-slot", copy.file, "--json", cwd=copy.folder)
    assert (refused.exit_code, refused.codes) == (2, ["call.unconfirmed"])
    assert copy.one(LEFT) == 5
    # Without a state nobody is asked.
    assert afterbay("state", "reset", copy.file, "--yes", cwd=copy.folder).exit_code == 0
    assert set(dropped(copy).values()) == {"dropped"}


def test_a_run_that_goes_on_keeps_its_slot(copy: Copied, tmp_path: Path) -> None:
    with started("run", copy.file, cwd=copy.folder, errors=tmp_path / "stderr.txt") as run:
        until(lambda: copy.one("SELECT active FROM pg_replication_slots WHERE slot_name = %s", copy.slot))
        locked = afterbay("state", "drop-slot", copy.file, "--yes", "--json", cwd=copy.folder)
        assert (locked.exit_code, locked.codes) == (3, ["state.locked"])
        # Another machine's run is known by its connection.
        other = afterbay("state", "drop-slot", copy.file, "--state", "other", "--json", cwd=copy.folder)
        assert (other.exit_code, other.codes) == (3, ["postgres.slot_in_use"])
        run.terminate()
    assert copy.one(LEFT) == 5


def test_what_others_made_or_need_stays(copy: Copied) -> None:
    copy.db.execute(f"COMMENT ON PUBLICATION {copy.slot} IS NULL")
    copy.db.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", ["other_" + copy.slot])
    done = afterbay("state", "drop-slot", copy.file, "--yes", cwd=copy.folder)
    assert done.exit_code == 0
    assert [line.split(" ")[0] for line in done.out.splitlines()] == ["dropped", "kept", "kept"]
    assert f'DROP PUBLICATION "{copy.slot}"' in done.out
    assert f"(slots: other_{copy.slot}); DROP EVENT TRIGGER" in done.out
    assert copy.one(LEFT) == 5  # the other's slot, the publication, two triggers and their schema


def test_a_slot_of_another_kind_stays(copy: Copied) -> None:
    copy.db.execute("SELECT pg_drop_replication_slot(%s)", [copy.slot])
    copy.db.execute("SELECT pg_create_physical_replication_slot(%s)", [copy.slot])
    try:
        assert dropped(copy, "--yes")["replication"] == "kept"
    finally:
        copy.db.execute("SELECT pg_drop_replication_slot(%s)", [copy.slot])


def test_a_role_that_may_not_is_told_who_may(copy: Copied) -> None:
    copy.db.execute("DROP ROLE IF EXISTS lesser")
    copy.db.execute("CREATE ROLE lesser LOGIN REPLICATION")
    copy.file.write_text(copy.file.read_text().replace("postgresql://afterbay@", "postgresql://lesser@"))
    try:
        done = afterbay("state", "drop-slot", copy.file, "--yes", cwd=copy.folder)
    finally:
        copy.db.execute("DROP ROLE lesser")
    assert done.exit_code == 1
    assert [line.split(" ")[0] for line in done.out.splitlines()] == ["dropped", "refused", "refused"]


def test_a_pipeline_that_has_nothing_on_a_server(tmp_path: Path) -> None:
    file = tmp_path / "demo.yaml"
    file.write_text("name: demo\nnodes:\n  bank: {type: demo}\n  hole: {type: blackhole, inputs: bank}\n")
    done = afterbay("state", "drop-slot", file, cwd=tmp_path)
    assert (done.exit_code, "nothing to drop" in done.out) == (0, True)
