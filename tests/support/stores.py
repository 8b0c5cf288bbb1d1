"""Stores under test: a clock that waits by moving on, a meter that remembers, an S3 server on the loopback."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

from afterbay_nodes.storage.open import open_store
from afterbay_nodes.storage.retry import Cancel
from afterbay_nodes.storage.store import ObjectStore, StoreOptions

KEY = "test-key"
SECRET = "test-secret"


class LeapingClock:
    """A clock that stands still, and leaps over every wait."""

    def __init__(self, at: float = 1000.0, wall: datetime | None = None) -> None:
        self.at = at
        self.wall = wall or datetime(2024, 5, 17, 12, 0, tzinfo=UTC)
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return self.wall

    def pass_by(self, seconds: float) -> None:
        self.at += seconds
        self.wall += timedelta(seconds=seconds)

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        assert timeout is not None, "nothing in a store waits without an end"
        self.waits.append(timeout)
        self.pass_by(timeout)


@dataclass
class RetryTally:
    """Remembers which operations were tried again."""

    operations: list[str] = field(default_factory=list)

    def retried(self, operation: str) -> None:
        self.operations.append(operation)


@dataclass
class Bench:
    """How a store of one kind is opened, again and again on the same root."""

    uri: str
    clock: LeapingClock = field(default_factory=LeapingClock)
    meter: RetryTally = field(default_factory=RetryTally)

    def open(self, options: StoreOptions | None = None, uri: str | None = None) -> ObjectStore:
        return open_store(
            uri or self.uri,
            options,
            clock=self.clock,
            meter=self.meter,
            cancel=Cancel(self.clock),
            random=lambda: 0.5,
        )


Opener = Callable[[], ObjectStore]


@contextmanager
def s3_server(*buckets: str) -> Iterator[str]:
    """The address of an S3 server that runs in a thread, with empty buckets."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    endpoint = f"http://127.0.0.1:{port}"
    # All servers of a process share one memory: what another test module left is forgotten.
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    client = s3_client(endpoint)
    try:
        for bucket in buckets:
            client.create_bucket(Bucket=bucket)
        yield endpoint
    finally:
        client.close()
        server.stop()


def s3_client(endpoint: str, tries: int = 1) -> Any:
    """A client of a server on the loopback, beside the store under test."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(retries={"total_max_attempts": tries, "mode": "standard"}, s3={"addressing_style": "path"}),
    )


def s3_uri(endpoint: str, root: str = "lake") -> str:
    return f"s3://{root}?endpoint={endpoint}&region=us-east-1&access-key={KEY}&secret-access-key={SECRET}"
