"""A role of AWS that a run takes on: its credentials are asked for when they are needed, and again before they end."""

from __future__ import annotations

from functools import partial
from typing import Any

from afterbay.errors import EnvironmentRefused
from afterbay_nodes.storage.store import StoreOptions

SESSION = "afterbay"
"""How the run is called in the role's log."""


def in_role(session: Any, arn: str, external_id: str | None, region: str | None, options: StoreOptions) -> Any:
    """A session in the role, of an identity that has only the right to take it. Asks nobody yet."""
    import boto3
    from botocore.config import Config
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    inner = session._session
    source = inner.get_credentials()
    if source is None:
        raise EnvironmentRefused(
            "store.credentials",
            f"there are no credentials with which to take the role {arn}",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or run under a role",
        )
    config = Config(
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    where = region or session.region_name or "us-east-1"
    fetcher = AssumeRoleCredentialFetcher(
        partial(inner.create_client, region_name=where, config=config),
        source,
        arn,
        extra_args={"RoleSessionName": SESSION, **({"ExternalId": external_id} if external_id else {})},
        cache={},
    )
    taken = boto3.Session(region_name=region or session.region_name)
    taken._session._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    return taken
