"""What an `s3://` URI may set, by the names that TiCDC gives the keys, and the client that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from afterbay.errors import PipelineInvalid
from afterbay_nodes.storage.option_values import boolean, endpoint, one_of, reveal, secret
from afterbay_nodes.storage.s3_role import in_role
from afterbay_nodes.storage.store import StoreOptions
from afterbay_nodes.storage.uri import StoreUri, unknown_keys

KEYS = (
    "endpoint",
    "region",
    "force-path-style",
    "access-key",
    "secret-access-key",
    "session-token",
    "role-arn",
    "external-id",
    "use-accelerate-endpoint",
    "sse",
    "sse-kms-key-id",
    "storage-class",
    "acl",
    "provider",
)
_VIRTUAL_HOSTED = frozenset({"alibaba", "netease", "tencent"})
_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
_CLASSES = (
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "REDUCED_REDUNDANCY",
    "EXPRESS_ONEZONE",
    "OUTPOSTS",
    "SNOW",
)
_ASLEEP = ("GLACIER", "DEEP_ARCHIVE")
_ACLS = (
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
)


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
    role_arn: str | None = None
    external_id: SecretStr | None = None
    accelerate: bool = False
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
        if "external-id" in query and not query.get("role-arn"):
            raise PipelineInvalid("uri.credentials", f"{uri.display} sets external-id without role-arn")
        if query.get("role-arn") and not query["role-arn"].startswith("arn:"):
            hint = "for example role-arn=arn:aws:iam::123456789012:role/lake"
            raise PipelineInvalid("uri.credentials", f"{uri.display} sets role-arn to what is no ARN", hint=hint)
        sse = one_of(uri, "sse", _ENCRYPTIONS)
        if "sse-kms-key-id" in query and not (sse or "").startswith("aws:kms"):
            raise PipelineInvalid("uri.query", f"{uri.display} sets sse-kms-key-id", hint="it needs sse=aws:kms")
        if query.get("storage-class") in _ASLEEP:
            raise PipelineInvalid(
                "uri.query",
                f"{uri.display} sets storage-class={query['storage-class']}, from which nothing can be read back",
                hint="a restart reads what it wrote: use another class, and a lifecycle rule",
            )
        address = endpoint(uri, "endpoint=https://minio.example:9000")
        accelerate = boolean(uri, "use-accelerate-endpoint") or False
        path_style = boolean(uri, "force-path-style")
        if accelerate and (address or path_style):
            raise PipelineInvalid(
                "uri.query",
                f"{uri.display} sets use-accelerate-endpoint together with endpoint or force-path-style",
                hint="the accelerated endpoint is Amazon's, by bucket host names",
            )
        if address is None:  # other servers may have classes of their own
            one_of(uri, "storage-class", _CLASSES)
        arguments = {
            "ServerSideEncryption": sse,
            "SSEKMSKeyId": query.get("sse-kms-key-id"),
            "StorageClass": query.get("storage-class"),
            "ACL": one_of(uri, "acl", _ACLS),
        }
        return cls(
            bucket=uri.bucket,
            root=uri.path,
            endpoint=address,
            region=query.get("region") or None,
            force_path_style=path_style,
            accelerate=accelerate,
            provider=query.get("provider"),
            access_key=query.get("access-key"),
            secret_access_key=secret(query.get("secret-access-key")),
            session_token=secret(query.get("session-token")),
            role_arn=query.get("role-arn") or None,
            external_id=secret(query.get("external-id")),
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

        session = boto3.Session(
            aws_access_key_id=self.access_key,
            aws_secret_access_key=reveal(self.secret_access_key),
            aws_session_token=reveal(self.session_token),
        )
        if self.role_arn is not None:
            session = in_role(session, self.role_arn, reveal(self.external_id), self.region, options)
        return session.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region or session.region_name or ("us-east-1" if self.endpoint else None),
            config=Config(
                connect_timeout=options.connect_timeout,
                read_timeout=options.read_timeout,
                retries={"mode": "standard", "total_max_attempts": 1},
                max_pool_connections=options.connections,
                tcp_keepalive=True,
                s3={"addressing_style": self.addressing_style, "use_accelerate_endpoint": self.accelerate},
            ),
        )
