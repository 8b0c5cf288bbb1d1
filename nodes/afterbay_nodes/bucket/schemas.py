"""Schema files, read once and remembered: a schema file never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from afterbay.errors import RunFailed
from afterbay.messages import DdlKind
from afterbay.schema import TableName
from afterbay_nodes.bucket.findings import Finding, Rule
from afterbay_nodes.bucket.history import Stored
from afterbay_nodes.storage.layout import SchemaKey
from afterbay_nodes.storage.names import escape
from afterbay_nodes.storage.schema_file import SchemaFile


class Schemas:
    """What the schema files say, by key. Used by one thread at a time."""

    def __init__(self) -> None:
        self._known: dict[str, Stored | None] = {}
        self._findings: dict[str, list[Finding]] = {}

    def unknown(self, keys: Iterable[str]) -> list[str]:
        """Those of `keys` that were not read yet."""
        return [key for key in keys if key not in self._known]

    def take(self, key: str, name: SchemaKey, data: bytes) -> None:
        """Takes the content of one schema file."""
        found: list[Finding] = []
        self._findings[key] = found
        self._known[key] = None
        try:
            file = SchemaFile.from_bytes(data, key)
            schema = file.table_schema() if file.columns else None
            checksum = file.checksum
        except RunFailed as error:
            found.append(Finding(key, Rule.SCHEMA_UNREADABLE, error.diagnostics[0].message))
            return
        if checksum != name.checksum:
            found.append(Finding(key, Rule.SCHEMA_CHECKSUM, f"the content's checksum is {checksum:010d}"))
            return
        if file.version != name.version:
            found.append(Finding(key, Rule.SCHEMA_NAMES, f"it says that it is of version {file.version}"))
            return
        if not _at_home(name.owner, file):
            found.append(Finding(key, Rule.SCHEMA_NAMES, f"it is of {TableName(file.schema, file.table)}"))
            return
        if file.to_bytes() != data:
            found.append(Finding(key, Rule.SCHEMA_FORM, "its JSON is not written as the protocol writes it"))
        self._known[key] = Stored(key, name.owner, file.schema, file.table, file.version, file.query, file.type, schema)

    def read(self, keys: Mapping[str, SchemaKey]) -> tuple[list[Stored], list[Finding]]:
        """(what the files of `keys` that were taken say, what is wrong with them).

        One file a version counts. Under a table id the steps of one statement are several: its table was renamed more
        than once (`RENAME TABLE a TO x, b TO a, x TO b`).
        """
        findings: list[Finding] = []
        stored: list[Stored] = []
        begun: dict[tuple[str, int], list[Stored]] = {}
        for key in sorted(keys):
            findings += self._findings.get(key, ())
            file = self._known.get(key)
            if file is None:
                continue
            others = begun.setdefault((file.owner, file.version), [])
            if all(_goes_on(other, file) for other in others):
                others.append(file)
                stored.append(file)
            else:
                findings.append(Finding(key, Rule.SCHEMA_TWICE, f"'{others[0].key}' is of the same version"))
        return stored, findings


def _goes_on(one: Stored, other: Stored) -> bool:
    """True if both are renames of one table, to different names."""
    return one.type == other.type == DdlKind.RENAME_TABLE and (one.database, one.table) != (other.database, other.table)


def _at_home(owner: str, file: SchemaFile) -> bool:
    """True if `owner` is where the file belongs, by names (escaped, or raw as TiCDC writes them) or by a table id."""
    levels = [file.schema, file.table] if file.columns else [file.schema]
    by_id = owner.isascii() and owner.isdecimal() and bool(file.columns)
    return by_id or owner in ("/".join(map(escape, levels)), "/".join(levels))
