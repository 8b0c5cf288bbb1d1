"""A pipeline as assets and asset checks. One step carries all tables: they share their source and its order."""

# Annotations are values here: Dagster reads them.

import base64
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from afterbay.errors import AfterbayError, Diagnostic
from afterbay.integrations.dagster.resource import AfterbayResource
from afterbay.integrations.figures import of_run, of_table, schema_and_table

if TYPE_CHECKING:
    from afterbay.pipeline import Pipeline
    from afterbay.runtime.report import RunReport
    from afterbay.verification import Verification

log = logging.getLogger("afterbay.dagster")

CHECK = "verify"
MOST_FAULTS = 20


def asset_key_of(table: str, key_prefix: Sequence[str] = ()) -> Any:
    """The asset key of `schema.table`: prefix, schema, table; what Dagster's names cannot have is written in hex."""
    return dg.AssetKey([*key_prefix, *map(_part, schema_and_table(table))])


def afterbay_assets(
    build: "Callable[[], Pipeline]",
    *,
    tables: Sequence[str] | None = None,
    key_prefix: Sequence[str] = (),
    group_name: str | None = None,
    owners: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    resource: AfterbayResource | None = None,
) -> Any:
    """The assets of the pipeline that `build` gives: itself, and one for each output table, which depend on it.

    `build` is called when the definitions are loaded, and again in the step that materialises them. `tables`
    (`schema.table`) are the output tables; None: those that the stores hold now, found by a listing. A table that is
    stored and not among them is reported as a materialization, without a definition. `resource` says how to run.
    """
    pipeline = build()
    graph = _graph(pipeline)
    own = _own_key(pipeline, key_prefix)
    known = dict.fromkeys(_found(pipeline) if tables is None else tables)
    shared = {"group_name": group_name, "owners": list(owners) or None, "tags": tags, "kinds": {"afterbay"}}
    keys = {table: asset_key_of(table, key_prefix) for table in known}
    how = resource or AfterbayResource()

    @dg.multi_asset(
        name=_step_name(own),
        specs=[
            dg.AssetSpec(own, description=f"The pipeline {pipeline.name}.", metadata=graph, **shared),
            *(
                dg.AssetSpec(
                    key,
                    deps=[own],
                    description=f"`{table}`, as the pipeline {pipeline.name} stores it.",
                    metadata={"afterbay/table": table, **graph},
                    **shared,
                )
                for table, key in keys.items()
            ),
        ],
    )
    def carried(context: dg.AssetExecutionContext) -> Any:
        pipeline = build()
        yield from _materialized(context, pipeline, how.run(context, pipeline), keys, key_prefix)

    return carried


def afterbay_checks(
    build: "Callable[[], Pipeline]", *, tables: Sequence[str] | None = None, key_prefix: Sequence[str] = ()
) -> Any:
    """A check `verify` for the pipeline's asset and for each table's: every rule, held against what is stored.

    A fault of one table fails its check; one that belongs to no table fails the pipeline's. Reads all that is stored,
    once, whatever checks are chosen.
    """
    pipeline = build()
    own = _own_key(pipeline, key_prefix)
    known = dict.fromkeys(_found(pipeline) if tables is None else tables)
    keys = {table: asset_key_of(table, key_prefix) for table in known}
    about = "Every rule of the storage protocol, held against what is stored."

    @dg.multi_asset_check(
        name=f"{_step_name(own)}_{CHECK}",
        specs=[dg.AssetCheckSpec(CHECK, asset=key, description=about) for key in (own, *keys.values())],
        can_subset=True,
    )
    def verified(context: dg.AssetCheckExecutionContext) -> Any:
        wanted = {key.asset_key for key in context.selected_asset_check_keys}
        found = build().verify()
        for verification in found.values():
            context.log.info("%s: %d faults", verification.store, len(verification.faults))
        for table, key in keys.items():
            if key in wanted:
                faults = [fault for it in found.values() for fault in it.faults_of(table)]
                stored = sum(it.tables[table].rows for it in found.values() if table in it.tables)
                yield _checked(key, faults, {"rows": stored})
        if own in wanted:
            others = [fault for it in found.values() for fault in it.faults if _table_of(fault) not in keys]
            yield _checked(own, others, {"unchecked": _listed(found)})

    return verified


def _materialized(
    context: Any, pipeline: "Pipeline", report: "RunReport", keys: Mapping[str, Any], key_prefix: Sequence[str]
) -> Iterator[Any]:
    graph = _graph(pipeline)
    picture = base64.b64encode(pipeline.svg().encode()).decode("ascii")
    image = dg.MetadataValue.md(f"![{pipeline.name}](data:image/svg+xml;base64,{picture})")
    yield dg.MaterializeResult(
        asset_key=_own_key(pipeline, key_prefix), metadata={**of_run(report), **graph, "graph_svg": image}
    )
    for table, key in keys.items():
        yield dg.MaterializeResult(asset_key=key, metadata={**of_table(report, table), **graph})
    for table in report.tables:
        if table not in keys:
            context.log.info("%s is stored, and is not among the tables of this definition", table)
            context.log_event(
                dg.AssetMaterialization(
                    asset_key=asset_key_of(table, key_prefix), metadata={**of_table(report, table), **graph}
                )
            )


def _checked(key: Any, faults: Sequence[Diagnostic], more: Mapping[str, Any]) -> Any:
    told = "\n".join(f"- `{fault.code}` {fault.message}" for fault in faults[:MOST_FAULTS])
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK,
        passed=not faults,
        metadata={"faults": len(faults), **({"found": dg.MetadataValue.md(told)} if faults else {}), **more},
    )


def _listed(found: "Mapping[str, Verification]") -> Any:
    told = dict.fromkeys(text for verification in found.values() for text in verification.unchecked)
    return dg.MetadataValue.md("\n".join(f"- {text}" for text in told) or "nothing")


def _table_of(fault: Diagnostic) -> str | None:
    return None if fault.place is None else fault.place.table


def _graph(pipeline: "Pipeline") -> dict[str, Any]:
    return {"graph": dg.MetadataValue.md(f"```mermaid\n{pipeline.mermaid()}\n```")}


def _own_key(pipeline: "Pipeline", key_prefix: Sequence[str]) -> Any:
    return dg.AssetKey([*key_prefix, _part(pipeline.name)])


def _found(pipeline: "Pipeline") -> tuple[str, ...]:
    """What the stores hold; nothing, with a warning, where they cannot be read: definitions load all the same."""
    try:
        return pipeline.stored_tables()
    except AfterbayError as error:
        log.warning("the tables of %s are not known: %s", pipeline.name, error.diagnostics[0].message)
        return ()


def _part(name: str) -> str:
    """A part of a key; Dagster makes Python names of them, in which only letters, digits and _ are left."""
    return re.sub(r"[^A-Za-z0-9_]", lambda found: f"_x{ord(found[0]):x}_", name)


def _step_name(key: Any) -> str:
    return f"afterbay__{key.to_python_identifier()}"
