"""What a `gs://` URI may set, by the names that TiCDC gives the keys, and the client that it asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from afterbay.errors import EnvironmentRefused, PipelineInvalid
from afterbay_nodes.storage.option_values import endpoint, one_of, plain_root
from afterbay_nodes.storage.uri import StoreUri, unknown_keys

KEYS = ("endpoint", "credentials-file", "storage-class")

_CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")
_LARGEST_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class GsOptions:
    """Bucket, root and how to reach them.

    Without a file the environment (`GOOGLE_APPLICATION_CREDENTIALS`), the user's own login or the machine's service
    account tells who asks.
    """

    display: str
    bucket: str
    root: str
    endpoint: str | None = None
    credentials_file: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    versioned_by: ClassVar[Literal["e_tag", "version"]] = "version"

    @classmethod
    def from_uri(cls, uri: StoreUri) -> GsOptions:
        """Reads the query. Raises PipelineInvalid for unknown keys and values."""
        if "predefined-acl" in uri.query:
            raise PipelineInvalid(
                "uri.query",
                f"{uri.display} sets predefined-acl, which this connector cannot send",
                hint="give rights on the bucket (uniform bucket-level access)",
            )
        unknown_keys(uri, KEYS)
        kind = one_of(uri, "storage-class", _CLASSES, fold=True)
        return cls(
            display=uri.display,
            bucket=uri.bucket,
            root=plain_root(uri),
            endpoint=endpoint(uri, "endpoint=https://storage.googleapis.com"),
            credentials_file=uri.query.get("credentials-file") or None,
            attributes={"Storage-Class": kind} if kind else {},
        )

    def connect(self, client: Mapping[str, Any], retries: Mapping[str, Any]) -> Any:
        """See `obstore_store.Place`."""
        from obstore.store import GCSStore

        given: dict[str, str] = {}
        if self.endpoint is not None:
            given["base_url"] = self.endpoint.rstrip("/")
        if self.credentials_file is not None:
            kind, text = self._credentials(self.credentials_file)
            if kind == "service_account":
                given["service_account_key"] = text
            else:
                given["application_credentials"] = self.credentials_file
        plain = (self.endpoint or "").startswith("http:")
        try:
            return GCSStore(
                self.bucket,
                config=given,  # type: ignore[arg-type]
                client_options={**client, "allow_http": plain},  # type: ignore[arg-type]
                retry_config=retries,  # type: ignore[arg-type]
            )
        except Exception:  # its text may repeat what it was given
            raise EnvironmentRefused(
                "store.credentials",
                f"{self.display}: the credentials that it is given, or that the environment names, cannot be used",
                hint="a service account's key file is JSON with client_email, private_key and private_key_id",
            ) from None

    def _credentials(self, file: str) -> tuple[str, str]:
        """The kind and the text of a credentials file. Nothing of its content is repeated in an error."""
        try:
            with Path(file).open(encoding="utf-8") as opened:
                text = opened.read(_LARGEST_FILE)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise EnvironmentRefused(
                "store.credentials", f"{self.display}: credentials-file {file!r} cannot be read: {reason}"
            ) from None
        try:
            kind = json.loads(text).get("type", "service_account")
        except (ValueError, AttributeError, RecursionError):
            raise EnvironmentRefused(
                "store.credentials", f"{self.display}: credentials-file {file!r} is no JSON object"
            ) from None
        return str(kind), text
