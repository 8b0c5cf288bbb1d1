"""The named points of a run, and what may happen at one of them.

A point is a call that every run makes: `store.put`, `state.commit`, `spool.read`, … At its n-th call, counted over all
threads, before it is made or after it was, a `Fault` raises, hangs, kills the process or makes it slow. Nothing else
of the run is changed. `arm` prepares faults in this process; `faulty_process` runs the command with them.
"""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from tests.support.disturbed import counted_connections

_NODES, _RUN = "afterbay_nodes", "afterbay.runtime"

POINTS: Mapping[str, tuple[str, ...]] = {
    "source.batch": (f"{_RUN}.outlet:SourceOutlet.batch",),
    "source.ddl": (f"{_RUN}.outlet:SourceOutlet.schema_change",),
    "source.promise": (f"{_RUN}.outlet:SourceOutlet.promise",),
    "source.acknowledge": ("afterbay.node:SourceOperator.acknowledge",),
    "node.work": (f"{_RUN}.stage:Work.outcome",),
    "spool.put": ("afterbay.spool.spool:Reservoir.put",),
    "spool.read": ("afterbay.spool.spool:Reservoir.read",),
    "spool.release": ("afterbay.spool.spool:Reservoir.release",),
    "shard.accept": (f"{_NODES}.sinks.shard:StorageShard.accept",),
    "shard.ddl": (f"{_NODES}.sinks.shard:StorageShard.schema_change",),
    "barrier.arrive": (f"{_RUN}.barrier:Barriers.arrive",),
    "barrier.wait": (f"{_RUN}.barrier:Barriers.wait",),
    "sink.flush": (f"{_NODES}.sinks.writer:Writer._store_file",),
    "sink.schema": (f"{_NODES}.sinks.writer:Writer.write_schema",),
    "sink.recover": (f"{_NODES}.sinks.storage_sink:settle_open_intents",),
    "sink.finish": (f"{_NODES}.sinks.storage_sink:StorageSink.finish",),
    "state.begin": ("afterbay.state.store:State.begin",),
    "state.finish": ("afterbay.state.store:State.finish",),
    "state.ddl": ("afterbay.state.store:State.finish_ddl",),
    "state.commit": (),
    "store.put": (
        f"{_NODES}.storage.local:LocalStore.put_if_absent",
        f"{_NODES}.storage.s3:S3Store.put_if_absent",
    ),
    "store.replace": (f"{_NODES}.storage.local:LocalStore.replace", f"{_NODES}.storage.s3:S3Store.replace"),
    "store.head": (f"{_NODES}.storage.local:LocalStore.head", f"{_NODES}.storage.s3:S3Store.head"),
    "disk.link": ("os:link",),
    "disk.rename": ("os:rename",),
    "disk.unlink": ("os:unlink",),
    "disk.fsync": ("os:fsync",),
    "disk.fdatasync": ("os:fdatasync",),
    "disk.writev": ("os:writev",),
    "disk.pwritev": ("os:pwritev",),
}
"""Point -> what is called there. `state.commit` is the COMMIT of the checkpoint database."""

Deed = Literal["kill", "raise", "hang", "slow", "enospc", "eio"]


@dataclass(frozen=True, slots=True)
class Fault:
    """From the `number`-th call of `point` on, for `times` calls: `deed`, `seconds` long if it is slow."""

    point: str
    number: int
    when: Literal["before", "after"]
    deed: Deed
    times: int = 1
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.deed} {self.when} call {self.number} of {self.point}"


class Injected(Exception):
    """What a point raises that is to raise."""


Fired = Callable[[Fault], None]
Put = Callable[[Any, str, Any], None]


def arm(faults: Sequence[Fault], fired: Fired = lambda fault: None, put: Put = setattr) -> threading.Event:
    """Prepares `faults`; `fired` is told of each call that meets one, before it happens. `put` sets an attribute.

    Calls that hang go on when the event that is returned is set; in a process of its own nobody does.
    """
    released = threading.Event()
    for point in dict.fromkeys(fault.point for fault in faults):
        mine = [fault for fault in faults if fault.point == point]
        wrap = _wrapper(mine, fired, released)
        if point == "state.commit":
            put(sqlite3, "connect", counted_connections(wrap))
        for target in POINTS[point]:
            module, _, path = target.partition(":")
            owner: Any = import_module(module)
            *outer, name = path.split(".")
            for part in outer:
                owner = getattr(owner, part)
            put(owner, name, wrap(getattr(owner, name)))
    return released


def _wrapper(
    faults: Sequence[Fault], fired: Fired, released: threading.Event
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    lock = threading.Lock()
    count = 0

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            nonlocal count
            with lock:
                count += 1
                met = [fault for fault in faults if fault.number <= count < fault.number + fault.times]
            for fault in met:
                if fault.when == "before":
                    _do(fault, fired, released)
            result = call(*given, **named)
            for fault in met:
                if fault.when == "after":
                    _do(fault, fired, released)
            return result

        return counted

    return wrap


def _do(fault: Fault, fired: Fired, released: threading.Event) -> None:
    fired(fault)
    match fault.deed:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
            released.wait()  # the signal is on its way
        case "raise":
            raise Injected(str(fault))
        case "hang":
            released.wait()
        case "slow":
            time.sleep(fault.seconds)
        case "enospc":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        case "eio":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
