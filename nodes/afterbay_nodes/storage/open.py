"""From a URI to a store. A store's client library is imported only when such a store is opened."""

from __future__ import annotations

import random as randomness
from collections.abc import Callable
from pathlib import Path

from afterbay.clock import Clock
from afterbay_nodes.storage.check_uri import check_uri
from afterbay_nodes.storage.local import LocalStore
from afterbay_nodes.storage.noop import NoopStore
from afterbay_nodes.storage.outage import Outages
from afterbay_nodes.storage.retry import Cancel, Ladder, Retry, RetryMeter
from afterbay_nodes.storage.store import ObjectStore, StoreOptions
from afterbay_nodes.storage.uri import StoreUri, parse_uri


def open_store(
    uri: StoreUri | str,
    options: StoreOptions | None = None,
    *,
    clock: Clock,
    meter: RetryMeter,
    cancel: Cancel | None = None,
    random: Callable[[], float] = randomness.random,
    outages: Outages | None = None,
) -> ObjectStore:
    """Makes the store of `uri`; touches nothing yet (call `check`). `cancel` ends its waits at a shutdown, `outages`
    keeps what fails for longer.

    Raises PipelineInvalid for a URI that is wrong, EnvironmentRefused for a store whose connector is not installed.
    """
    place = parse_uri(uri) if isinstance(uri, str) else uri
    chosen = options or StoreOptions()
    retry = Retry(
        place.display,
        Ladder(deadline=chosen.tries_deadline),
        clock=clock,
        meter=meter,
        cancel=cancel or Cancel(clock),
        random=random,
        outages=outages,
    )
    check_uri(place)
    if place.scheme == "file":
        return LocalStore(Path(place.path), retry)
    if place.scheme == "noop":
        return NoopStore()
    if place.scheme == "s3":
        from afterbay_nodes.storage.s3 import S3Store
        from afterbay_nodes.storage.s3_options import S3Options

        return S3Store(S3Options.from_uri(place), chosen, retry)
    from afterbay_nodes.storage.azure_options import AzureOptions
    from afterbay_nodes.storage.gs_options import GsOptions
    from afterbay_nodes.storage.obstore_store import ObstoreStore

    where = GsOptions.from_uri(place) if place.scheme == "gs" else AzureOptions.from_uri(place)
    return ObstoreStore(where, chosen, retry)
