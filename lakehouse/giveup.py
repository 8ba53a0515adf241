"""Rows and batches that nobody waits for any more: given up by a person, or past their port's retention.

They count as discarded, and nothing that a consumer sees changes. Next: `retention.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lakehouse.address import Address
from lakehouse.batches import find, standing
from lakehouse.collect import recover
from lakehouse.declare.product import Product
from lakehouse.errors import WrongUse
from lakehouse.mesh import Mesh
from lakehouse.pins import recording, writing
from lakehouse.publish import Circumstances, drop_staged, publish, staging, verdict_of_then
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
            tried = [find(mesh.store, product, b.id) for b in facts.batches]
            publish(stage, verdict_of_then(mesh, current), facts)
            drop_staged(mesh, *tried)
    return len(left)


def _discarded(mesh: Mesh, product: Product, port: Address, rows: Sequence[QuarantinedRow]) -> list[Batch]:
    """The batches of the rows; their counts are the main port's."""
    counts = Counter(r.batch for r in rows)
    batches = [standing(mesh.store, find(mesh.store, product, id)) for id in counts]
    if port != product.main.address:
        return batches
    return [replace(b, quarantined=b.quarantined - counts[b.id], discarded=b.discarded + counts[b.id]) for b in batches]


def give_up_batch(mesh: Mesh, product: Product, id: str, *, reason: str, run_id: str) -> Batch:
    """Discard the rejected or pending batch whose id begins with `id`; WrongUse for any other.

    One that was published before and rejected when it was tried again is published still: only that try is given up.
    """
    with writing(mesh, product.address, run_id, recover):
        batch = find(mesh.store, product, id)
        if batch.state not in ("rejected", "pending"):
            raise WrongUse(f"batch {batch.id} is {batch.state}", hint="only a rejected or pending batch can be discarded")
        shown = standing(mesh.store, batch)
        given_up = replace(
            batch, state="discarded", reason=reason, published=0, quarantined=0, discarded=batch.delivered, staged=None, at=mesh.now()
        )
        left = shown if shown.state == "published" else given_up
        with recording(mesh, product.address, run_id) as con:
            mesh.store.put_batch(con, left)
        drop_staged(mesh, batch)
    return left
