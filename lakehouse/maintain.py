"""Upkeep of a product: old rows, history, rejected states, and the files that nothing leads to any more.

Next: `verify.py` proves what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from lakehouse.address import Address
from lakehouse.collect import collect, expire, recover
from lakehouse.declare.product import Product
from lakehouse.mesh import Mesh
from lakehouse.pins import recording, writing
from lakehouse.retention import give_old_up, retain


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What an upkeep did. `given_up` counts quarantined rows."""

    product: Address
    retained: str | None = None
    given_up: int = 0
    expired: tuple[str, ...] = ()
    removed: tuple[Path, ...] = ()
    forgotten: tuple[str, ...] = ()


def maintain(mesh: Mesh, product: Product, run_id: str) -> Upkeep:
    """All upkeep of a product: old rows, history, rejected states, what nothing points at, and what was already told."""
    with writing(mesh, product.address, run_id, recover):
        retained = retain(mesh, product, run_id)
        given_up = give_old_up(mesh, product, run_id)
        forgotten = _forget_rejected(mesh, product.address, run_id)
        expired = expire(mesh, product.address)
        removed = collect(mesh, product.address, run_id)
    mesh.store.forget(mesh.now() - timedelta(days=mesh.settings.history.days))
    return Upkeep(
        product=product.address,
        retained=retained.id if retained else None,
        given_up=given_up,
        expired=expired,
        removed=removed,
        forgotten=forgotten,
    )


def _forget_rejected(mesh: Mesh, product: Address, run_id: str) -> tuple[str, ...]:
    """Stop keeping the staged rows of batches that were rejected longer ago than promised; `collect` removes the files."""
    oldest = mesh.now() - timedelta(days=mesh.settings.history.rejected_days)
    old = [b for b in mesh.store.batches(product) if b.staged and b.at < oldest]
    with recording(mesh, product, run_id) as con:
        for batch in old:
            mesh.store.put_batch(con, replace(batch, staged=None))
    return tuple(b.id for b in old)
