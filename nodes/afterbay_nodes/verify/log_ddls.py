"""The schema files that a log's DDLs ask for, held against those that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from afterbay.messages import SchemaChange
from afterbay.schema import Column
from afterbay_nodes.bucket.steps import SchemaStep
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.schema_file import SchemaFile, schema_files
from afterbay_nodes.verify.chosen import Chosen
from afterbay_nodes.verify.fault import Fault

_Key = tuple[str, str, int]  # database, table ("" for a database as a whole), version


class LogDdls:
    """Collects a log's DDLs: one schema file each and table, in memory. One thread."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen
        self._wanted: dict[_Key, tuple[str, SchemaFile]] = {}

    def add(self, change: SchemaChange) -> None:
        """The next DDL. Raises RunFailed for one that no schema file can say."""
        for write in schema_files(change, Layout()):
            file = SchemaFile.from_bytes(write.data, write.key)
            if self._chosen.includes(file.schema, file.table):
                self._wanted[file.schema, file.table, file.version] = write.key, file

    def faults(self, steps: Sequence[SchemaStep], limit: int) -> Iterator[Fault]:
        """What differs. Files of DDLs up to the commit-ts `limit` are to be there."""
        stored = {(step.database, step.table.table if step.table else "", step.version): step for step in steps}
        by_id = any(step.owners and "/" not in step.owners[0] and step.table is not None for step in steps)
        for key, (path, file) in self._wanted.items():
            step = stored.get(key)
            if step is not None:
                yield from _differing(step, file)
            elif file.version <= limit and not (by_id and not key[1]):
                message = f"the log has {_shown(file.query)} at {file.version}, and there is no schema file of it"
                yield Fault(path, 0, "against.ddl_missing", message, _table(file))
        for key, step in stored.items():
            if step.is_ddl and key not in self._wanted and self._chosen.includes(*key[:2]):
                message = f"the log has no DDL at {step.version} that made it"
                yield Fault(step.keys[0], 0, "against.ddl_extra", message, str(step.table or ""))


def _differing(step: SchemaStep, file: SchemaFile) -> Iterator[Fault]:
    table = _table(file)
    for what, stored, wanted in (
        ("the statement", step.query, file.query),
        ("the DDL number", step.type, file.type),
        ("its columns", _plain(step.schema.columns if step.schema else ()), _plain(file.table_schema().columns)),
    ):
        if stored != wanted:
            told = f" are not {_names(wanted)}" if isinstance(wanted, list) else f" is not {_shown(str(wanted))}"
            yield Fault(step.keys[0], 0, "against.ddl", f"{what}{told}, as in the log", table)
            return


def _plain(columns: Iterable[Column]) -> list[Column]:
    """As a schema file has them: not which are virtual, and ids only where they were asked for."""
    return [replace(column, virtual=False, id=None) for column in columns]


def _names(columns: Iterable[Column]) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in columns)


def _table(file: SchemaFile) -> str:
    return f"{file.schema}.{file.table}" if file.table else file.schema


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "…")
