"""What an `azblob://` URI may set, by the names that TiCDC gives the keys, and the client that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import SecretStr

from afterbay.errors import EnvironmentRefused, PipelineInvalid
from afterbay_nodes.storage.option_values import encoded, endpoint, one_of, plain_root, reveal, secret
from afterbay_nodes.storage.uri import StoreUri, unknown_keys

KEYS = ("endpoint", "account-name", "account-key", "sas-token", "access-tier", "encryption-key")

_TIERS = ("Hot", "Cool", "Cold")


@dataclass(frozen=True, slots=True)
class AzureOptions:
    """Container, root and how to reach them.

    Without keys the environment tells the account and who asks (a service principal, a workload or managed identity).
    """

    display: str
    container: str
    root: str
    endpoint: str | None = None
    account_name: str | None = None
    account_key: SecretStr | None = None
    sas_token: SecretStr | None = None
    encryption_key: SecretStr | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    versioned_by: ClassVar[Literal["e_tag", "version"]] = "e_tag"

    @classmethod
    def from_uri(cls, uri: StoreUri) -> AzureOptions:
        """Reads the query. Raises PipelineInvalid for unknown keys and values; values of secrets are never printed."""
        query = uri.query
        if "encryption-scope" in query:
            raise PipelineInvalid(
                "uri.query",
                f"{uri.display} sets encryption-scope, which this connector cannot send",
                hint="set it as the default scope of the container",
            )
        if query.get("access-tier", "").lower() == "archive":
            raise PipelineInvalid(
                "uri.query",
                f"{uri.display} sets access-tier=Archive, from which nothing can be read back",
                hint="a restart reads what it wrote: use Hot, Cool or Cold, and a lifecycle rule",
            )
        unknown_keys(uri, KEYS)
        for key in ("account-key", "sas-token"):
            if query.get(key) and not query.get("account-name"):
                raise PipelineInvalid("uri.credentials", f"{uri.display} sets {key} without account-name")
        if query.get("account-key") and query.get("sas-token"):
            raise PipelineInvalid("uri.credentials", f"{uri.display} sets both account-key and sas-token", hint="one")
        address = endpoint(uri, "endpoint=https://account.blob.core.windows.net")
        customer_key = encoded(uri, "encryption-key", 32)
        if customer_key is not None and (address or "").startswith("http:"):
            raise PipelineInvalid("uri.query", f"{uri.display} would send encryption-key without TLS", hint="use https")
        token = query.get("sas-token", "").lstrip("?")
        if token and "sig=" not in token:
            raise PipelineInvalid(
                "uri.credentials",
                f"{uri.display} sets a sas-token without its signature",
                hint="its '&' and '%' are '%26' and '%25' within a URI",
            )
        tier = one_of(uri, "access-tier", _TIERS, fold=True)
        return cls(
            display=uri.display,
            container=uri.bucket,
            root=plain_root(uri),
            endpoint=address,
            account_name=query.get("account-name") or None,
            account_key=encoded(uri, "account-key"),
            sas_token=secret(token),
            encryption_key=customer_key,
            attributes={"Storage-Class": tier} if tier else {},
        )

    def connect(self, client: Mapping[str, Any], retries: Mapping[str, Any]) -> Any:
        """See `obstore_store.Place`."""
        from obstore.store import AzureStore

        given = {
            "account_name": self.account_name,
            "account_key": reveal(self.account_key),
            "sas_key": reveal(self.sas_token),
            "encryption_key": reveal(self.encryption_key),
            "endpoint": self.endpoint,
        }
        plain = (self.endpoint or "").startswith("http:")
        try:
            return AzureStore(
                self.container,
                config={key: value for key, value in given.items() if value is not None},  # type: ignore[arg-type]
                client_options={**client, "allow_http": plain},  # type: ignore[arg-type]
                retry_config=retries,  # type: ignore[arg-type]
            )
        except Exception:  # its text may repeat what it was given
            raise EnvironmentRefused(
                "store.account",
                f"{self.display}: there is no account, or what the environment says of it is wrong",
                hint="set account-name in the uri, or AZURE_STORAGE_ACCOUNT_NAME",
            ) from None
