"""Change events of Debezium as a reader takes them: strictly where the encoder wrote them, else as far as it needs."""

from __future__ import annotations

from typing import Literal

import msgspec

from afterbay_nodes.decoders.debezium_values import Real
from afterbay_nodes.decoders.json_keys import find_double_key, key_told_twice
from afterbay_nodes.encoders.debezium_table import CONNECTOR

Image = dict[str, object]


class _Source(msgspec.Struct, frozen=True, gc=False):
    """Whose event it is, and its place; the rest is of binlogs."""

    db: str
    table: str
    commit_ts: int | None = None
    ordinal: int | None = None
    connector: str = ""


class _OwnSource(_Source, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """As the encoder writes it: each key, and what is always the same."""

    version: str
    connector: Literal["afterbay"]
    name: str
    ts_ms: int
    snapshot: Literal["false"]
    server_id: Literal[0]
    gtid: None
    file: Literal[""]
    pos: Literal[0]
    row: Literal[0]
    thread: Literal[0]
    query: None
    commit_ts: int
    ordinal: int


class Event(msgspec.Struct, frozen=True, gc=False):
    """What a reader needs of an event."""

    op: str
    source: _Source
    before: Image | None = None
    after: Image | None = None


class _OwnEvent(Event, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """As the encoder writes it."""

    before: Image | None
    after: Image | None
    source: _OwnSource
    ts_ms: int
    transaction: None


class _Enveloped(msgspec.Struct, frozen=True, gc=False):
    payload: Event


class _OwnEnveloped(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    payload: _OwnEvent


_bare = msgspec.json.Decoder(Event, float_hook=Real).decode
_enveloped = msgspec.json.Decoder(_Enveloped, float_hook=Real).decode
_own_bare = msgspec.json.Decoder(_OwnEvent, float_hook=Real).decode
_own_enveloped = msgspec.json.Decoder(_OwnEnveloped, float_hook=Real).decode
_OWN_KEYS = 6 + 16  # of an event and its source

NO_EVENT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `event_of` raises."""


def event_of(line: bytes, *, is_bare: bool) -> Event:
    """The event of a line. Raises one of `NO_EVENT`, also where the encoder's own event is not as it writes it.

    Its own is one that says so, or has an ordinal, which no other writer gives.
    """
    try:
        return _own_bare(line) if is_bare else _own_enveloped(line).payload
    except msgspec.ValidationError:
        event = _bare(line) if is_bare else _enveloped(line).payload
        if event.source.connector == CONNECTOR or event.source.ordinal is not None:
            raise
        return event


def twice_in(line: bytes, event: Event, *, is_bare: bool) -> str | None:
    """A key that an object of the line has twice. Lines of other writers are parsed once more for it."""
    if not isinstance(event, _OwnEvent):
        return find_double_key(line)
    return key_told_twice(line, len(event.before or ()) + len(event.after or ()) + _OWN_KEYS + (not is_bare))
