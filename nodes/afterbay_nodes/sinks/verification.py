"""What `cloud_storage` says when its pipeline asks whether the store is sound: `afterbay verify` with what it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from afterbay.table_totals import TableTotals
from afterbay.verification import Verification, VerifyContext
from afterbay_nodes.bucket.bucket import OPTIONS, Bucket, Tally
from afterbay_nodes.decoders.decode import Decoders
from afterbay_nodes.sinks.recollection import form_of
from afterbay_nodes.storage.open import open_store
from afterbay_nodes.transforms.spool import Spool
from afterbay_nodes.verify.against_state import AgainstState
from afterbay_nodes.verify.verifier import verify as verified

if TYPE_CHECKING:
    from afterbay.clock import Clock
    from afterbay_nodes.sinks.cloud_storage import CloudStorage


def verify(node: CloudStorage, context: VerifyContext, clock: Clock) -> Verification:
    """See `afterbay.verification.Verifies`."""
    comparisons = [] if context.state is None else [AgainstState(context.state, context.node)]
    with _bucket(node, clock) as bucket:
        report = verified(
            bucket,
            Decoders(form_of(context.upstream)),
            comparisons=comparisons,
            transaction_limit=node.transaction_limit or _limit(node, context),
        )
    return Verification(
        report.display,
        report.checkpoint,
        {
            str(name): TableTotals(counts.changes, counts.files - counts.fences, counts.bytes)
            for name, counts in report.tables.items()
        },
        tuple(fault.diagnostic() for fault in report.faults),
        tuple(f"{it.what}: {it.why}" for it in report.unchecked),
    )


def stored_tables(node: CloudStorage, clock: Clock) -> tuple[str, ...]:
    """See `afterbay.verification.Verifies`."""
    with _bucket(node, clock) as bucket:
        return tuple(sorted(str(name) for name in bucket.snapshot().tables))


def _limit(node: CloudStorage, context: VerifyContext) -> int:
    """What the sink takes where its option is left out (`storage_sink`)."""
    quotas = [spool.disk_quota for spool in context.upstream if isinstance(spool, Spool)]
    return max(1, min([4 * node.file_size, *(quota // 8 for quota in quotas)]))


def _bucket(node: CloudStorage, clock: Clock) -> Bucket:
    return Bucket(open_store(node.store_uri, OPTIONS, clock=clock, meter=Tally(), cancel=None))
