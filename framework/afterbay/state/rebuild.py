"""A lost `checkpoint.db` made anew from what is in the pipeline's stores.

The new state says no more than the stores prove: the checkpoint is the one that they show (never ahead of what is
stored, I1), a table's position is its last stored change (I6), and the source gets an empty cursor. So it may send much
again, and what is stored is recognised; nothing is left out (I5).

The new database is made beside the old one and takes its name in one rename. A death before that leaves no state, and
a run without a state refuses a root that is not empty.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from afterbay.clock import Clock
from afterbay.compile.plan import Plan, PlanNode
from afterbay.durable import sync_folder
from afterbay.errors import EnvironmentRefused, PipelineInvalid, Place
from afterbay.messages import ChangeBatch
from afterbay.node import Source
from afterbay.recollect import (
    KeepsTables,
    LosesPlace,
    RecollectContext,
    Recollected,
    Recollects,
    RegainsPlace,
    StoredTable,
)
from afterbay.state.codec import encode_commit_ts, encode_json
from afterbay.state.database import (
    DATABASE_FILE,
    create_directory,
    open_database,
    refusal,
)
from afterbay.state.reset import DATABASE_PARTS, locked, set_aside

_NEW = "rebuilding"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was made: by source partition the checkpoint (None: from the beginning), by sink what its store told.

    `backup` is the folder with the old database, None if there was none. `unknown` is what nobody can know any more.
    """

    directory: Path
    backup: Path | None
    checkpoints: Mapping[str, int | None]
    sinks: Mapping[str, Recollected]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Way:
    """A sink, the one source partition that reaches it, and the nodes between."""

    sink: PlanNode
    partition: str
    source: RegainsPlace
    nodes: tuple[PlanNode, ...]


def rebuild(plan: Plan, clock: Clock, say: Callable[[str], None]) -> Rebuilt:
    """Makes the state of `plan` anew. An old database is kept in a dated folder inside the state directory.

    Raises PipelineInvalid `rebuild.*` for a pipeline whose stores cannot tell enough, EnvironmentRefused `state.locked`
    and whatever keeps the stores from being read. Nothing is changed then but indexes of files that are whole.
    """
    ways = [_way(plan, item) for item, _ in plan.sinks]
    create_directory(plan.state_dir)
    with locked(plan.state_dir, clock):
        told: dict[str, Recollected] = {}
        for way in ways:
            sink = way.sink.node
            assert isinstance(sink, Recollects)
            nodes = tuple(item.node for item in way.nodes)
            told[way.sink.name] = sink.recollect(RecollectContext(way.sink.name, nodes, clock, say))
        checkpoints = _checkpoints(ways, told)
        _check_counts(ways, told, checkpoints)
        new = _make(plan, ways, told, checkpoints, clock)
        there = any((plan.state_dir / name).exists() for name in DATABASE_PARTS)
        backup = set_aside(plan.state_dir, clock, backup=True) if there else None
        (new / DATABASE_FILE).rename(plan.state_dir / DATABASE_FILE)
        shutil.rmtree(new)
        sync_folder(plan.state_dir)
    return Rebuilt(plan.state_dir, backup, checkpoints, told, tuple(_unknown(ways, told)))


def _way(plan: Plan, sink: PlanNode) -> _Way:
    """Raises PipelineInvalid if a state cannot be made anew from what this sink stores."""
    if not isinstance(sink.node, Recollects):
        raise _refused(sink, "rebuild.sink", "stores nothing that a state could be made anew from")
    nodes = tuple(plan.upstream(sink))
    sources = [item for item in nodes if isinstance(item.node, Source)]
    partitions = [name for name, owner in plan.partitions().items() if owner in {item.name for item in sources}]
    if len(partitions) != 1:
        raise _refused(
            sink,
            "rebuild.partitions",
            f"takes what {len(partitions)} source partitions send ({', '.join(partitions)}), and its store does not "
            "tell them apart",
        )
    source = sources[0]
    if not isinstance(source.node, RegainsPlace):
        why = " by a commit-ts alone: what it resumed with is lost"
        if isinstance(source.node, LosesPlace):
            why = f": {source.node.loses_place}"
        raise _refused(source, "rebuild.source", f"cannot find its place again{why}")
    for item in nodes:
        gives_changes = any(payload is ChangeBatch for _, payload in item.gives)
        if item.kind == "transform" and gives_changes and not _keeps_tables(item):
            raise _refused(
                item,
                "rebuild.renamed",
                f"({item.type_name}) may give tables other names or drop rows: what is in the store cannot be taken "
                "back to what the source sends",
            )
    return _Way(sink, partitions[0], source.node, nodes)


def _keeps_tables(item: PlanNode) -> bool:
    return isinstance(item.node, KeepsTables) and item.node.keeps_tables


def _refused(item: PlanNode, code: str, why: str) -> PipelineInvalid:
    return PipelineInvalid(
        code,
        f"no state can be made anew: node '{item.name}' {why}",
        place=Place(node=item.name),
        hint="restore checkpoint.db and checkpoint.db-wal together from a backup, or start anew with another state "
        "directory and an empty root",
    )


def _checkpoints(ways: list[_Way], told: Mapping[str, Recollected]) -> dict[str, int | None]:
    """By partition, what all of its sinks have stored (I1)."""
    found: dict[str, list[int | None]] = {}
    for way in ways:
        found.setdefault(way.partition, []).append(told[way.sink.name].checkpoint)
    return {
        partition: None if None in shown else min(point for point in shown if point is not None)
        for partition, shown in found.items()
    }


def _check_counts(ways: list[_Way], told: Mapping[str, Recollected], checkpoints: Mapping[str, int | None]) -> None:
    """Raises PipelineInvalid for counted positions in several sinks: each would need a count of its own (I6)."""
    for way in ways:
        others = [other for other in ways if other.partition == way.partition and other is not way]
        tables = (_settled(table, checkpoints[way.partition]) for table in told[way.sink.name].tables)
        if others and any(table.counted for table in tables):
            raise _refused(
                way.sink,
                "rebuild.sinks",
                f"has rows above the checkpoint, stored without ordinals, and '{others[0].sink.name}' has the same "
                "source: which of them each has stored cannot be told",
            )


def _unknown(ways: list[_Way], told: Mapping[str, Recollected]) -> Iterator[str]:
    for way in ways:
        for text in told[way.sink.name].unknown:
            yield f"{way.sink.name}: {text}"
    for partition in sorted({way.partition for way in ways}):
        yield (
            f"{partition}: the cursor is lost, so the next run lets the source find its place by commit-ts, which may "
            "take as long as everything before it took"
        )


def _make(
    plan: Plan,
    ways: list[_Way],
    told: Mapping[str, Recollected],
    checkpoints: Mapping[str, int | None],
    clock: Clock,
) -> Path:
    """The folder with the new database, closed and durable."""
    new = plan.state_dir / _NEW
    try:
        if new.exists():
            shutil.rmtree(new)  # of a rebuild that died
        new.mkdir(mode=0o700)
    except OSError as error:
        raise EnvironmentRefused(
            "state.folder",
            f"{new} cannot be made: {error.strerror}",
            hint="give the user that runs this write access to the state directory",
        ) from error
    now = clock.now().isoformat(timespec="milliseconds")
    try:
        with closing(open_database(new)) as connection:
            connection.execute("begin immediate")
            run = connection.execute
            identity = encode_json(plan.identity(), "the pipeline's identity")
            run(
                "insert into state (id, pipeline, identity, created_at) values (1, ?, ?, ?)", (plan.name, identity, now)
            )
            for partition, point in checkpoints.items():
                if point is not None:
                    row = (partition, encode_commit_ts(point), "{}", now)
                    run("insert into checkpoints (partition, commit_ts, cursor, updated_at) values (?, ?, ?, ?)", row)
            for way in ways:
                _put(connection, way, told[way.sink.name], checkpoints[way.partition], now)
            run("commit")
            # One file, so that one rename puts it in place.
            run("pragma wal_checkpoint(truncate)")
            run("pragma journal_mode = delete")
    except sqlite3.Error as error:
        raise refusal(error, new) from error
    return new


def _put(connection: sqlite3.Connection, way: _Way, told: Recollected, checkpoint: int | None, now: str) -> None:
    sink = way.sink.name
    connection.execute(
        "insert into sinks (sink, files, rows, bytes, ddls, claimed_at) values (?, ?, ?, ?, ?, ?)",
        (sink, told.files, told.changes, told.bytes, told.ddls, now),
    )
    connection.executemany(
        "insert into directories (sink, directory, number) values (?, ?, ?)",
        [(sink, directory, number) for directory, number in told.directories.items()],
    )
    connection.executemany(
        "insert into positions (sink, partition, dispatcher, commit_ts, ordinal, directory, number, size, counted) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                sink,
                way.partition,
                way.source.dispatcher(table.name, table.partition_id),
                encode_commit_ts(table.last.commit_ts),
                table.last.ordinal,
                table.directory,
                table.number,
                table.size,
                int(table.counted),
            )
            for table in (_settled(table, checkpoint) for table in told.tables)
        ],
    )


def _settled(table: StoredTable, checkpoint: int | None) -> StoredTable:
    """At or below the checkpoint nothing comes again that would have to be counted."""
    return replace(table, counted=table.counted and (checkpoint is None or table.last.commit_ts > checkpoint))
