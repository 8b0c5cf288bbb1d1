"""What a sink's `uri` cannot be is found by `validate`, at the place of the URI: nothing is left to the run (I10)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from afterbay import Pipeline
from afterbay.errors import Diagnostic, PipelineInvalid


def findings(uri: str, folder: Path) -> tuple[Diagnostic, ...]:
    file = folder / "orders.yaml"
    file.write_text(
        "nodes:\n"
        "  bank: {type: demo}\n"
        "  csv: {type: encode_csv, inputs: bank}\n"
        "  spool: {type: spool, inputs: csv}\n"
        f"  lake: {{type: cloud_storage, inputs: spool, uri: '{uri}'}}\n"
    )
    with pytest.raises(PipelineInvalid) as refused:
        Pipeline.from_yaml(file).compile()
    return refused.value.diagnostics


@pytest.mark.parametrize(
    ("uri", "code", "message", "hint"),
    [
        ("gs://b/x?endpont=http://h", "uri.query", "unknown key 'endpont'", "did you mean 'endpoint'?"),
        ("s3://b/y?endpont=http://h", "uri.query", "unknown key 'endpont'", "did you mean 'endpoint'?"),
        ("file://./x?flsh-interval=2s", "uri.query", "unknown key 'flsh-interval'", "did you mean 'flush-interval'?"),
        ("file://./x?flush_interval=2s", "uri.query", "unknown key 'flush_interval'", "did you mean 'flush-interval'?"),
        ("s3://b/y?worker_count=4", "uri.query", "unknown key 'worker_count'", "did you mean 'worker-count'?"),
        ("file://./x?endpoint=http://h", "uri.query", "unknown key 'endpoint'", "known: "),
        ("s3://b/y?endpoint=h", "uri.endpoint", "no http(s) address", "for example"),
        ("s3://b/y?access-key=a", "uri.credentials", "only one of", "set both"),
        ("s3://b/y?protocol=csv", "uri.elsewhere", "'protocol', which belongs to another node", "encode_csv"),
    ],
)
def test_one_finding_with_its_place(uri: str, code: str, message: str, hint: str, tmp_path: Path) -> None:
    (found,) = findings(uri, tmp_path)
    assert found.code == code
    assert found.message.startswith("node 'lake': ")
    assert message in found.message
    assert hint in (found.hint or "")
    assert found.place is not None
    assert (found.place.line, found.place.column) == (5, 51)


@pytest.mark.parametrize(("uri", "extra"), [("gs://b/x", "gcs"), ("azblob://b/x", "azure")])
def test_a_store_whose_connector_is_not_installed(
    uri: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    (found,) = findings(uri, tmp_path)
    assert found.code == "store.connector"
    assert f"pip install 'afterbay[{extra}]'" in (found.hint or "")


def test_all_wrong_keys_of_a_uri_are_told_at_once(tmp_path: Path) -> None:
    found = findings("s3://b/y?endpont=http://h&regoin=x&protocol=csv", tmp_path)
    assert [item.code for item in found] == ["uri.elsewhere", "uri.query", "uri.query"]


def test_no_secret_of_a_uri_is_told(tmp_path: Path) -> None:
    (found,) = findings("s3://b/y?secret-access-key=hunter2", tmp_path)
    assert "hunter2" not in str(found)
