"""`python -m benchmarks`: measures, and prints each figure with its ratio to a floor of the same run."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measure import MB, Measurement, run_apart


@dataclass(frozen=True, slots=True)
class Case:
    """One benchmark. `alone` runs our part once, for the peak of its memory."""

    measure: Callable[[Path], list[Measurement]]
    alone: Callable[[Path], None] | None = None


def cases() -> dict[str, Case]:
    """All benchmarks by name."""
    from benchmarks import (
        apply,
        peers,
        postgres_drain,
        postgres_lag,
        postgres_snapshot,
        sink,
        slow_store,
        tables,
        verify,
    )

    return {
        "csv": Case(sink.csv, sink.csv_alone),
        "canal": Case(sink.canal, sink.canal_alone),
        "interval": Case(sink.interval),
        "each-once": Case(tables.each_once, tables.each_once_alone),
        "wide": Case(tables.wide, tables.wide_alone),
        "slow": Case(slow_store.measure, slow_store.alone),
        "apply": Case(apply.measure, apply.alone),
        "verify": Case(verify.measure, verify.alone),
        "postgres-snapshot": Case(postgres_snapshot.measure, postgres_snapshot.alone),
        "postgres-drain": Case(postgres_drain.measure, postgres_drain.alone),
        "postgres-lag": Case(postgres_lag.measure),
        "peers": Case(peers.measure),
    }


def main() -> None:
    """Reads the arguments; each case runs in processes of its own, one after another."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("case", nargs="*", help=f"which (default: all): {', '.join(cases())}")
    parser.add_argument("--work", type=Path, help="folder for input and output; default: a temporary one")
    parser.add_argument("--json", action="store_true", help="print the measurements as JSON")
    parser.add_argument("--inside", choices=["all", "alone"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    unknown = [name for name in chosen.case if not any(_means(name, case) for case in cases())]
    if unknown:
        parser.error(f"unknown benchmark {', '.join(unknown)}; there are {', '.join(cases())}")
    if chosen.inside:
        _inside(chosen.case[0], chosen.inside, chosen.work)
        return
    if chosen.work is not None:
        _all(chosen.case, chosen.work, as_json=chosen.json)
        return
    with tempfile.TemporaryDirectory(prefix="afterbay-bench-") as folder:
        _all(chosen.case, Path(folder), as_json=chosen.json)


def _means(asked: str, name: str) -> bool:
    """Whether a name on the command line is the case's, or that of its group."""
    return asked == name or name.startswith(f"{asked}-")


def _inside(name: str, what: str, work: Path) -> None:
    case = cases()[name]
    found = case.measure(work) if what == "all" else []
    if what == "alone" and case.alone is not None:
        case.alone(work)
    json.dump([item.to_dict() for item in found], sys.stdout)


def _all(names: list[str], work: Path, *, as_json: bool) -> None:
    found: list[Measurement] = []
    for name, case in cases().items():
        if names and not any(_means(asked, name) for asked in names):
            continue
        print(f"{name} ...", file=sys.stderr, flush=True)
        measured, _ = run_apart([name, "--inside", "all", "--work", str(work)])
        if case.alone is not None:
            _, memory = run_apart([name, "--inside", "alone", "--work", str(work)])
            peak = {"peak MB": round(memory.own / MB), "with mapped input MB": round(memory.resident / MB)}
            measured[0] = replace(measured[0], figures={**measured[0].figures, **peak})
        found += measured
        if not as_json:
            for item in measured:
                print(_text(item), flush=True)
    if as_json:
        json.dump([item.to_dict() for item in found], sys.stdout, indent=2)
        print()


def _text(item: Measurement) -> str:
    lines = [f"{item.name}: {_rate(item.rate)} ({min(item.seconds):.2f} s), wanted: {item.target}"]
    if item.ratio is not None:
        base = _rate(item.rows / min(item.floor_seconds))
        lines.append(f"  ratio {item.ratio:.2f} to a floor of {base} ({item.floor_name})")
    lines += [f"  {name}: {value}" for name, value in item.figures.items()]
    return "\n".join(lines)


def _rate(rows: float) -> str:
    return f"{rows / 1e3:,.0f} k rows/s" if rows >= 10_000 else f"{rows:,.0f} rows/s"


if __name__ == "__main__":
    main()
