"""What can be said of a store's URI before anything is opened: its scheme, the keys of its query and their values."""

from __future__ import annotations

from afterbay.errors import EnvironmentRefused
from afterbay_nodes.storage.uri import StoreUri, unknown_keys


def check_uri(uri: StoreUri) -> None:
    """Raises PipelineInvalid for keys or values that are wrong, EnvironmentRefused if there is no such connector."""
    if uri.scheme in ("file", "noop"):
        unknown_keys(uri, ())
    elif uri.scheme == "s3":
        from afterbay_nodes.storage.s3_options import S3Options

        S3Options.from_uri(uri)
    else:
        raise EnvironmentRefused(
            "store.connector",
            f"{uri.display} needs a connector that is not part of this installation",
            hint="use file:// or s3:// (Google Cloud Storage speaks s3 with endpoint=https://storage.googleapis.com)",
        )
