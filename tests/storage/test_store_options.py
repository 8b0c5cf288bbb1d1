"""What a URI may say of Google's and Azure's stores, and of roles: checked before anything is opened."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from afterbay.errors import EnvironmentRefused, PipelineInvalid
from afterbay_nodes.storage.azure_options import AzureOptions
from afterbay_nodes.storage.check_uri import check_uri
from afterbay_nodes.storage.gs_options import GsOptions
from afterbay_nodes.storage.s3_options import S3Options
from afterbay_nodes.storage.store import StoreOptions
from afterbay_nodes.storage.uri import parse_uri
from tests.support.stores import Bench

KEY_OF_32_BYTES = base64.b64encode(b"k" * 32).decode()


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("s3://b?sse=aes", "sets sse to 'aes'"),
        ("s3://b?sse-kms-key-id=k", "it needs sse=aws:kms"),
        ("s3://b?storage-class=STANDART_IA", "did you mean 'STANDARD_IA'"),
        ("s3://b?storage-class=DEEP_ARCHIVE", "nothing can be read back"),
        ("s3://b?endpoint=http://h:1&storage-class=DEEP_ARCHIVE", "nothing can be read back"),
        ("s3://b?acl=bucket-owner-full-controll", "did you mean 'bucket-owner-full-control'"),
        ("s3://b?external-id=canary", "external-id without role-arn"),
        ("s3://b?role-arn=lake", "no ARN"),
        ("s3://b?use-accelerate-endpoint=yes", "write true or false"),
        ("s3://b?use-accelerate-endpoint=true&endpoint=http://h", "together with"),
        ("gs:///a", "names no bucket"),
        ("gs://b?storage-clas=NEARLINE", "did you mean 'storage-class'"),
        ("gs://b?storage-class=NEARLINES", "did you mean 'NEARLINE'"),
        ("gs://b?endpoint=localhost:1", "no http"),
        ("gs://b?predefined-acl=private", "uniform bucket-level access"),
        ("gs://b/a//b", "an empty level"),
        ("gs://b/a%5Cb", "an empty level"),
        ("azure:///a", "names no container"),
        ("azblob://c?acount-name=x", "did you mean 'account-name'"),
        ("azblob://c?account-key=Y2FuYXJ5", "account-key without account-name"),
        ("azblob://c?sas-token=sig%3Dcanary", "sas-token without account-name"),
        ("azblob://c?account-name=a&account-key=Y2FuYXJ5&sas-token=sig%3Dcanary", "sets both"),
        ("azblob://c?account-name=a&account-key=canary!", "what is not Base64"),
        ("azblob://c?account-name=a&sas-token=sv%3D1", "without its signature"),
        ("azblob://c?access-tier=Archive", "nothing can be read back"),
        ("azblob://c?access-tier=Warm", "known: Hot, Cool, Cold"),
        ("azblob://c?encryption-scope=x", "default scope of the container"),
        ("azblob://c?encryption-key=Y2FuYXJ5", "32 bytes in Base64"),
        (f"azblob://c?endpoint=http://h&encryption-key={KEY_OF_32_BYTES}", "without TLS"),
        ("azblob://c?endpoint=https://u:canary@h/a", "no http"),
        ("azblob://c/../x", "'..'"),
    ],
)
def test_wrong_options_are_refused_with_what_would_be_right(uri: str, says: str) -> None:
    with pytest.raises(PipelineInvalid) as caught:
        check_uri(parse_uri(uri))

    assert says in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "Y2FuYXJ5" not in str(caught.value)


def test_the_options_of_google_are_read() -> None:
    options = GsOptions.from_uri(
        parse_uri("gcs://lake/a/b?endpoint=https://h:1/&credentials-file=/etc/account.json&storage-class=nearline")
    )

    assert options == GsOptions(
        "gs://lake/a/b", "lake", "a/b", "https://h:1/", "/etc/account.json", {"Storage-Class": "NEARLINE"}
    )


def test_the_options_of_azure_are_read() -> None:
    uri = (
        "azure://box/a?account-name=me&sas-token=%3Fsv%3D1%26sig%3Dcanary%252B&access-tier=cool"
        f"&encryption-key={KEY_OF_32_BYTES}"
    )
    options = AzureOptions.from_uri(parse_uri(uri))

    assert (options.container, options.root, options.account_name) == ("box", "a", "me")
    assert options.sas_token is not None
    assert options.sas_token.get_secret_value() == "sv=1&sig=canary%2B"
    assert options.attributes == {"Storage-Class": "Cool"}
    for text in (repr(options), str(options)):
        assert "canary" not in text
        assert KEY_OF_32_BYTES not in text


def test_the_options_of_a_role_are_read() -> None:
    uri = "s3://lake?role-arn=arn:aws:iam::1:role/lake&external-id=canary&use-accelerate-endpoint=true"
    options = S3Options.from_uri(parse_uri(uri))

    assert options.role_arn == "arn:aws:iam::1:role/lake"
    assert options.accelerate
    assert "canary" not in repr(options)
    made = S3Options.from_uri(parse_uri("s3://lake?use-accelerate-endpoint=true&access-key=a&secret-access-key=b"))
    client = made.client(StoreOptions())
    assert client.meta.config.s3["use_accelerate_endpoint"] is True
    client.close()


def test_a_role_is_taken_with_the_credentials_that_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", endpoint)
    keys = {"aws_access_key_id": "id", "aws_secret_access_key": "key", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=endpoint, **keys)
    client.create_bucket(Bucket="lake")
    uri = f"s3://lake/r?endpoint={endpoint}&region=us-east-1&access-key=id&secret-access-key=key"
    store = Bench(f"{uri}&role-arn=arn:aws:iam::123456789012:role/lake&external-id=xy").open()
    try:
        store.check()
        store.put_if_absent("a", [b"x"], 1)
        assert store.get("a") == b"x"
        used = store._requests._client._request_signer._credentials.get_frozen_credentials()  # type: ignore[attr-defined]
        assert used.access_key != "id"
        assert used.token
    finally:
        store.close()
        client.close()
        server.stop()


def test_a_role_without_credentials_to_take_it_with_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    with pytest.raises(EnvironmentRefused, match="no credentials with which to take the role"):
        Bench("s3://lake?role-arn=arn:aws:iam::1:role/lake").open()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff canary", "it is no text"),
        (b"[1] canary", "no JSON object"),
        (b'["canary"]', "no JSON object"),
        (b'{"client_email": "a", "private_key": "canary", "private_key_id": "1"}', "cannot be used"),
        (b'{"type": "canary"}', "cannot be used"),
    ],
)
def test_a_credentials_file_that_cannot_be_used_is_refused_without_its_content(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    file = tmp_path / "account.json"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(EnvironmentRefused, match=says) as caught:
        Bench(f"gs://lake/a?credentials-file={file}").open()

    error: BaseException | None = caught.value
    while error is not None:
        if "JSONDecodeError" not in type(error).__name__:  # its `doc` is not printed
            assert "canary" not in str(error)
        error = error.__cause__


def test_a_users_own_login_is_a_credentials_file_too(tmp_path: Path) -> None:
    file = tmp_path / "adc.json"
    login = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    file.write_text(json.dumps(login))

    Bench(f"gs://lake/a?credentials-file={file}").open().close()


def test_an_azure_store_without_an_account_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)

    with pytest.raises(EnvironmentRefused, match="there is no account") as caught:
        Bench("azblob://box/a").open()

    assert "AZURE_STORAGE_ACCOUNT_NAME" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("uri", "extra"), [("gs://bucket/a", "afterbay[gcs]"), ("azure://box/a?account-name=a", "afterbay[azure]")]
)
def test_a_store_whose_connector_is_not_there_says_how_to_get_it(
    uri: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)

    with pytest.raises(EnvironmentRefused, match="needs a connector") as caught:
        Bench(uri).open()

    assert extra in str(caught.value.hint)
