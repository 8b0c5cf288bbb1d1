"""What an `s3://` URI may set, by the names that TiCDC gives the keys, and the client that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from afterbay.errors import PipelineInvalid
from afterbay_nodes.storage.store import StoreOptions
from afterbay_nodes.storage.uri import StoreUri, unknown_keys

KEYS = (
    "endpoint",
    "region",
    "force-path-style",
    "access-key",
    "secret-access-key",
    "session-token",
    "sse",
    "sse-kms-key-id",
    "storage-class",
    "acl",
    "provider",
)
_VIRTUAL_HOSTED = frozenset({"alibaba", "netease", "tencent"})
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class S3Options:
    """Bucket, root and how to reach them. Without keys the usual chain finds credentials (environment, profile, role).

    `upload` holds the arguments that every new object gets (encryption, storage class, ACL).
    """

    bucket: str
    root: str
    endpoint: str | None = None
    region: str | None = None
    force_path_style: bool | None = None
    provider: str | None = None
    access_key: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    upload: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_uri(cls, uri: StoreUri) -> S3Options:
        """Reads the query. Raises PipelineInvalid for unknown keys and values; values of secrets are never printed."""
        unknown_keys(uri, KEYS)
        query = uri.query
        if ("access-key" in query) != ("secret-access-key" in query):
            raise PipelineInvalid(
                "uri.credentials",
                f"{uri.display} sets only one of access-key and secret-access-key",
                hint="set both, or neither to use the environment, a profile or a role",
            )
        if "session-token" in query and "access-key" not in query:
            raise PipelineInvalid("uri.credentials", f"{uri.display} sets session-token without access-key")
        if "sse-kms-key-id" in query and query.get("sse") != "aws:kms":
            raise PipelineInvalid("uri.query", f"{uri.display} sets sse-kms-key-id", hint="it needs sse=aws:kms")
        arguments = {
            "ServerSideEncryption": query.get("sse"),
            "SSEKMSKeyId": query.get("sse-kms-key-id"),
            "StorageClass": query.get("storage-class"),
            "ACL": query.get("acl"),
        }
        return cls(
            bucket=uri.bucket,
            root=uri.path,
            endpoint=_endpoint(query.get("endpoint"), uri),
            region=query.get("region") or None,
            force_path_style=_boolean("force-path-style", query.get("force-path-style"), uri),
            provider=query.get("provider"),
            access_key=query.get("access-key"),
            secret_access_key=_secret(query.get("secret-access-key")),
            session_token=_secret(query.get("session-token")),
            upload={name: value for name, value in arguments.items() if value},
        )

    @property
    def addressing_style(self) -> str:
        """`path` or `virtual`, `auto` for AWS itself. Other servers rarely have a host name a bucket."""
        if self.force_path_style is not None:
            return "path" if self.force_path_style else "virtual"
        if self.endpoint is None:
            return "auto"
        return "virtual" if self.provider in _VIRTUAL_HOSTED else "path"

    def client(self, options: StoreOptions) -> Any:
        """A client of its own session. It never retries by itself: the one ladder does."""
        import boto3  # the options alone are read by `validate`, which needs no client
        from botocore.config import Config

        session = boto3.Session()
        return session.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region or session.region_name or ("us-east-1" if self.endpoint else None),
            aws_access_key_id=self.access_key,
            aws_secret_access_key=_reveal(self.secret_access_key),
            aws_session_token=_reveal(self.session_token),
            config=Config(
                connect_timeout=options.connect_timeout,
                read_timeout=options.read_timeout,
                retries={"mode": "standard", "total_max_attempts": 1},
                max_pool_connections=options.connections,
                tcp_keepalive=True,
                s3={"addressing_style": self.addressing_style},
            ),
        )


def _secret(value: str | None) -> SecretStr | None:
    return None if value is None else SecretStr(value)


def _reveal(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def _boolean(key: str, value: str | None, uri: StoreUri) -> bool | None:
    if value is None:
        return None
    if value.lower() not in _BOOLEANS:
        raise PipelineInvalid("uri.query", f"{uri.display} sets {key} to {value!r}", hint="write true or false")
    return _BOOLEANS[value.lower()]


def _endpoint(value: str | None, uri: StoreUri) -> str | None:
    if not value:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise PipelineInvalid(
            "uri.endpoint",
            f"{uri.display} sets an endpoint that is no http(s) address",
            hint="for example endpoint=https://minio.example:9000",
        )
    return value
