"""URIs of stores: a place whose name can be shown, or PipelineInvalid."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from afterbay.printable import visible
from afterbay_nodes.storage.uri import parse_uri
from tests.fuzz.damage import Edit, edited, edits
from tests.fuzz.target import Target, refusal

SECRET = "s3cr3tvalue"
URIS = [
    f"s3://lake/orders?endpoint=https://minio.example:9000&region=eu&access-key=AK&secret-access-key={SECRET}",
    "file://./lake?flush-interval=2s&file-size=64MiB",
    "./lake/../other",
    f"azblob://container/orders?account-name=company&account-key={SECRET}",
    "gs://bucket/orders?storage-class=NEARLINE",
    "noop://",
]
EXAMPLES = st.tuples(st.sampled_from(URIS), edits(3))


def check(example: tuple[str, list[Edit]]) -> str:
    good, changes = example
    text = edited(good.encode(), changes).decode("utf-8", "surrogateescape")
    found: list[Any] = []
    code = refusal(lambda: found.append(parse_uri(text)))
    if code is not None:
        return code
    assert visible(found[0].display) == found[0].display
    return "right"


TARGET = Target(EXAMPLES, check)
