"""The doctor: each thing that a pipeline depends on, well and ill, with what to do; never longer than its deadlines."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from afterbay import Pipeline
from afterbay.cli.app import call
from afterbay.clock import SystemClock
from afterbay.doctor import checkup as checkups
from afterbay.doctor.finding import Finding, ok
from afterbay.doctor.folders import file_system, is_network, spool_folder, state_folder
from afterbay.doctor.versions import EXTRAS, sqlite
from afterbay.state.lock import DirectoryLock
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.storage.s3_requests import S3Requests
from tests.support.state import intent, open_state
from tests.support.stores import s3_server, s3_uri

NODES = {
    "bank": {"type": "demo", "rows": 200, "tables": 2},
    "csv": {"type": "encode_csv", "inputs": "bank"},
    "spool": {"type": "spool", "inputs": "csv", "disk_quota": "1MiB"},
    "lake": {"type": "cloud_storage", "inputs": "spool", "uri": "./lake"},
}


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return written(tmp_path)


def written(folder: Path, **changed: dict[str, Any]) -> Path:
    nodes = {name: {**keys, **changed.get(name, {})} for name, keys in NODES.items()}
    file = folder / "orders.yaml"
    file.write_text(json.dumps({"name": "orders", "state": "./state", "nodes": nodes}))
    return file


def asked(file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, tuple[str, str, str | None]]]:
    """(exit code, by subject: verdict, text and hint)."""
    code = call(["doctor", str(file), "--json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    return code, {item["subject"]: (item["verdict"], item["text"], item["hint"]) for item in found}


def test_all_is_well_before_a_first_run_and_after_it(orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, before = asked(orders, capsys)
    assert code == 0
    assert before["state"][1].startswith("none yet")
    assert "is not there yet; the first run makes it" in before["store of 'lake'"][1]
    assert not Path("lake").exists(), "the doctor makes nothing"
    assert not Path("state").exists()
    assert call(["run", str(orders), "--quiet"]) == 0
    code, after = asked(orders, capsys)
    assert code == 0
    assert {verdict for verdict, _, _ in after.values()} == {"ok"}
    assert after["lock"][1] == "free"
    assert "in reach and may be written" in after["store of 'lake'"][1]


def test_as_text_each_line_has_its_verdict_and_what_to_do(orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("state").mkdir()
    Path("state/checkpoint.db").write_bytes(b"no database" * 100)
    assert call(["doctor", str(orders)]) == 1
    out = capsys.readouterr().out
    assert "ok    python: " in out
    assert "fail  state: " in out
    assert "      -> make it anew from what is stored (`afterbay state rebuild" in out
    assert "1 thing in the way of a run" in out


def test_only_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "ok    sqlite: " in out
    assert "ok    pyarrow: " in out


@pytest.mark.parametrize(
    ("version", "bug"), [((3, 6, 23), False), ((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False)]
)
def test_the_bug_of_old_sqlites_is_named(version: tuple[int, ...], bug: bool) -> None:
    assert ("WAL-reset bug" in sqlite(version).text) is bug


def test_a_node_without_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    orders = written(tmp_path, csv={"type": "encode_avro"})
    assert asked(orders, capsys)[1]["extra of 'csv'"][0] == "ok"
    monkeypatch.setitem(EXTRAS, "avro", "no-such-distribution-of-avro")
    code, found = asked(orders, capsys)
    assert code == 1
    assert found["extra of 'csv'"] == (
        "fail",
        "no-such-distribution-of-avro is not installed",
        "pip install 'afterbay[avro]'",
    )


def test_a_run_at_work_and_what_a_dead_one_left(orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = open_state(Path("state"), pipeline="orders")
    state.begin(intent(5, 1))
    assert asked(orders, capsys)[1]["lock"][1].startswith("held by process")
    state.close()
    code, found = asked(orders, capsys)
    assert code == 0
    assert found["files under way"][0] == "warn"
    assert "bank/d1/1/CDC00000000000000000001.csv" in found["files under way"][1]
    assert "I6" in str(found["files under way"][2])


def test_another_pipelines_state(orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_state(Path("state"), pipeline="other").close()
    code, found = asked(orders, capsys)
    assert code == 1
    assert found["state"][0] == "fail"
    assert "'other'" in found["state"][1]


def test_a_store_that_cannot_be_written(tmp_path: Path, orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("lake").write_text("a file where a folder should be")
    code, found = asked(orders, capsys)
    assert code == 1
    assert any(verdict == "fail" and "lake" in subject for subject, (verdict, _, _) in found.items())


def test_a_disk_that_is_smaller_than_the_quota(tmp_path: Path) -> None:
    ((verdict, text, hint),) = (
        (item.verdict, item.text, item.hint)
        for item in spool_folder("spool", tmp_path, 1 << 60)
        if item.subject.endswith("disk")
    )
    assert verdict == "warn"
    assert "for a quota of" in text
    assert "lower disk_quota" in str(hint)


@pytest.mark.parametrize(
    ("kind", "network"), [("ext4", False), ("nfs4", True), ("fuse.sshfs", True), ("overlay", False)]
)
def test_the_kind_of_a_file_system(tmp_path: Path, kind: str, network: bool) -> None:
    real = tmp_path.resolve()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"23 22 0:30 / {real} rw,relatime shared:1 - {kind} server:/export rw\n"
        f"24 22 0:31 / {real}-beside rw - tmpfs tmpfs rw\n"
        "nonsense\n"
    )
    assert file_system(tmp_path / "deep", mounts) == kind
    assert is_network(kind) is network
    assert file_system(Path("/"), mounts) == "ext4"


def test_locks_on_a_network_disk_are_doubted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afterbay.doctor.folders.file_system", lambda _: "nfs4")
    found = {item.subject: item for item in state_folder(tmp_path)}
    assert found["state locks"].verdict == "warn"
    assert "(nfs4)" in found["state locks"].text


def test_a_question_that_nobody_answers_ends(orders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead network disk: the thread that asks cannot be ended, and is not waited for."""
    never = threading.Event()

    def examine(node: CloudStorage, name: str, clock: object) -> Iterator[Finding]:
        yield ok("store", "so far")
        never.wait()

    monkeypatch.setattr(CloudStorage, "examine", examine)
    found = list(checkups.checkup(Pipeline.from_yaml(orders).compile(), SystemClock(), seconds=0.2))
    never.set()
    assert found[-1].verdict == "fail"
    assert "no answer within 0.2 s" in found[-1].text
    assert found[-2].text == "so far"


def test_a_bucket_and_its_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with s3_server("lake") as endpoint:
        orders = written(tmp_path, lake={"uri": s3_uri(endpoint)})
        code, found = asked(orders, capsys)
        assert code == 0
        assert "in reach" in found["store of 'lake'"][1]
        assert found["store of 'lake' clock"] == ("ok", "as the store's", None)
        assert found["store of 'lake' conditions"][0] in {"ok", "warn"}
        page = S3Requests.page

        def late(self: S3Requests, *arguments: Any) -> Any:
            answer = page(self, *arguments)
            past = SystemClock().now() - timedelta(hours=1)
            answer["ResponseMetadata"]["HTTPHeaders"]["date"] = format_datetime(past, usegmt=True)
            return answer

        monkeypatch.setattr(S3Requests, "page", late)
        code, found = asked(orders, capsys)
        assert code == 1
        assert found["store of 'lake' clock"][0] == "fail"
        assert "ahead of the store's clock" in found["store of 'lake' clock"][1]


def test_it_disturbs_no_run(orders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["run", str(orders), "--quiet"]) == 0
    lock = DirectoryLock.acquire(Path("state"), SystemClock())
    before = contents()
    assert asked(orders, capsys)[0] == 0
    assert contents() == before
    lock.release()


def contents() -> dict[Path, bytes]:
    """All files but those that SQLite makes for a reader."""
    files = (path for path in Path().rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if not path.name.endswith(("-shm", "-wal"))}
