"""Which decoder reads a file: by its extension and, where several encodings share one, by how it begins."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import cast

import pyarrow as pa

from afterbay.schema import TableSchema
from afterbay_nodes.decoders.stored_form import StoredForm
from afterbay_nodes.decoders.stored_rows import Decoder, StoredRows, bad_row

_BEGINNING = 4096
_DEBEZIUM = (b'{"before"', b'{"payload"', b'{"schema"')  # an event itself, inside a payload, behind its schema

_DECODERS: Mapping[str, str] = {
    "csv": "decode_csv:DecodeCsv",
    "canal-json": "decode_canal_json:DecodeCanalJson",
    "avro": "decode_avro:DecodeAvro",
    "debezium-json": "decode_debezium_json:DecodeDebeziumJson",
    "parquet": "decode_parquet:DecodeParquet",
}
"""Encoding -> the class of its decoder, which is made from a `StoredForm`. A module is imported on first use."""


class Decoders:
    """Decodes the files of one store. Remembers the decoders it made; used from any thread."""

    def __init__(self, form: StoredForm | None = None) -> None:
        self._form = form or StoredForm()
        self._made: dict[str, Decoder] = {}

    def rows(self, data: pa.Buffer, extension: str, schema: TableSchema, key: str) -> Iterator[StoredRows]:
        """The rows of a file in chunks; none for an empty one (a fence).

        Raises RunFailed for an encoding that is not known, and whatever the decoder refuses (see `Decoder`).
        """
        if not data.size:
            return iter(())
        encoding = encoding_of(data, extension)
        if encoding not in _DECODERS:
            raise bad_row(
                "decode.format",
                f"files with the extension '{extension}' that begin like this one cannot be read",
                schema=schema,
                key=key,
                hint=f"known: {', '.join(_DECODERS)}",
            )
        if encoding not in self._made:
            module, _, name = _DECODERS[encoding].partition(":")
            maker = getattr(importlib.import_module(f"afterbay_nodes.decoders.{module}"), name)
            self._made[encoding] = cast("Decoder", maker(self._form))
        return self._made[encoding](data, schema, key)


def encoding_of(data: pa.Buffer, extension: str) -> str:
    """The encoding's name; the extension itself where that says it all."""
    if extension != "json":
        return extension
    beginning = data[: min(_BEGINNING, data.size)].to_pybytes().lstrip()
    return "debezium-json" if beginning.startswith(_DEBEZIUM) else "canal-json"
