"""Ready nodes: the pack `afterbay`, read through the same door as everybody's (entry-point group `afterbay.nodes`)."""

from __future__ import annotations

from collections.abc import Mapping

_NODES = {
    "demo": "sources.demo:Demo",
    "change_log": "sources.change_log:ChangeLog",
    "postgres": "sources.postgres.declaration:Postgres",
    "filter": "transforms.filter:Filter",
    "route": "transforms.route:Route",
    "select_columns": "transforms.select_columns:SelectColumns",
    "python": "transforms.python:PythonFunction",
    "encode_csv": "encoders.encode_csv:EncodeCsv",
    "encode_canal_json": "encoders.encode_canal_json:EncodeCanalJson",
    "encode_debezium_json": "encoders.encode_debezium_json:EncodeDebeziumJson",
    "encode_parquet": "encoders.encode_parquet:EncodeParquet",
    "encode_avro": "encoders.encode_avro:EncodeAvro",
    "spool": "transforms.spool:Spool",
    "cloud_storage": "sinks.cloud_storage:CloudStorage",
    "blackhole": "sinks.blackhole:Blackhole",
}


def pack() -> Mapping[str, str]:
    """Every node type -> "module:Class". A module is imported when a pipeline uses its type."""
    return {name: f"afterbay_nodes.{target}" for name, target in _NODES.items()}
