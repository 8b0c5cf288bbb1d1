"""`cloud_storage`: the sink that writes table files, index files, schema files and the checkpoint to an object store.

The format is `docs/storage-protocol.md`. This file is the node's options; the work is in `storage_sink`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationInfo, field_serializer, field_validator, model_validator

from afterbay.advice import advise
from afterbay.clock import Clock, SystemClock
from afterbay.doctor.finding import Finding
from afterbay.errors import AfterbayError, Diagnostic, PipelineInvalid
from afterbay.messages import SpoolEntry
from afterbay.node import Capabilities, Sink, SinkContext, SinkOperator
from afterbay.recollect import RecollectContext, Recollected
from afterbay.schema import Json
from afterbay.units import ByteSize, Duration, format_bytes, format_duration
from afterbay.verification import Verification, VerifyContext
from afterbay_nodes.sinks.schedule import Schedule
from afterbay_nodes.storage.check_uri import check_uri
from afterbay_nodes.storage.uri import StoreUri, parse_uri

MOST_SHARDS = 512
SHORTEST_INTERVAL, LONGEST_INTERVAL = 0.1, 600.0
SMALLEST_FILE, LARGEST_FILE = 1 << 10, 512 << 20
LEAST_DIGITS, MOST_DIGITS, DEFAULT_DIGITS = 6, 20, 20
MOST_DAYS = 36_500

_FROM_URI: Mapping[str, str] = {
    "worker-count": "shards",
    "flush-interval": "flush_interval",
    "file-size": "file_size",
    "flush-concurrency": "flush_concurrency",
    "upload-concurrency": "upload_concurrency",
    "transaction-limit": "transaction_limit",
    "date-separator": "date_separator",
    "enable-partition-separator": "enable_partition_separator",
    "file-index-digit": "file_index_digit",
    "use-table-id-as-path": "use_table_id_as_path",
    "enable-table-across-nodes": "enable_table_across_nodes",
    "output-column-id": "output_column_id",
    "file-expiration-days": "file_expiration_days",
    "file-cleanup-cron-spec": "file_cleanup_cron_spec",
    "time-zone": "time_zone",
}
"""The keys that a URI's query may set, by the name that TiCDC gives them."""

_ELSEWHERE: Mapping[str, str] = {
    "spool-disk-quota": "set `disk_quota` on the spool node",
    "spool-base-dir": "set `dir` on the spool node",
    "protocol": "the encoder node decides: encode_csv, encode_canal_json, encode_parquet, …",
    "include-commit-ts": "set `include_commit_ts` on the encode_csv node",
    "binary-encoding-method": "set `binary_encoding_method` on the encode_csv node",
    "delimiter": "set `delimiter` on the encode_csv node",
    "quote": "set `quote` on the encode_csv node",
    "null": "set `null` on the encode_csv node",
    "terminator": "set `terminator` on the encoder node",
    "output-old-value": "set `output_old_value` on the encode_csv node",
    "output-field-header": "set `output_field_header` on the encode_csv node",
    "enable-tidb-extension": "set `enable_tidb_extension` on the encode_canal_json node",
    "output-raw-change-event": "set `output_raw_change_event` on the source node",
}


class CloudStorage(Sink[SpoolEntry]):
    """Writes table files to an object store, in commit order, each change in exactly one indexed file.

    `uri` is `s3://bucket/prefix`, `gs://bucket/prefix`, `azblob://container/prefix`, `file:///folder` or a plain path
    (relative to the current directory); docs/stores.md has the options of each. Its query may set
    the keys below by TiCDC's names (`s3://bucket/prefix?flush-interval=2s&file-size=8388608`) and then wins.
    A table's pending rows become a file when they reach `file_size`, when the oldest of them has waited
    `flush_interval`, at a DDL, under pressure of the spool, and at the end. A transaction is not cut unless it
    passes `transaction_limit`.

    With `file_expiration_days: N`, data and index files whose day is more than N days before the checkpoint's are
    removed while the pipeline runs, at the times of `file_cleanup_cron_spec` in `time_zone`. Schema files stay. It
    needs `date_separator: day`, and a source whose commit-ts tells the time.
    """

    type_name: ClassVar[str] = "cloud_storage"
    summary: ClassVar[str] = "table files, index and schema files in an object store or a folder"
    capabilities: ClassVar[Capabilities] = Capabilities(sharded=True, settles=True, single_clock=True)

    uri: Annotated[str, Field(description="where to write", examples=["s3://bucket/orders", "./lake"])]
    shards: Annotated[int, Field(description="shards; a table belongs to one of them")] = 16
    flush_interval: Annotated[Duration, Field(description="longest wait of a table's oldest pending row")] = 5.0
    file_size: Annotated[ByteSize, Field(description="bytes in the spool at which rows become a file")] = 64 << 20
    flush_concurrency: Annotated[int, Field(ge=1, le=512, description="parts of one object side by side")] = 1
    upload_concurrency: Annotated[
        int | None, Field(ge=1, le=1024, description="objects side by side; default: as many as shards")
    ] = None
    transaction_limit: Annotated[
        ByteSize | None,
        Field(description="bytes past which a transaction is cut; default min(4 files, quota/8)"),
    ] = None
    date_separator: Annotated[
        Literal["none", "year", "month", "day"], Field(description="a folder level by the flush date")
    ] = "day"
    enable_partition_separator: Annotated[bool, Field(description="a folder level by physical partition")] = True
    file_index_digit: Annotated[int, Field(description="digits of a file's number, 6 to 20")] = DEFAULT_DIGITS
    use_table_id_as_path: Annotated[bool, Field(description="folders by table id instead of by names")] = False
    enable_table_across_nodes: Annotated[bool, Field(description="the dispatcher's id in file names")] = False
    output_column_id: Annotated[bool, Field(description="column ids in schema files")] = False
    file_expiration_days: Annotated[
        int, Field(ge=0, le=MOST_DAYS, description="days that files are kept, by their date; 0: for ever")
    ] = 0
    file_cleanup_cron_spec: Annotated[
        str, Field(description="when expired files are removed: six fields, seconds first")
    ] = "0 0 2 * * *"
    time_zone: Annotated[str, Field(description="for dates in paths", examples=["local", "UTC", "Europe/Vienna"])] = (
        "local"
    )

    @model_validator(mode="before")
    @classmethod
    def _query_wins(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get("uri"), str):
            return data
        try:
            query = parse_uri(data["uri"]).query
        except PipelineInvalid:
            return data  # told by the field itself, together with the others' faults
        return {**data, **{_FROM_URI[key]: value for key, value in query.items() if key in _FROM_URI}}

    @field_validator("shards")
    @classmethod
    def _clamp_shards(cls, value: int, info: ValidationInfo) -> int:
        if value <= 0:
            raise ValueError("a sink has at least one shard")
        return int(_clamped(info, value, 1, MOST_SHARDS, str))

    @field_validator("flush_interval")
    @classmethod
    def _clamp_interval(cls, value: float, info: ValidationInfo) -> float:
        return _clamped(info, value, SHORTEST_INTERVAL, LONGEST_INTERVAL, format_duration)

    @field_validator("file_size")
    @classmethod
    def _clamp_file_size(cls, value: int, info: ValidationInfo) -> int:
        return int(_clamped(info, value, SMALLEST_FILE, LARGEST_FILE, lambda size: format_bytes(int(size))))

    @field_validator("file_index_digit")
    @classmethod
    def _known_width(cls, value: int, info: ValidationInfo) -> int:
        if LEAST_DIGITS <= value <= MOST_DIGITS:
            return value
        _advise(info, f"{value} is outside {LEAST_DIGITS} to {MOST_DIGITS}: {DEFAULT_DIGITS} is used")
        return DEFAULT_DIGITS

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value != "local":
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError(f"'{value}' is no time zone; write local, UTC or Europe/Vienna") from error
        return value

    @field_validator("file_cleanup_cron_spec")
    @classmethod
    def _known_spec(cls, value: str) -> str:
        Schedule(value, None)
        return value

    @field_validator("uri")
    @classmethod
    def _known_place(cls, value: str) -> str:
        try:
            parse_uri(value)
        except PipelineInvalid as error:
            found = error.diagnostics[0]
            raise ValueError(found.message + (f" ({found.hint})" if found.hint else "")) from error
        return value

    @field_serializer("uri")
    def _no_secrets(self, value: str) -> str:
        return parse_uri(value).display

    def __repr_args__(self) -> Any:
        return [(name, self.store_uri.display if name == "uri" else value) for name, value in super().__repr_args__()]

    @property
    def shard_count(self) -> int:
        return self.shards

    @property
    def store_uri(self) -> StoreUri:
        """The URI without the keys that this node has taken from its query."""
        return parse_uri(self.uri).without(_FROM_URI)

    def check(self) -> Iterable[Diagnostic]:
        place = self.store_uri
        for key in (key for key in place.query if key in _ELSEWHERE):
            message = f"the uri sets '{key}', which belongs to another node"
            yield Diagnostic("uri.elsewhere", message, hint=_ELSEWHERE[key], field="uri")
        try:
            check_uri(
                dataclasses.replace(
                    place, query={key: place.query[key] for key in place.query if key not in _ELSEWHERE}
                )
            )
        except AfterbayError as error:
            for found in error.diagnostics:
                yield dataclasses.replace(found, field="uri")
        if self.file_expiration_days and self.date_separator != "day":
            yield Diagnostic(
                "cloud_storage.expiration",
                f"files expire by the day in their path, and `date_separator: {self.date_separator}` gives them none",
                hint="set `date_separator: day`, or leave `file_expiration_days` out",
                field="file_expiration_days",
            )

    def needs_time(self) -> str | None:
        return "file_expiration_days" if self.file_expiration_days else None

    def exclusive_root(self) -> str | None:
        place = self.store_uri
        return str(Path(place.path).resolve()) if place.scheme == "file" else place.display

    def identity(self) -> Mapping[str, Json]:
        return {
            "root": self.store_uri.absolute,
            "date_separator": self.date_separator,
            "enable_partition_separator": self.enable_partition_separator,
            "file_index_digit": self.file_index_digit,
            "use_table_id_as_path": self.use_table_id_as_path,
            "enable_table_across_nodes": self.enable_table_across_nodes,
            "output_column_id": self.output_column_id,
        }

    def recognises(self, option: str, stored: Json) -> bool:
        if option != "root" or not isinstance(stored, str) or self.store_uri.scheme != "file":
            return False
        if stored == self.store_uri.display:
            return True  # the first version kept it as written
        known, given = Path(stored.removeprefix("file://")), Path(self.store_uri.path)
        # Another name of the same folder; or the same relative path in another one, such as a project that moved. There
        # `take_root` looks whether what the state has stored is in it.
        return known.resolve() == given.resolve() or (not given.is_absolute() and _ends_with(known, given))

    def facts(self) -> Mapping[str, str]:
        return {
            "root": self.store_uri.display,
            "file_size": format_bytes(self.file_size),
            "flush_interval": format_duration(self.flush_interval),
            **({"expires": f"after {self.file_expiration_days} days"} if self.file_expiration_days else {}),
        }

    def open(self, context: SinkContext) -> SinkOperator[SpoolEntry]:
        from afterbay_nodes.sinks.storage_sink import open_storage_sink

        return open_storage_sink(self, context)

    def examine(self, name: str, clock: Clock) -> Iterable[Finding]:
        """See `afterbay.doctor.finding.Examines`."""
        from afterbay_nodes.sinks.examination import examine

        return examine(self, name, clock)

    def recollect(self, context: RecollectContext) -> Recollected:
        """See `afterbay.recollect.Recollects`."""
        from afterbay_nodes.sinks.recollection import recollect

        return recollect(self, context)

    def verify(self, context: VerifyContext) -> Verification:
        """See `afterbay.verification.Verifies`."""
        from afterbay_nodes.sinks.verification import verify

        return verify(self, context, SystemClock())

    def stored_tables(self) -> tuple[str, ...]:
        """See `afterbay.verification.Verifies`."""
        from afterbay_nodes.sinks.verification import stored_tables

        return stored_tables(self, SystemClock())


def _ends_with(path: Path, relative: Path) -> bool:
    below = [part for part in relative.parts if part != ".."]
    return bool(below) and list(path.parts[-len(below) :]) == below


def _clamped(info: ValidationInfo, value: float, least: float, most: float, show: Any) -> float:
    inside = min(max(value, least), most)
    if inside != value:
        _advise(info, f"{show(value)} is outside {show(least)} to {show(most)}: {show(inside)} is used")
    return inside


def _advise(info: ValidationInfo, text: str) -> None:
    """A value that the protocol takes otherwise than it is written (protocol §10)."""
    key = info.field_name or ""
    hint = "write a value inside, and this warning is gone"
    advise(info.context, Diagnostic("option.clamped", f"`{key}` {text}", hint=hint, field=key))
