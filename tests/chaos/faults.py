"""The faults of one life, drawn: in the process, in the network, and from outside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from tests.support.faulty_process import Orders
from tests.support.faulty_proxy import Fault as NetworkFault
from tests.support.faulty_proxy import Request
from tests.support.points import POINTS, Deed, Fault

HOW_OFTEN = {
    "disk.writev": 150,
    "disk.fsync": 150,
    "disk.fdatasync": 60,
    "disk.pwritev": 60,
    "store.head": 20,
    "source.acknowledge": 6,
}
"""Calls of a point among which a fault is put; 40 for the others."""

CORE = ("store.put", "store.replace", "state.begin", "state.finish", "state.commit", "source.acknowledge")
"""The steps whose order the proofs are about: half of the faults at a point are put there."""

NETWORK = (
    NetworkFault.LOSE_ANSWER,
    NetworkFault.REFUSE,
    NetworkFault.CONFLICT,
    NetworkFault.LATE,
    NetworkFault.CUT_BODY,
    NetworkFault.HANG,
)

PASSING: dict[Deed, tuple[str, ...]] = {
    "enospc": ("disk.writev", "disk.link", "disk.rename"),
    "eio": ("disk.fsync", "disk.fdatasync"),
    "slow": tuple(POINTS),
}
"""Faults that a run may survive, and where."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a life ends from outside: `signal` (KILL or TERM) `seconds` after it has begun its work, or if `early` after
    its process was started. No signal: it is left alone.
    """

    signal: str = ""
    seconds: float = 0.0
    early: bool = False


@dataclass(frozen=True, slots=True)
class LifePlan:
    """All that is drawn for one life. `network`: one request in `rarity` is spoilt; 0: none.

    `late`: what the network held back is delivered when it has run that long (0: before). `follow`: the log grows while
    the process runs, and it does not end by itself. `damage`: what becomes of the files of the spool meanwhile
    (`segment` or `catalog`; "": nothing). `lose_state`: checkpoint.db is lost before it starts, and rebuilt from the
    store. `peaceful`: it is left alone.
    """

    orders: Orders
    ending: Ending
    rarity: int = 0
    network: int = 0
    late: float = 0.0
    follow: bool = False
    damage: str = ""
    lose_state: bool = False
    peaceful: bool = False


def peace() -> LifePlan:
    """The last life: nothing happens to it, and it has time."""
    return LifePlan(Orders(), Ending(), peaceful=True)


def draw(random: Random, *, may_lose_state: bool) -> LifePlan:
    """A life under faults."""
    faults: list[Fault] = []
    kind = random.choices(("point", "passing", "none"), (5, 3, 3))[0]
    if kind == "point":
        point = random.choice(CORE if random.random() < 0.5 else list(POINTS))
        deed: Deed = random.choices(("kill", "raise", "hang"), (6, 2, 1))[0]  # type: ignore[assignment]
        number = _number(random, point)
        faults.append(Fault(point, number, random.choice(("before", "after")), deed))
    elif kind == "passing":
        for _ in range(random.randint(1, 3)):
            deed = random.choice(list(PASSING))
            point = random.choice(PASSING[deed])
            number = _number(random, point)
            fault = Fault(point, number, "before", deed, times=random.randint(1, 4))
            faults.append(replace(fault, seconds=random.uniform(0.01, 0.2)) if deed == "slow" else fault)
    steps: list[tuple[int, float]] = []
    if random.random() < 0.2:
        steps = [(random.randint(1, 200), random.choice((-1, 1)) * random.choice((5.0, 90_000.0)))]
    follow = random.random() < 0.3
    ends = random.choices(("KILL", "TERM", ""), (5, 2, 0 if follow else 2))[0]
    return LifePlan(
        orders=Orders(faults, steps=steps, brief=True, small=random.random() < 0.7),
        ending=Ending(ends, round(random.uniform(0.0, 1.6), 2), early=ends == "KILL" and random.random() < 0.15),
        rarity=random.choice((0, 4, 12, 40)),
        network=random.randrange(1 << 30),
        late=random.choice((0.0, 0.01, 1.5)),
        follow=follow,
        damage=random.choice(("segment", "catalog")) if random.random() < 0.08 else "",
        lose_state=may_lose_state and random.random() < 0.1,
    )


def _number(random: Random, point: str) -> int:
    """Early calls are the likelier ones: a run that does little has no others."""
    most = HOW_OFTEN.get(point, 40)
    return min(most, 1 + int(random.expovariate(4 / most)))


class Network:
    """Chooses the requests that are spoilt, and keeps them. Called from the proxy's threads."""

    def __init__(self, seed: int, rarity: int) -> None:
        self._random = Random(seed)
        self._rarity = rarity
        self._cut_off: set[str] = set()
        self.spoilt: list[str] = []

    def __call__(self, request: Request) -> NetworkFault:
        if request.method == "PUT" and request.path in self._cut_off:
            return NetworkFault.REFUSE  # the try that is held may be the one that counts
        if not self._rarity or self._random.random() * self._rarity >= 1:
            return NetworkFault.NONE
        fault = self._random.choice(NETWORK)
        if request.method == "GET" and fault in (NetworkFault.CONFLICT, NetworkFault.LATE):
            fault = NetworkFault.CUT_BODY
        if request.method not in ("PUT", "POST") and fault is NetworkFault.CONFLICT:
            fault = NetworkFault.REFUSE
        if fault is NetworkFault.LATE and self._random.random() < 0.5:
            self._cut_off.add(request.path)
        self.spoilt.append(fault.name.lower())
        return fault
