from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from afterbay.errors import PipelineInvalid
from afterbay_nodes.storage.local import LocalStore
from afterbay_nodes.storage.store import NotFound
from afterbay_nodes.storage.uri import parse_uri
from tests.support.stores import Bench


@pytest.mark.parametrize(
    ("text", "scheme", "bucket", "path"),
    [
        ("out", "file", "", "out"),
        ("./out/", "file", "", "./out"),
        ("/data/lake", "file", "", "/data/lake"),
        ("/", "file", "", "/"),
        ("file:///data/lake", "file", "", "/data/lake"),
        ("file:///data/my%20lake/", "file", "", "/data/my lake"),
        ("file://localhost/data", "file", "", "/data"),
        ("file://./out", "file", "", "./out"),
        ("file:out", "file", "", "out"),
        ("s3://bucket", "s3", "bucket", ""),
        ("S3://bucket/a/b/", "s3", "bucket", "a/b"),
        ("gcs://bucket/a", "gs", "bucket", "a"),
        ("azure://box/a", "azblob", "box", "a"),
        ("noop://", "noop", "", ""),
    ],
)
def test_a_uri_is_scheme_bucket_and_path(text: str, scheme: str, bucket: str, path: str) -> None:
    uri = parse_uri(text)

    assert (uri.scheme, uri.bucket, uri.path) == (scheme, bucket, path)


def test_the_query_is_read_once_a_key_and_what_the_sink_takes_is_left_out() -> None:
    uri = parse_uri("s3://bucket/a?region=eu-west-1&file-size=1024&endpoint=http%3A%2F%2Fh%3A1")

    assert uri.query == {"region": "eu-west-1", "file-size": "1024", "endpoint": "http://h:1"}
    assert uri.without({"file-size"}).query == {"region": "eu-west-1", "endpoint": "http://h:1"}
    assert uri.display == "s3://bucket/a"


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", "uri.empty", "empty"),
        ("s4://bucket", "uri.scheme", "did you mean 's3'"),
        ("flie:///data", "uri.scheme", "did you mean 'file'"),
        ("hdfs://host/a", "uri.scheme", "known: file, s3"),
        ("s3:///a", "uri.bucket", "names no bucket"),
        ("s3://key:pass@bucket/a", "uri.credentials", "before its host"),
        ("file://data/lake", "uri.host", "write file:///data/lake"),
        ("file://", "uri.path", "names no folder"),
        ("./out?file-size=1", "uri.query", "no query"),
        ("s3://bucket/a?region=x&region=y", "uri.query", "twice"),
        ("s3://bucket/a#b", "uri.fragment", "%23"),
        ("s3://[bucket/a", "uri.form", "not well formed"),
    ],
)
def test_a_wrong_uri_is_refused_with_what_would_be_right(text: str, code: str, says: str) -> None:
    with pytest.raises(PipelineInvalid) as caught:
        parse_uri(text)

    assert caught.value.code == code
    assert says in str(caught.value)
    assert "pass" not in str(caught.value)


def test_a_relative_path_is_below_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Bench("./out").open()
    assert isinstance(store, LocalStore)
    store.check()
    monkeypatch.chdir("/")
    store.replace("metadata", b"x", None)
    store.close()

    assert (tmp_path / "out/metadata").read_bytes() == b"x"


def test_options_of_another_store_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineInvalid, match="unknown key 'region'"):
        Bench(f"file://{tmp_path}?region=x").open()


def test_noop_takes_everything_and_keeps_nothing() -> None:
    store = Bench("noop://").open()
    store.check()
    store.put_if_absent("a.csv", [b"x"], 1)
    store.put_if_absent("a.csv", [b"x"], 1)
    store.replace("metadata", b"x", None)

    assert store.head("a.csv") is None
    assert list(store.list("")) == []
    with pytest.raises(NotFound):
        store.get("metadata")
    store.close()


def test_clients_are_imported_only_for_their_stores(tmp_path: Path) -> None:
    program = (
        "import sys; from afterbay.clock import SystemClock; from afterbay_nodes.storage.open import open_store; "
        f"open_store({str(tmp_path)!r}, clock=SystemClock(), meter=None).check(); "
        "assert not {'boto3', 'obstore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("./a\0b", "uri.form"),
        ("s3://lake/%00", "uri.form"),
        ("s3://lake/" + "x" * 9000, "uri.long"),
        ("s3://[x", "uri.form"),
    ],
)
def test_what_no_store_can_be_called_is_refused(text: str, code: str) -> None:
    with pytest.raises(PipelineInvalid) as caught:
        parse_uri(text)
    assert caught.value.code == code
    assert len(str(caught.value)) < 300


def test_a_folder_that_is_called_like_a_command_to_the_terminal_is_shown_harmlessly() -> None:
    assert parse_uri("./\x1b[2J\n\u202e").display == "./\\x1b[2J\\n\\u202e"
