"""Debezium change events as the docs say them, a row and a value at a time. Slow and plain on purpose."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from afterbay.messages import ChangeBatch
from afterbay.schema import BINARY_TYPES, INTEGER_TYPES, Column
from tests.support.reference_canal import json_string
from tests.support.reference_floats import plain
from tests.support.reference_refusal import Refused

_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class DebeziumOptions:
    """The options by their YAML keys."""

    terminator: str = "\r\n"
    envelope: str = "bare"
    source_name: str = "afterbay"
    output_old_value: bool = True
    decimal_mode: str = "string"
    temporal_mode: str = "string"
    time_zone: str = "UTC"


def debezium_bytes(batch: ChangeBatch, options: DebeziumOptions, now_ms: int) -> bytes:
    """Every line of `batch`, encoded at `now_ms`. Raises Refused."""
    n = batch.num_rows
    images = _rows(batch.rows)
    olds = _rows(batch.before) if batch.before is not None else [()] * n
    times = [ts >> 18 for ts in batch.commit_ts.to_pylist()] if batch.commit_ms is None else batch.commit_ms.to_pylist()
    out = []
    for op, commit_ts, ordinal, ms, image, old in zip(
        batch.ops.to_pylist(), batch.commit_ts.to_pylist(), batch.ordinals.to_pylist(), times, images, olds, strict=True
    ):
        before, after = None, image
        if "cud"[op] == "d":
            before, after = image, None
        elif "cud"[op] == "u" and options.output_old_value:
            before = old
        source = [
            ("version", '"2.4.0.Final"'),
            ("connector", '"afterbay"'),
            ("name", json_string(options.source_name)),
            ("ts_ms", str(ms)),
            ("snapshot", '"false"'),
            ("db", json_string(batch.schema.name.schema)),
            ("table", json_string(batch.schema.name.table)),
            ("server_id", "0"),
            ("gtid", "null"),
            ("file", '""'),
            ("pos", "0"),
            ("row", "0"),
            ("thread", "0"),
            ("query", "null"),
            ("commit_ts", str(commit_ts)),
            ("ordinal", str(ordinal)),
        ]
        event = [
            ("before", _image(batch, before, options)),
            ("after", _image(batch, after, options)),
            ("source", _object(source)),
            ("op", json_string("cud"[op])),
            ("ts_ms", str(now_ms)),
            ("transaction", "null"),
        ]
        text = _object(event)
        out.append((text if options.envelope == "bare" else _object([("payload", text)])) + options.terminator)
    return "".join(out).encode()


def _rows(image: Any) -> list[Sequence[Any]]:
    return list(zip(*(column.to_pylist() for column in image.columns), strict=True))


def _object(members: Sequence[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json_string(name)}:{value}" for name, value in members) + "}"


def _image(batch: ChangeBatch, values: Sequence[Any] | None, options: DebeziumOptions) -> str:
    if values is None:
        return "null"
    columns = batch.schema.stored_columns
    return _object([(c.name, _value(c, v, options)) for c, v in zip(columns, values, strict=True)])


def _value(column: Column, value: Any, options: DebeziumOptions) -> str:
    kind = column.type
    if value is None:
        return "null"
    if kind in INTEGER_TYPES or kind == "year":
        return str(value)
    if kind in ("float", "double"):
        return _number(value, single=kind == "float")
    if kind in BINARY_TYPES:
        return _base64(value)
    if kind == "bit":
        width = column.length or 1
        if width == 1:
            return "true" if value else "false"
        return _base64(value.to_bytes(8, "little")[: -(-width // 8)])
    if kind == "enum":
        value = column.elements[value - 1] if value else ""
    elif kind == "set":
        value = ",".join(name for bit, name in enumerate(column.elements) if value & (1 << bit))
    elif kind == "decimal" and options.decimal_mode == "precise":
        unscaled = int(Decimal(value).scaleb(column.scale or 0, Context(prec=200)))
        bits = unscaled.bit_length() if unscaled >= 0 else (unscaled + 1).bit_length()
        return _base64(unscaled.to_bytes(bits // 8 + 1, "big", signed=True))
    elif kind in ("date", "datetime", "timestamp", "time") and options.temporal_mode == "debezium":
        return _temporal(column, value, options.time_zone)
    return json_string(value)


def _number(value: float, *, single: bool) -> str:
    if math.isnan(value):
        return '"NaN"'
    if math.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    text = plain(value, single=single)
    return text if "." in text else text + ".0"


def _base64(value: bytes) -> str:
    return f'"{base64.b64encode(value).decode()}"'


def _temporal(column: Column, value: str, zone: str) -> str:
    whole, point, fraction = value.partition(".")
    micro = int(fraction.ljust(6, "0")) if fraction else 0
    if column.type == "time":
        hours, minutes, seconds = (int(part) for part in whole.lstrip("-").split(":"))
        total = ((hours * 60 + minutes) * 60 + seconds) * 10**6 + micro
        return str(-total if value.startswith("-") else total)
    try:
        if column.type == "date":
            return str((date.fromisoformat(value) - _EPOCH.date()).days)
        at = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S")
    except ValueError as error:
        raise Refused(value) from error
    if column.type == "timestamp":
        return f'"{_in_utc(at, zone).isoformat()}{point}{fraction}Z"'
    total = (at - _EPOCH) // timedelta(microseconds=1) + micro
    if (column.scale or 0) > 3:
        return str(total)
    if len(fraction) > 3:
        raise Refused(value)
    return str(total // 1000)


def _in_utc(at: datetime, zone: str) -> datetime:
    local = at.replace(tzinfo=ZoneInfo(zone))
    utc = local.astimezone(UTC)
    if (
        local.replace(fold=1).utcoffset() != local.utcoffset()
        or utc.astimezone(local.tzinfo).replace(tzinfo=None) != at
    ):
        raise Refused(str(at))
    return utc.replace(tzinfo=None)
