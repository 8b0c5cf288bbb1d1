"""The cloud storage sink at work: opens the store, settles what a dead run left, and hands out its shards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from afterbay.clock import Clock
from afterbay.errors import Cancelled
from afterbay.messages import SchemaChange, SpoolEntry
from afterbay.node import ShardOperator, SinkContext, SinkOperator
from afterbay.positions import StoredPosition
from afterbay_nodes.sinks.cleanup import Cleanup, Expiry
from afterbay_nodes.sinks.cloud_storage import CloudStorage
from afterbay_nodes.sinks.file_body import FileBodies
from afterbay_nodes.sinks.flush_days import FlushDays
from afterbay_nodes.sinks.lane import Limits
from afterbay_nodes.sinks.layout_of import layout_of
from afterbay_nodes.sinks.recovery import settle_open_intents
from afterbay_nodes.sinks.root import take_root
from afterbay_nodes.sinks.schedule import Schedule
from afterbay_nodes.sinks.scratch import Scratch
from afterbay_nodes.sinks.shard import StorageShard
from afterbay_nodes.sinks.upload_pool import UploadPool
from afterbay_nodes.sinks.writer import Writer
from afterbay_nodes.storage.dates import time_zone
from afterbay_nodes.storage.layout import Layout
from afterbay_nodes.storage.metadata import MetadataFile
from afterbay_nodes.storage.open import open_store
from afterbay_nodes.storage.outage import Outages
from afterbay_nodes.storage.retry import Cancel
from afterbay_nodes.storage.store import ObjectStore, StoreOptions


def open_storage_sink(node: CloudStorage, context: SinkContext) -> StorageSink:
    """Opens the store of `node`: in reach, ours to write, and with no intent left open.

    Raises PipelineInvalid for the URI, EnvironmentRefused for the store, RunFailed for a file that fits no case.
    """
    cancel = Cancel(context.clock)
    slots = node.upload_concurrency or node.shards
    outages = Outages(
        f"sink '{context.node}' ({node.store_uri.display})",
        context.clock,
        lambda outage: context.state.note_outage(context.node, outage),
    )
    context.meter.watch_outage(outages.now)
    context.meter.sight.watch_failing(outages.failing)
    store = open_store(
        node.store_uri,
        StoreOptions(part_concurrency=node.flush_concurrency, connections=slots * node.flush_concurrency + 2),
        clock=context.clock,
        meter=context.meter,
        cancel=cancel,
        outages=outages,
    )
    layout = layout_of(node)
    with ExitStack() as undo:
        undo.callback(store.close)
        store.check()
        if node.store_uri.keeps:
            take_root(store, layout, context.state, context.node, context.partitions, adopt=context.adopt)
        else:
            context.state.claim(context.node)
        store.sweep()
        scratch = Scratch(context.work_dir / "scratch")
        scratch.sweep()
        settle_open_intents(store, layout, context.state, context.node)
        metadata = MetadataFile(store, context.clock)
        metadata.load()
        sink = StorageSink(node, context, store, layout, metadata, scratch, cancel, slots)
        undo.pop_all()
    return sink


class StorageSink(SinkOperator[SpoolEntry]):
    """Owns the store, the upload pool, and two threads: one writes the store's checkpoint file, one cleans up."""

    def __init__(
        self,
        node: CloudStorage,
        context: SinkContext,
        store: ObjectStore,
        layout: Layout,
        metadata: MetadataFile,
        scratch: Scratch,
        cancel: Cancel,
        slots: int,
    ) -> None:
        self._context = context
        self._store = store
        self._cancel = cancel
        self._pressures = context.pressures
        # Positions as they are now: recovery may have finished files since the context was made.
        self._positions: Mapping[tuple[str, str], StoredPosition] = {
            (partition, dispatcher): position
            for (sink, partition, dispatcher), position in context.state.restart.positions.items()
            if sink == context.node
        }
        quota = min((pressure.quota for pressure in context.pressures), default=1 << 62)
        limit = node.transaction_limit or max(1, min(4 * node.file_size, quota // 8))
        self._limits = Limits(min(node.file_size, max(1, quota // 8)), node.flush_interval, limit)
        zone = time_zone(node.time_zone)
        days = FlushDays(context.state.restart.cleaned.get(context.node, ""), _highest(self._positions))
        # Files that are assembled stand beside the spool's: they add an eighth of its quota at most (I8).
        self._bodies = FileBodies(scratch, max(1, quota // 8), context.clock)
        self._writer = Writer(
            sink=context.node,
            store=store,
            layout=layout,
            bodies=self._bodies,
            zone=zone,
            state=context.state,
            positions=self._positions,
            days=days,
            clock=context.clock,
            meter=context.meter,
        )
        self._pool = UploadPool(context.node, slots, self._writer, context.clock, self._pressed, context.fail)
        context.meter.sight.works(slots, self._pool.at_work)
        self._checkpoints = dict.fromkeys(context.partitions, -1) | dict(context.checkpoints)
        self._shown = CheckpointWriter(context.node, metadata, context.clock, context.fail)
        self._shown.start()
        self._cleanup: Cleanup | None = None
        if node.file_expiration_days:
            self._cleanup = Cleanup(
                Expiry(context.node, node.file_expiration_days, zone, context.partitions, context.checkpoint_ms),
                Schedule(node.file_cleanup_cron_spec, zone),
                store=store,
                layout=layout,
                days=days,
                state=context.state,
                clock=context.clock,
                meter=context.meter,
                fail=context.fail,
            )
            self._cleanup.start()
        self._show()  # a run that died may not have shown what its checkpoint had reached

    def open_shard(self, index: int, wake: Callable[[], None]) -> ShardOperator[SpoolEntry]:
        for pressure in self._pressures:
            pressure.subscribe(wake)
        return StorageShard(
            limits=self._limits,
            pool=self._pool,
            positions=self._positions,
            clock=self._context.clock,
            meter=self._context.meter,
            pressed=self._pressed,
            wake=wake,
        )

    def write_schema(self, change: SchemaChange) -> None:
        self._writer.write_schema(change)

    def checkpoint(self, partition: str, commit_ts: int) -> None:
        self._checkpoints[partition] = commit_ts
        self._show()

    def _show(self) -> None:
        # Partitions of one root share a clock: everything at or below the lowest is stored (I1).
        lowest = min(self._checkpoints.values(), default=-1)
        if lowest >= 0:
            self._shown.advance(lowest)
        if self._cleanup is not None:
            self._cleanup.advance()

    def finish(self) -> None:
        if self._cleanup is not None:
            self._cleanup.stop()
        self._shown.stop(write=True)

    def cancel(self) -> None:
        self._cancel.set()
        self._bodies.cancel()
        if self._cleanup is not None:
            self._cleanup.stop()

    def close(self) -> None:
        self._pool.close()
        if self._cleanup is not None:
            # Nobody else needs the store any more: what it waits for, a cleanup does not wait for.
            self._cancel.set()
            self._cleanup.stop()
            self._cleanup.join()
        self._shown.stop(write=False)
        self._store.close()

    def _pressed(self) -> bool:
        return any(pressure.over() for pressure in self._pressures)


def _highest(positions: Mapping[tuple[str, str], StoredPosition]) -> dict[str, int]:
    """By partition, the last commit-ts that is stored."""
    found: dict[str, int] = {}
    for (partition, _), position in positions.items():
        found[partition] = max(found.get(partition, -1), position.row.commit_ts)
    return found


class CheckpointWriter:
    """Keeps the store's `metadata` file up: one thread, which it owns, because the state's thread must not do I/O."""

    def __init__(self, name: str, metadata: MetadataFile, clock: Clock, fail: Callable[[BaseException], None]) -> None:
        self._metadata = metadata
        self._clock = clock
        self._fail = fail
        self._changed = threading.Condition()
        self._stopped = False
        self._news = False
        self._thread = threading.Thread(target=self._run, name=f"{name}/checkpoint")

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def advance(self, commit_ts: int) -> None:
        """The checkpoint row of `commit_ts` is durable. Quick; any thread."""
        self._metadata.advance(commit_ts)
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def stop(self, *, write: bool) -> None:
        """Ends the thread; with `write` the newest checkpoint is written first. Idempotent."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()
        if write:
            self._metadata.finish()

    def _run(self) -> None:
        try:
            while True:
                left = self._metadata.write_due()
                with self._changed:
                    if self._stopped:
                        return
                    if left is not None or not self._news:
                        self._clock.wait(self._changed, left)
                    self._news = False
        except Cancelled:
            return
        except Exception as error:
            self._fail(error)
