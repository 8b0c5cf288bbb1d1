"""What can be said of a store's URI before anything is opened: its scheme, the keys of its query and their values."""

from __future__ import annotations

from importlib.util import find_spec

from afterbay.errors import EnvironmentRefused
from afterbay_nodes.storage.uri import StoreUri, unknown_keys


def check_uri(uri: StoreUri) -> None:
    """Raises PipelineInvalid for wrong keys or values, EnvironmentRefused if its connector is not installed."""
    if uri.scheme in ("file", "noop"):
        unknown_keys(uri, ())
    elif uri.scheme == "s3":
        from afterbay_nodes.storage.s3_options import S3Options

        S3Options.from_uri(uri)
    elif uri.scheme == "gs":
        from afterbay_nodes.storage.gs_options import GsOptions

        GsOptions.from_uri(uri)
        _require_obstore(uri, "gcs")
    else:
        from afterbay_nodes.storage.azure_options import AzureOptions

        AzureOptions.from_uri(uri)
        _require_obstore(uri, "azure")


def _require_obstore(uri: StoreUri, extra: str) -> None:
    try:
        found = find_spec("obstore")
    except ValueError:  # what stands in `sys.modules` in its place is no module
        found = None
    if found is None:
        raise EnvironmentRefused(
            "store.connector",
            f"{uri.display} needs a connector that is not part of this installation",
            hint=f"pip install 'afterbay[{extra}]'",
        )
