"""Quarantined rows that nobody waits for any more: given up by a person, or past their port's retention.

They count as discarded, and nothing that a consumer sees changes. Next: `retention.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lakehouse.address import Address
from lakehouse.batches import find
from lakehouse.declare.product import Product
from lakehouse.mesh import Mesh
from lakehouse.publish import Circumstances, publish, staging, verdict_of_then
from lakehouse.quarantine import QuarantinedRow, still
from lakehouse.stage import Stage
from lakehouse.store import Batch


def give_up(mesh: Mesh, product: Product, port: Address, rows: Sequence[QuarantinedRow], run_id: str) -> int:
    """Take these rows of a port out of its quarantine, in a publication of its own. The caller holds the product's lease."""
    if not rows:
        return 0
    with mesh.connection() as connection, staging(Stage(mesh, product, run_id, connection, batch="discard")) as stage:
        left, current = still(mesh, port, rows), stage.current
        if left and current:
            stage.give_up(port, [r.id for r in left])
            facts = Circumstances.like(current, "discard", mesh.now(), _discarded(mesh, product, port, left))
            publish(stage, verdict_of_then(mesh, current), facts)
    return len(left)


def _discarded(mesh: Mesh, product: Product, port: Address, rows: Sequence[QuarantinedRow]) -> list[Batch]:
    """The batches of the rows; their counts are the main port's."""
    counts = Counter(r.batch for r in rows)
    batches = [find(mesh.store, product, id) for id in counts]
    if port != product.main.address:
        return batches
    return [replace(b, quarantined=b.quarantined - counts[b.id], discarded=b.discarded + counts[b.id]) for b in batches]
