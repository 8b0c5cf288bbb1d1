"""A pipeline's whole road on each store: run, run again, list, verify, and back into tables."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from afterbay.cli.app import call
from tests.support.azurite import ACCOUNT_KEY
from tests.support.gcs_server import Buckets, credentials_file, gs_uri
from tests.support.store_servers import azure_uri
from tests.support.stores import SECRET, s3_uri

ACCOUNTS, TABLES = 60, 3
PIPELINE = """\
name: bank
state: ./state
nodes:
  bank: {{type: demo, rows: 3000, tables: {tables}, accounts: {accounts}, ddl_every: 900}}
  csv: {{type: encode_csv, inputs: bank, include_commit_ts: true}}
  spool: {{type: spool, inputs: csv}}
  lake: {{type: cloud_storage, inputs: spool, uri: "{uri}", shards: 4, file_size: 16KiB}}
"""
Captured = pytest.CaptureFixture[str]
STORES = ("seaweedfs", "rclone", "azurite", "fake_gcs")
_roots = itertools.count()


@pytest.fixture
def uri_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    def uri(store: str) -> str:
        root = f"lake/pipeline-{next(_roots)}"
        server = request.getfixturevalue(store)
        if store == "azurite":
            return azure_uri(server, root)
        if store == "fake_gcs":
            running: tuple[str, Buckets] = server
            return gs_uri(running[0], root, credentials_file(tmp_path))
        return s3_uri(server, root)

    return uri


@pytest.mark.parametrize("store", STORES)
def test_a_pipeline_on_a_store_and_back(
    store: str, uri_of: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = uri_of(store)
    Path("bank.yaml").write_text(PIPELINE.format(tables=TABLES, accounts=ACCOUNTS, uri=uri))

    assert call(["run", "--json", "bank.yaml"]) == 0, capsys.readouterr()
    assert call(["run", "--json", "bank.yaml"]) == 0, "its root is known again, and nothing is stored twice"
    assert call(["ls", uri]) == 0
    assert call(["verify", uri, "--state", "state"]) == 0, capsys.readouterr()
    assert call(["apply", uri, "--to", "duckdb:///copy.duckdb"]) == 0, capsys.readouterr()
    assert call(["verify", uri, "--against", "duckdb:///copy.duckdb"]) == 0, capsys.readouterr()

    with duckdb.connect("copy.duckdb", read_only=True) as copy:
        tables = copy.execute("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'accounts%'").fetchall()
        sums = [copy.execute(f"SELECT count(*), sum(balance) FROM bank.{name}").fetchone() for (name,) in tables]
    assert len(tables) == TABLES
    accounts = sum(count for count, _ in sums)
    assert accounts >= ACCOUNTS * TABLES
    assert sum(total for _, total in sums) == accounts * 1_000_000
    out = "".join(capsys.readouterr())
    for secret in (SECRET, ACCOUNT_KEY, ACCOUNT_KEY.replace("+", "%2B")):
        assert secret not in out
        assert all(secret.encode() not in file.read_bytes() for file in Path("state").rglob("*") if file.is_file())


def wrong_uris(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, tuple[str, str]]:
    """By kind, a URI whose secret its server does not take, and that secret."""
    key = "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"
    seaweedfs, azurite = request.getfixturevalue("seaweedfs"), request.getfixturevalue("azurite")
    role = "role-arn=arn:aws:iam::123456789012:role/lake&external-id=canary-external"
    account = credentials_file(tmp_path, private_key="canary-private")
    account.write_text(json.dumps(json.loads(account.read_text()) | {"disable_oauth": False}))
    azure = f"azblob://lake/x?endpoint={azurite}&account-name=devstoreaccount1"
    return {
        "s3": (s3_uri(seaweedfs, "lake/x").replace(SECRET, "canary-secret"), "canary-secret"),
        "role": (s3_uri(seaweedfs, "lake/x") + f"&{role}", "canary-external"),
        "azure-key": (f"{azure}&account-key={key}", key),
        "azure-sas": (f"{azure}&sas-token=sv%3D2023-11-03%26sp%3Drwdl%26sig%3Dcanary%252Bsas", "canary"),
        "gs": (gs_uri("http://127.0.0.1:9", "lake/x", account), "canary-private"),
    }


@pytest.mark.parametrize("kind", ["s3", "role", "azure-key", "azure-sas", "gs"])
def test_a_secret_is_in_no_output_error_log_graph_or_state(
    kind: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", request.getfixturevalue("seaweedfs"))
    uri, secret = wrong_uris(request, tmp_path)[kind]
    text = PIPELINE.format(tables=TABLES, accounts=ACCOUNTS, uri=uri)
    Path("bank.yaml").write_text(text)
    Path("odd.yaml").write_text(text.replace("shards: 4", "shardz: 4"))
    Path("worse.yaml").write_text(text.replace(f'"{uri}"', f'"{uri}&no-such-key=1"'))
    ended = {}
    for arguments in (
        ["validate", "bank.yaml"],
        ["validate", "odd.yaml"],
        ["validate", "worse.yaml", "--json"],
        ["plan", "bank.yaml"],
        ["graph", "bank.yaml", "--format", "json"],
        ["graph", "bank.yaml", "--format", "mermaid"],
        ["graph", "bank.yaml", "--format", "svg"],
        ["run", "bank.yaml", "--log-level", "debug"],
        ["run", "--json", "bank.yaml"],
        ["status", "bank.yaml"],
        ["ls", uri],
        ["verify", uri],
        ["apply", uri, "--to", "duckdb:///copy.duckdb"],
        ["verify", f"{uri}&no-such-key=1"],
    ):
        ended[" ".join(arguments[:2])] = call(arguments)

    assert ended["validate bank.yaml"] == 0
    assert ended["validate odd.yaml"] == 2
    assert ended["run bank.yaml"] in (1, 3), "the server does not take the secret"
    assert ended[f"verify {uri}"] in (1, 3)
    said = "".join(capsys.readouterr()) + caplog.text
    assert secret not in said
    kept = [file for folder in ("state", ".afterbay") for file in Path(folder).rglob("*") if file.is_file()]
    assert all(secret.encode() not in file.read_bytes() for file in kept)
