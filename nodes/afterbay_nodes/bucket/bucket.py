"""Opens a store for reading, takes snapshots of it, and loads its files."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import pyarrow as pa

from afterbay.clock import Clock, SystemClock
from afterbay.errors import EnvironmentRefused, PipelineInvalid, RunFailed
from afterbay.printable import visible
from afterbay_nodes.bucket.findings import Finding, Rule
from afterbay_nodes.bucket.history import History
from afterbay_nodes.bucket.keys import DataName, home_of, name_of, with_years
from afterbay_nodes.bucket.look import Look, schema_keys, second_look
from afterbay_nodes.bucket.schemas import Schemas
from afterbay_nodes.bucket.series import Found, Series
from afterbay_nodes.bucket.snapshot import Snapshot
from afterbay_nodes.bucket.steps import FileStep, SchemaStep, in_order
from afterbay_nodes.storage.layout import METADATA
from afterbay_nodes.storage.metadata import read_metadata
from afterbay_nodes.storage.numbering import LONGEST_INDEX
from afterbay_nodes.storage.open import open_store
from afterbay_nodes.storage.retry import Cancel
from afterbay_nodes.storage.store import NotFound, ObjectStore, StoreOptions
from afterbay_nodes.storage.uri import parse_uri

READERS = 8
"""Requests for small files (schema files, indexes) side by side."""

LARGEST_FILE = 4 << 30
"""Bytes of a data file that is read, eight times the largest that `cloud_storage` makes: it is in memory whole."""

OPTIONS = StoreOptions(connections=16, tries_deadline=120.0)
"""A reader gives up earlier than a writer: nothing is lost if it does."""


class Tally:
    """Counts retries: the meter of a reader, which has no node."""

    def __init__(self) -> None:
        self.retries = 0

    def retried(self, operation: str) -> None:
        """An operation was tried again."""
        self.retries += 1


def open_bucket(uri: str, *, clock: Clock | None = None, cancel: Cancel | None = None) -> Bucket:
    """Opens the store of `uri` for reading alone; touches nothing yet.

    Raises PipelineInvalid for a URI that is wrong, EnvironmentRefused for a connector that is not installed.
    """
    place = parse_uri(uri)
    if place.scheme == "noop":
        raise PipelineInvalid("uri.scheme", "a noop store keeps nothing to read", hint="give a folder or an s3 uri")
    return Bucket(open_store(place, OPTIONS, clock=clock or SystemClock(), meter=Tally(), cancel=cancel))


class Bucket:
    """A store that is read. Owns the store, and what it remembers of schema files and indexes between snapshots.

    `load` may be called from any thread; `snapshot` by one at a time.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._schemas = Schemas()
        self._newest: dict[str, int] = {}

    @property
    def display(self) -> str:
        """The store's URI without secrets."""
        return self._store.display

    def __enter__(self) -> Bucket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Gives connections and files back."""
        self._store.close()

    def load(self, file: FileStep) -> pa.Buffer:
        """The whole file: memory is bounded by one file a caller.

        Raises RunFailed if it is not there any more, has another size than the snapshot says, or is over
        `LARGEST_FILE`.
        """
        if file.size > LARGEST_FILE:
            raise RunFailed(
                "bucket.large",
                f"'{visible(file.key)}' in {self.display} has {file.size} bytes, over {LARGEST_FILE}",
                hint="no writer of the protocol makes files of that size: find out who wrote it",
            )
        data = pa.allocate_buffer(file.size)
        view, at = memoryview(data).cast("B"), 0
        for chunk in self._store.open_read(file.key):
            if at + chunk.nbytes <= file.size:
                view[at : at + chunk.nbytes] = chunk
            at += chunk.nbytes
        if at != file.size:
            raise RunFailed(
                "bucket.changed",
                f"'{visible(file.key)}' in {self.display} has {at} bytes, and had {file.size} when it was listed",
                hint="a data file never changes once it is in the index: find out who wrote it",
            )
        return data

    def small(self, key: str) -> bytes | None:
        """The content of a small object (metadata, an index), None if there is none. Raises RunFailed if it fails."""
        try:
            return self._store.get(key)
        except NotFound:
            return None

    def snapshot(self) -> Snapshot:
        """What is there now. Damage becomes findings; raises only where the store cannot be read.

        Raises EnvironmentRefused if the store is out of reach, RunFailed if it fails later.
        """
        findings: list[Finding] = []
        checkpoint = self._checkpoint(findings)
        first = schema_keys(self._store.list(""))
        look = second_look(first, self._store.list(""))
        self._read_schemas(look)
        findings += look.findings
        findings += self._read_indexes(look)
        stored, wrong = self._schemas.read(look.schemas)
        findings += wrong
        schemas = tuple(History().steps(stored))
        files, orphans, missing = self._files(look, schemas)
        findings += missing
        return Snapshot(self.display, checkpoint, in_order(schemas, files), tuple(sorted(findings)), tuple(orphans))

    def _checkpoint(self, findings: list[Finding]) -> int | None:
        """Read before anything is listed (I1). The first call to the store: it tells whether there is one."""
        try:
            return read_metadata(self._store)
        except RunFailed as error:
            if error.code in ("metadata.unreadable", "store.large"):
                findings.append(Finding(METADATA, Rule.METADATA_UNREADABLE, error.diagnostics[0].message))
                return None
            raise EnvironmentRefused("store.unreachable", error.diagnostics[0].message, hint=error.hint) from error

    def _read_schemas(self, look: Look) -> None:
        for key, data in self._get(self._schemas.unknown(look.schemas)):
            self._schemas.take(key, look.schemas[key], data)

    def _read_indexes(self, look: Look) -> list[Finding]:
        """Reads the indexes that can have news: a series that has no file above its last index has none."""
        findings: list[Finding] = []
        asked: dict[str, str] = {}
        for name in sorted(look.indexes):
            series = look.series[name]
            known = self._newest.get(name, 0)
            if known and max(series.files, default=0) == known:
                series.newest = known
            else:
                asked[series.index_key] = name
        for key, data in self._get(asked, LONGEST_INDEX):
            name = asked[key]
            series = look.series[name]
            wrong = series.read_index(data)
            if wrong is not None:
                findings.append(wrong)
            elif series.newest > max(series.files, default=0):
                self._look_again(series)
            self._newest[name] = series.newest
        return findings

    def _look_again(self, series: Series) -> None:
        """The index was read after the listing: files that came in between are in no listing yet."""
        for info in self._store.list(f"{series.directory}/{series.stem}"):
            name = name_of(info.key)
            if isinstance(name, DataName) and name.series == f"{series.directory}/{series.stem}":
                series.add(name.number, Found(info.key, info.size, name.extension))

    def _files(
        self, look: Look, schemas: tuple[SchemaStep, ...]
    ) -> tuple[list[FileStep], list[FileStep], list[Finding]]:
        """(the indexed files with their columns, those above their index, what is wrong with numbers and columns)."""
        tables = {(owner, step.version): step.schema for step in schemas for owner in step.owners if step.schema}
        owners = frozenset(owner for owner, _ in tables)
        by_id = bool(owners) and all("/" not in owner for owner in owners)
        files: list[FileStep] = []
        orphans: list[FileStep] = []
        findings: list[Finding] = []
        found_homes = {it.directory: home_of(it.directory, owners, by_id=by_id) for it in look.series.values()}
        homes = with_years({directory: home for directory, home in found_homes.items() if home is not None})
        for name, series in look.series.items():
            home = homes.get(series.directory)
            if home is None:
                message = "no rule of the protocol gives a data directory such a name"
                findings.append(Finding(series.directory, Rule.KEY_UNKNOWN, message))
                continue
            findings += series.findings()
            schema = tables.get((home.owner, home.version))
            if schema is not None:
                for number, found in sorted(series.files.items()):
                    step = FileStep(
                        found.key,
                        name,
                        number,
                        found.size,
                        found.extension,
                        schema,
                        home.owner,
                        home.partition,
                        home.date,
                    )
                    (files if number <= series.newest else orphans).append(step)
            elif series.newest and not look.waits(home.version):
                message = f"there is no (readable) schema file of version {home.version} for these rows"
                findings.append(Finding(series.directory, Rule.SCHEMA_MISSING, message))
        return files, orphans, findings

    def _get(self, keys: Iterable[str], limit: int | None = None) -> list[tuple[str, bytes]]:
        """Small objects, several side by side. One that was removed meanwhile is left out."""
        wanted = list(keys)
        if not wanted:
            return []

        def fetch(key: str) -> bytes | None:
            try:
                return self._store.get(key) if limit is None else self._store.get(key, limit)
            except NotFound:
                return None

        with ThreadPoolExecutor(min(READERS, len(wanted)), thread_name_prefix="bucket") as pool:
            return [(key, data) for key, data in zip(wanted, pool.map(fetch, wanted), strict=True) if data is not None]
