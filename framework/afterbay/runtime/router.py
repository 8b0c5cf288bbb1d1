"""The router: sends each message of a sharded sink to the shard of its table.

Two dispatchers that share a directory share a shard, so the shard is a function of the table's route key (its two
names), by CRC-32: the same in every process and under every hash seed. A known route costs one dict look-up: the key is
a str that was built once with its schema and caches its own hash, so nothing is hashed or allocated.

The shards' channels are unbounded (their content is bounded by the spool or by credit), so that a shard that is
blocked holds up nobody else (I9).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from afterbay.messages import ChangeBatch, DrainMarker, SchemaChange, Watermark
from afterbay.runtime.channel import Channel
from afterbay.runtime.envelope import Envelope
from afterbay.schema import TableSchema

MAX_CACHED_ROUTES = 65_536


def shard_of(route_key: str, shards: int) -> int:
    """The shard of a table, stable for ever."""
    return zlib.crc32(route_key.encode("utf-8", "surrogatepass")) % shards


class Router:
    """Routes to the channels of one sink's shards. Used by one thread (the sink's upstream); owns the route cache."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = channels
        self._routes: dict[str, Channel] = {}

    def channel_of(self, schema: TableSchema) -> Channel:
        """The channel of the table's shard."""
        found = self._routes.get(schema.route_key)
        return found if found is not None else self._learn(schema.route_key)

    def put(self, envelope: Envelope) -> None:
        """Data and in-band DDL go to their table's shard, markers to every shard. Raises `Cancelled`."""
        message = envelope.message
        if isinstance(message, Watermark):
            return
        if isinstance(message, DrainMarker):
            for channel in self._channels:
                channel.put(envelope)
        elif isinstance(message, SchemaChange):
            self.channel_of(_routed_schema(message)).put(envelope)
        else:
            schema = message.schema if isinstance(message, ChangeBatch) else message.head.schema
            self.channel_of(schema).put(envelope)

    def close(self) -> None:
        """One producer is done."""
        for channel in self._channels:
            channel.close()

    def _learn(self, route_key: str) -> Channel:
        if len(self._routes) >= MAX_CACHED_ROUTES:
            self._routes.clear()  # bounded (I8); a route is cheap to find again and never changes
        channel = self._channels[shard_of(route_key, len(self._channels))]
        self._routes[route_key] = channel
        return channel


def _routed_schema(change: SchemaChange) -> TableSchema:
    """An in-band DDL's table; graph-wide ones travel inside a marker and never come here."""
    after = change.tables[0].after
    assert after is not None, "an in-band DDL has a table after it"
    return after
