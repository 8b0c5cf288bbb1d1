"""A state is made anew while the network may still hold a write of the dead run: nothing is stored twice (I6)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from afterbay import Pipeline
from afterbay.clock import SystemClock
from afterbay.errors import RunFailed
from afterbay.state.rebuild import Rebuilt, rebuild
from afterbay_nodes.sinks import recollection
from afterbay_nodes.storage.open import open_store
from afterbay_nodes.storage.store import AlreadyExists, ObjectStore, StoreOptions
from afterbay_nodes.storage.uri import parse_uri
from tests.support.canal import ddl, row, watermark, write
from tests.support.change_logs import CREATE
from tests.support.stores import RetryTally, s3_server, s3_uri

_roots = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server("lake") as address:
        yield address


class Lake:
    """A pipeline from a change log to a root on a server; its state can be lost."""

    def __init__(self, folder: Path, uri: str) -> None:
        self.folder, self.uri = folder, uri
        self.log = folder / "log"
        self.file = folder / "p.yaml"
        self.file.write_text(
            f"name: p\nstate: {folder}/state\nnodes:\n  log: {{type: change_log, path: {self.log}}}\n"
            "  csv: {type: encode_csv, inputs: log, include_commit_ts: true}\n"
            "  spool: {type: spool, inputs: csv}\n"
            f"  lake: {{type: cloud_storage, inputs: spool, uri: '{uri}', shards: 1, date_separator: none}}\n"
        )

    def run(self, rows: int) -> int:
        """Goes on to `rows` rows; how many were stored now."""
        lines = [ddl(5, CREATE)]
        for number in range(rows):
            lines += [row("t", 10 + number, {"id": str(number), "v": "x"}), watermark(10 + number)]
        write(self.log, *lines)
        return Pipeline.from_yaml(self.file).run(until="end").rows_stored

    def rebuilt(self) -> Rebuilt:
        """The state is lost, and made anew."""
        for part in (self.folder / "state").glob("checkpoint.db*"):
            part.unlink()
        return rebuild(Pipeline.from_yaml(self.file).compile(), SystemClock(), lambda _: None)

    def store(self) -> ObjectStore:
        return open_store(parse_uri(self.uri), StoreOptions(), clock=SystemClock(), meter=RetryTally(), cancel=None)


def late(lake: Lake, number: int, body: bytes) -> None:
    """The write of a dead run that the network held back: under the condition that nothing is there, as all are."""
    with closing(lake.store()) as store:
        (directory,) = {item.key.rpartition("/")[0] for item in store.list("") if item.key.endswith(".csv")}
        store.put_if_absent(f"{directory}/CDC{number:020d}.csv", [body], len(body))


def _ids(lake: Lake) -> list[str]:
    with closing(lake.store()) as store:
        keys = sorted(item.key for item in store.list("") if item.key.endswith(".csv"))
        return [line.split(b",")[4].decode() for key in keys for line in store.get(key).split(b"\r\n") if line]


ROW = b'"I","t","shop",12,2,"x"\r\n'


def test_a_write_of_the_dead_run_that_comes_after_the_rebuild_is_refused(tmp_path: Path, server: str) -> None:
    lake = Lake(tmp_path, s3_uri(server, f"lake/root-{next(_roots)}"))
    assert lake.run(2) == 2
    lake.rebuilt()
    with pytest.raises(AlreadyExists):
        late(lake, 2, ROW)
    assert lake.run(4) == 2
    assert _ids(lake) == ["0", "1", "2", "3"]


def test_a_write_that_comes_before_the_fence_is_stored_and_its_rows_are_not_sent_again(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path, s3_uri(server, f"lake/root-{next(_roots)}"))
    assert lake.run(2) == 2
    fence = recollection.fence
    came: list[Any] = []

    def just_before(*given: Any) -> list[str]:
        if not came:
            late(lake, 2, ROW)
            came.append(True)
        return fence(*given)

    monkeypatch.setattr(recollection, "fence", just_before)
    done = lake.rebuilt()
    assert done.sinks["lake"].changes == 3
    assert lake.run(4) == 1
    assert _ids(lake) == ["0", "1", "2", "3"]


def test_a_run_that_is_at_work_meanwhile_is_told(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path, s3_uri(server, f"lake/root-{next(_roots)}"))
    assert lake.run(2) == 2
    fence, numbers = recollection.fence, itertools.count(2)

    def again(*given: Any) -> list[str]:
        number = next(numbers)
        late(lake, number, ROW.replace(b",12,2,", b",%d,%d," % (10 + number, number)))
        return fence(*given)

    monkeypatch.setattr(recollection, "fence", again)
    with pytest.raises(RunFailed, match="a run of this pipeline is at work"):
        lake.rebuilt()


def test_a_rebuild_twice_over_needs_no_second_replay(tmp_path: Path, server: str) -> None:
    lake = Lake(tmp_path, s3_uri(server, f"lake/root-{next(_roots)}"))
    assert lake.run(3) == 3
    lake.rebuilt()
    done = lake.rebuilt()
    assert (done.sinks["lake"].files, done.sinks["lake"].changes) == (1, 3)
    assert lake.run(3) == 0
    assert _ids(lake) == ["0", "1", "2"]


def test_a_file_that_came_late_to_a_day_that_is_over_stays_out_of_the_index(tmp_path: Path) -> None:
    """The run has stored its rows elsewhere since: counted again they would be there twice."""
    lake = Lake(tmp_path, str(tmp_path / "lake"))
    lake.file.write_text(lake.file.read_text().replace("date_separator: none", "date_separator: day"))
    assert lake.run(2) == 2
    (version,) = (tmp_path / "lake" / "shop" / "t").glob("[0-9]*")
    old = version / "2020-01-01"
    old.mkdir()
    (old / "CDC00000000000000000001.csv").write_bytes(ROW)
    done = lake.rebuilt()
    assert done.sinks["lake"].changes == 2
    assert "2020-01-01" in done.sinks["lake"].unknown[0]
    assert not (old / "meta").exists()
    assert lake.run(3) == 1
