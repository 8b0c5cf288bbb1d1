"""Where everything lies: table -> directory, file names, schema files, and back from a key to what it is.

    {schema}/{table}/{version}/[{partition}/][{date}/]CDC{number}.{extension}
    same directory              /meta/CDC.index
    {schema}/{table}            /meta/schema_{version}_{checksum}.json
    {schema}                    /meta/schema_{version}_{checksum}.json
    metadata

Every level has a fixed place, and names are escaped, so that a table that is called like a version, a date or
`meta` meets nothing. With the partition level off, the partitions of a table share a directory, its index and its
numbers: `series` is then the same for all of them, and whoever writes takes numbers from one `PathState`.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from functools import cached_property

from afterbay.errors import RunFailed
from afterbay.schema import TableSchema
from afterbay_nodes.storage.dates import DATE_PATTERNS, DateSeparator
from afterbay_nodes.storage.names import escape

METADATA = "metadata"
SHORTEST_PAD, LONGEST_PAD = 6, 20

_DISPATCHERS = uuid.UUID("0b9e6d2c-6f0f-5d3a-9c55-2f8f6a3f1f0e")
# Versions and ids are of 64 bits, 20 digits: more is no number of the protocol, and must not cost time to read.
_SCHEMA_NAME = re.compile(r"schema_([0-9]{1,20})_([0-9]{10})\.json")
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data file's key in parts. `day` and `partition` are "" where the layout has no such level."""

    table: str
    version: int
    partition: str
    day: str
    stem: str
    number: int
    extension: str


@dataclass(frozen=True, slots=True)
class IndexKey:
    """An index file's key in parts."""

    table: str
    version: int
    partition: str
    day: str
    stem: str


@dataclass(frozen=True, slots=True)
class SchemaKey:
    """A schema file's key in parts. `owner` is the table's directory, or the database's."""

    owner: str
    version: int
    checksum: int


ParsedKey = DataKey | IndexKey | SchemaKey


@dataclass(frozen=True)
class Layout:
    """The options that shape paths. `file_index_digit` outside 6-20 counts as 20."""

    date_separator: DateSeparator = DateSeparator.DAY
    enable_partition_separator: bool = True
    file_index_digit: int = LONGEST_PAD
    use_table_id_as_path: bool = False
    enable_table_across_nodes: bool = False
    output_column_id: bool = False

    @property
    def pad(self) -> int:
        """Digits that a file number has at least."""
        return self.file_index_digit if SHORTEST_PAD <= self.file_index_digit <= LONGEST_PAD else LONGEST_PAD

    # --- from a table to keys

    def table_directory(self, schema: TableSchema) -> str:
        """Where all of a table is. Raises RunFailed if ids are asked for and the source gives none."""
        if not self.use_table_id_as_path:
            return f"{escape(schema.name.schema)}/{escape(schema.name.table)}"
        physical = schema.partition_id if schema.partition_id is not None else schema.table_id
        if physical is None:
            raise RunFailed(
                "layout.table_id",
                f"{schema.name} has no table id, and use_table_id_as_path names directories by it",
                hint="turn use_table_id_as_path off, or use a source that knows table ids (change_log: `tableId`)",
            )
        return str(physical)

    def version_directory(self, schema: TableSchema, version: int) -> str:
        """Where the rows of one schema version (of one partition) are, above the date level."""
        path = f"{self.table_directory(schema)}/{version}"
        if schema.partition_id is None or not self.enable_partition_separator or self.use_table_id_as_path:
            return path
        return f"{path}/{schema.partition_id}"

    def shares(self, schema: TableSchema) -> bool:
        """True if other dispatchers write into the same directories, under the same numbers."""
        parted = self.enable_partition_separator or self.use_table_id_as_path or self.enable_table_across_nodes
        return schema.partition_id is not None and not parted

    def data_directory(self, schema: TableSchema, version: int, day: str) -> str:
        """Where the files of one date level are."""
        path = self.version_directory(schema, version)
        return f"{path}/{day}" if day else path

    def series(self, partition: str, dispatcher: str) -> str:
        """The stem of the files that are numbered together: `CDC`, or one a dispatcher of a source partition."""
        if not self.enable_table_across_nodes:
            return "CDC"
        return f"CDC_{uuid.uuid5(_DISPATCHERS, partition + chr(0) + dispatcher)}"

    def file_name(self, stem: str, number: int, extension: str) -> str:
        """A data file's base name."""
        joint = "_" if self.enable_table_across_nodes else ""
        return f"{stem}{joint}{number:0{self.pad}d}.{extension}"

    def data_file(self, directory: str, stem: str, number: int, extension: str) -> str:
        """A data file's key."""
        return f"{directory}/{self.file_name(stem, number, extension)}"

    def file_number(self, name: str, stem: str, extension: str) -> int | None:
        """The number in a base name of this series, or None if it is none."""
        joint = "_" if self.enable_table_across_nodes else ""
        found = re.fullmatch(
            rf"{re.escape(stem + joint)}([0-9]{{{SHORTEST_PAD},{LONGEST_PAD}}})\.{re.escape(extension)}", name
        )
        return int(found.group(1)) if found is not None else None

    @staticmethod
    def index_file(directory: str, stem: str) -> str:
        """The index's key of one series in one data directory."""
        return f"{directory}/meta/{stem}.index"

    @staticmethod
    def schema_file(owner: str, version: int, checksum: int) -> str:
        """A schema file's key. `owner` is `table_directory`, or `database_directory`."""
        return f"{owner}/meta/schema_{version}_{checksum:010d}.json"

    @staticmethod
    def database_directory(database: str) -> str:
        """Where the schema files of a database as a whole are."""
        return escape(database)

    # --- from a key to what it is

    def parse(self, key: str) -> ParsedKey | None:
        """What a key is; None for the checkpoint's own file and for whatever the protocol does not know."""
        found = self._data_pattern.fullmatch(key)
        if found is not None:
            of = found.groupdict(default="")
            number = int(of["number"])
            if of["number"] != f"{number:0{self.pad}d}":
                return None
            return DataKey(
                of["table"],
                int(of["version"]),
                of.get("partition", ""),
                of.get("day", ""),
                of["stem"],
                number,
                of["extension"],
            )
        found = self._index_pattern.fullmatch(key)
        if found is not None:
            of = found.groupdict(default="")
            return IndexKey(of["table"], int(of["version"]), of.get("partition", ""), of.get("day", ""), of["stem"])
        return parse_schema_key(key)

    def day_of(self, directory: str) -> str:
        """The date level of a data directory, "" where the layout has none."""
        return "" if self.date_separator is DateSeparator.NONE else directory.rpartition("/")[2]

    def day_of_folder(self, folder: str) -> str:
        """The date level of a data directory, or of the `meta` in it; "" for any other folder."""
        found = self._folder_pattern.fullmatch(folder)
        return found.groupdict().get("day", "") if found is not None else ""

    @cached_property
    def _folder_pattern(self) -> re.Pattern[str]:
        return re.compile(f"{self._directory_pattern}(?:/meta)?", re.ASCII)

    @cached_property
    def _directory_pattern(self) -> str:
        table = r"(?P<table>-?[0-9]{1,20})" if self.use_table_id_as_path else r"(?P<table>[^/]+/[^/]+)"
        partition = ""
        if self.enable_partition_separator and not self.use_table_id_as_path:
            partition = r"(?:/(?P<partition>[0-9]{1,20}))?"
        day = DATE_PATTERNS[self.date_separator]
        return f"{table}/(?P<version>[0-9]{{1,20}}){partition}" + (f"/(?P<day>{day})" if day else "")

    @cached_property
    def _stem_pattern(self) -> str:
        return f"(?P<stem>CDC_{_UUID})" if self.enable_table_across_nodes else "(?P<stem>CDC)"

    @cached_property
    def _data_pattern(self) -> re.Pattern[str]:
        joint = "_" if self.enable_table_across_nodes else ""
        name = rf"{self._stem_pattern}{joint}(?P<number>[0-9]{{1,20}})\.(?P<extension>[a-z0-9]+)"
        return re.compile(f"{self._directory_pattern}/{name}", re.ASCII)

    @cached_property
    def _index_pattern(self) -> re.Pattern[str]:
        return re.compile(rf"{self._directory_pattern}/meta/{self._stem_pattern}\.index", re.ASCII)


def parse_schema_key(key: str) -> SchemaKey | None:
    """A schema file's key in parts, or None if it is none (temporary names of other writers included)."""
    folder, _, name = key.rpartition("/")
    owner, _, meta = folder.rpartition("/")
    found = _SCHEMA_NAME.fullmatch(name)
    if found is None or meta != "meta" or not owner:
        return None
    return SchemaKey(owner, int(found.group(1)), int(found.group(2)))
