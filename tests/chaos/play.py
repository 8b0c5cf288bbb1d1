"""Plays one scenario: its lives in turn, a look at everything after each, and the last one undisturbed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from tests.chaos import faults
from tests.chaos.checker import Checker, Marks, Violation, acknowledged, checkpoints, describe, spool_left
from tests.chaos.faults import LifePlan, Network
from tests.chaos.life import Death, Life
from tests.chaos.scenario import Flow, Scenario
from tests.chaos.stores import FileRoot, Root, S3Root, Servers, network
from tests.chaos.tally import Tally
from tests.chaos.upstream import Upstream
from tests.chaos.wanted import Wanted
from tests.reader.bucket import read_bucket
from tests.support.cli import afterbay
from tests.support.faulty_process import environment
from tests.support.faulty_proxy import Fault as NetworkFault
from tests.support.faulty_proxy import Proxy

MOST_MEMORY = 700 << 20
GROWTHS = 3  # files that a log gets while a life follows it
NEVER = ("ledger.", "recovery.", "replay.", "barrier.", "version.", "schema_file.", "index.", "metadata.")
NEVER_CODES = (
    "state.number",
    "state.repeated",
    "state.order",
    "state.withdraw",
    "state.checkpoint",
    "state.schema",
    "state.intent",
    "state.locked",
    "state.corrupt",
    "store.exists",
    "store.changed",
    "store.ahead",
    "cloud_storage.state_older",
    "cloud_storage.root_lost",
    "cloud_storage.root_not_empty",
    "cloud_storage.file_damaged",
    "change_log.cursor",
    "change_log.begins",
    "spool.misuse",
)
"""Refusals that no fault of this run may lead to: one that does is a violation."""

Say = Callable[[str], None]


@dataclass
class _Branch:
    """A sink's root and what must be in it."""

    flow: Flow
    number: int
    root: Root
    wanted: Wanted


class Play:
    """One scenario in a folder of its own. Owns its network while `run` runs."""

    def __init__(
        self, random: Random, scenario: Scenario, folder: Path, servers: Servers, tally: Tally, say: Say
    ) -> None:
        self._random = random
        self._scenario = scenario
        self._folder = folder
        self._servers = servers
        self._tally = tally
        self._say = say
        self._proxy: Proxy | None = None
        self._upstreams: dict[str, Upstream] = {}
        self._branches: list[_Branch] = []
        self._growths = 0

    def run(self, lives: int) -> bool:
        """That many lives under faults and one without. -> whether every invariant held."""
        self._folder.mkdir(parents=True)
        (self._folder / "told").mkdir()
        with ExitStack() as stack:
            roots = self._roots(stack)
            self._sources(roots)
            paths = {name: upstream.path for name, upstream in self._upstreams.items()}
            pipeline = self._scenario.write(self._folder, paths, {name: root.uri for name, root in roots.items()})
            for number in range(1, lives + 2):
                if number > 1:
                    self._tally.restarts += 1
                if not self._life(pipeline, number, last=number == lives + 1):
                    return False
            for root in roots.values():
                if isinstance(root, S3Root):
                    root.remove()
        return True

    def _roots(self, stack: ExitStack) -> dict[str, Root]:
        roots: dict[str, Root] = {}
        client = None
        for branch in self._scenario.branches:
            if branch.kind == "file":
                roots[branch.name] = FileRoot(self._folder / branch.name)
                continue
            if self._proxy is None:
                self._proxy, client = stack.enter_context(network(self._servers.s3()))
            prefix = f"{self._folder.name}-{branch.name}"
            roots[branch.name] = S3Root(client, self._proxy, prefix, self._folder / f"{branch.name}-copy")
        return roots

    def _sources(self, roots: dict[str, Root]) -> None:
        for flow in self._scenario.flows:
            if flow.kind == "change_log":
                upstream = Upstream(self._random, self._folder / f"log-{flow.name}", **flow.log)
                upstream.grow(20, 0)
                self._upstreams[flow.name] = upstream
                wanted = [upstream.wanted] * len(flow.branches)
            else:
                wanted = self._twins(flow)
            for number, branch in enumerate(flow.branches):
                self._branches.append(_Branch(flow, number, roots[branch.name], wanted[number]))

    def _twins(self, flow: Flow) -> list[Wanted]:
        """What an undisturbed pipeline of the same source stores."""
        folder = self._folder / f"twin-{flow.name}"
        folder.mkdir()
        uris = {branch.name: str(folder / branch.name) for branch in flow.branches}
        calm = replace(flow, keys={name: value for name, value in flow.keys.items() if name != "rate"})
        file = Scenario((calm,)).write(folder, {}, uris)
        done = afterbay("run", file, "--quiet", cwd=folder, **environment())
        if done.exit_code != 0:
            raise RuntimeError(f"the undisturbed twin failed:\n{done.err}")
        wanted = []
        for branch in flow.branches:
            bucket = read_bucket(folder / branch.name, branch.shape, branch.form)
            if bucket.findings:
                raise RuntimeError(f"the undisturbed twin has findings: {bucket.findings[0]}")
            wanted.append(Wanted.stored(bucket))
        shutil.rmtree(folder)
        return wanted

    def _life(self, pipeline: Path, number: int, *, last: bool) -> bool:
        plan = faults.peace() if last else faults.draw(self._random, may_lose_state=self._may_lose_state())
        if plan.follow and not self._upstreams:
            plan = replace(plan, follow=False)
        prune = {flow.name: str(self._upstreams[flow.name].folder) for flow in self._scenario.flows if flow.prunes}
        orders = replace(
            plan.orders,
            fired=str(self._folder / "fired.txt"),
            begun=str(self._folder / "begun.txt"),
            acknowledged=str(self._folder / "told"),
            prune=prune,
        )
        plan = replace(plan, orders=orders)
        found: list[Violation] = []
        if plan.lose_state:
            found += self._rebuild(pipeline)
        for upstream in self._upstreams.values():
            upstream.grow(self._random.randint(10, 80), self._random.randint(0, 6))
        spoiler = Network(plan.network, plan.rarity)
        if self._proxy is not None:
            if not plan.late:
                self._proxy.deliver()
            self._proxy.choose = spoiler
        self._growths = 0 if plan.follow else GROWTHS
        death = Life(self._folder, pipeline, plan, lambda seconds: self._meanwhile(plan, seconds)).live()
        if self._proxy is not None:
            self._proxy.choose = lambda request: NetworkFault.NONE
            if last:
                self._proxy.deliver()
        while self._growths < GROWTHS:
            self._grow_on()
        self._count(plan, death, spoiler)
        found += self._faulted(plan, death, spoiler, last=last)
        looked, stored = self._look(last=last and death.exit_code == 0)
        found += looked
        self._say(self._line(number, plan, death, spoiler, stored, last=last))
        self._tally.violated(f"{self._folder.name}, life {number}", found)
        for violation in found[:10]:
            self._say(f"    VIOLATION {violation}")
        if found and death.said.strip():
            self._say("    it said: " + death.said.strip()[-1500:].replace("\n", "\n    "))
        return not found

    def _may_lose_state(self) -> bool:
        """The store alone tells where a pipeline was, if it has one sink whose files tell it all."""
        (flow, *others) = self._scenario.flows
        shared = flow.branches[0].shape.shared_partitions
        return not others and len(flow.branches) == 1 and not flow.prunes and not shared

    def _rebuild(self, pipeline: Path) -> list[Violation]:
        state = self._folder / "state"
        if not (state / "checkpoint.db").exists():
            return []
        for part in state.glob("checkpoint.db*"):
            part.unlink()
        for told in (self._folder / "told").iterdir():
            told.unlink()
        if self._proxy is not None:
            # As the operator is told: not before what the dead process sent can no longer arrive.
            self._proxy.deliver()
            self._proxy.choose = lambda request: NetworkFault.NONE
        done = afterbay(
            "state", "rebuild", pipeline, "--from-store", "--yes", "--json", cwd=self._folder, **environment()
        )
        self._tally.faults["state lost"] += 1
        return [] if done.exit_code == 0 else [Violation("I10", f"state rebuild: {done.out[-800:]}{done.err[-800:]}")]

    def _meanwhile(self, plan: LifePlan, seconds: float) -> None:
        if self._growths < GROWTHS and seconds > 0.2 + 0.4 * self._growths:
            self._grow_on()
        if self._proxy is not None and plan.late and seconds > plan.late and self._proxy.held:
            self._proxy.deliver()

    def _grow_on(self) -> None:
        self._growths += 1
        for upstream in self._upstreams.values():
            upstream.grow(10, 1)

    def _count(self, plan: LifePlan, death: Death, spoiler: Network) -> None:
        tally = self._tally
        tally.lives += 1
        tally.kills += death.killed
        tally.memory = max(tally.memory, death.memory)
        for met in death.met:
            deed, _, point = met.split(" ")
            tally.faults[f"{deed} {point}"] += 1
        for kind in spoiler.spoilt:
            tally.faults[f"network {kind}"] += 1
        if death.killed and not any(met.startswith("kill") for met in death.met):
            tally.faults["signal KILL"] += 1
        if plan.ending.signal == "TERM":
            tally.faults["signal TERM"] += 1
        if death.damaged:
            tally.faults[f"damage {plan.damage}"] += 1
        tally.faults["clock step"] += len(plan.orders.steps)
        tally.codes[death.code or f"exit {death.exit_code}"] += 1

    def _faulted(self, plan: LifePlan, death: Death, spoiler: Network, *, last: bool) -> list[Violation]:
        """What the process itself must not do: hang, fail for nothing, grow, or refuse what it must not."""
        found = []
        if death.stuck:
            found.append(Violation("I9", f"it did not end in {death.seconds:.0f} s ({', '.join(death.met)})"))
        excused = bool(death.met or spoiler.spoilt or death.damaged)
        signalled = (-9, -15, 143, 1) if death.signalled else (-9,)  # 1: it was not drained in time
        if death.exit_code not in (0, *signalled) and not excused:
            found.append(Violation("I9", f"it ended with {death.exit_code} {death.code}, and nothing had happened"))
        if death.code.startswith(NEVER) or death.code in NEVER_CODES:
            found.append(Violation("I10", f"it refused with {death.code}: {death.said[-600:]}"))
        if last and death.exit_code != 0:
            found.append(Violation("I9", f"the undisturbed last life ended with {death.exit_code} {death.code}"))
        if death.memory > MOST_MEMORY:
            found.append(Violation("I8", f"{death.memory >> 20} MiB of memory"))
        for branch in self._scenario.branches:
            size = death.spools.get(f"spool_{branch.name}", 0)
            if size > branch.quota:
                found.append(Violation("I8", f"{size} bytes in the spool of {branch.name}, over {branch.quota}"))
        if last and death.exit_code == 0 and (left := spool_left(self._folder / "state")):
            found.append(Violation("I7", f"segments are left over: {left}"))
        return found

    def _look(self, *, last: bool) -> tuple[list[Violation], int]:
        """Everything that is to see now. -> violations, rows stored."""
        reached, told = checkpoints(self._folder / "state"), acknowledged(self._folder / "told")
        found: list[Violation] = []
        stored = 0
        for one in self._branches:
            name = one.flow.name
            marks = Marks(reached.get(name, -1), told.get(name, -1))
            branch = one.flow.branches[one.number]
            root = one.root.fetch()
            root.mkdir(exist_ok=True)
            checker = Checker(root, branch.shape, branch.form, one.wanted)
            self._tally.checks += 1
            look = checker.after_the_end if last else checker.after_a_death
            broken = [Violation(item.invariant, f"{branch.name}: {item.text}") for item in look(marks)]
            if broken:
                (self._folder / f"{branch.name}-seen.json").write_text(describe(checker.bucket))
            found += broken
            rows = sum(len(version.rows) for versions in checker.bucket.tables.values() for version in versions)
            stored += rows
            if last:
                self._tally.rows += rows
                self._tally.files += sum(1 for _ in root.rglob("CDC*[0-9].*"))
        return found, stored

    def _line(self, number: int, plan: LifePlan, death: Death, spoiler: Network, stored: int, *, last: bool) -> str:
        how = "killed" if death.killed else f"exit {death.exit_code}{f' {death.code}' if death.code else ''}"
        met = ", ".join(dict.fromkeys(death.met)) or ("undisturbed" if last else "nothing met")
        more = f", {len(spoiler.spoilt)} requests spoilt" if spoiler.spoilt else ""
        more += f", {plan.damage} damaged" if death.damaged else ""
        more += ", state rebuilt" if plan.lose_state else ""
        wanted = sum(one.wanted.count for one in self._branches)
        return f"  life {number}: {met}{more}; {how} after {death.seconds:.1f} s; {stored} of {wanted} rows stored"
