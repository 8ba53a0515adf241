"""Who holds a lease is left alone as long as it lives, on this machine or another."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest

from lakehouse.address import Address
from lakehouse.collect import recover
from lakehouse.mesh import Mesh
from lakehouse.pins import kept, pinned, writing
from lakehouse.store import Lease
from lakehouse.testing import MeshFolder

ORDERS = Address("shop", "orders")
HELD: dict[str, Callable[[Mesh], AbstractContextManager[object]]] = {
    "writer": lambda mesh: writing(mesh, ORDERS, "run", recover),
    "reader": lambda mesh: pinned(mesh, {ORDERS: ORDERS}, "run"),
    "reader of then": lambda mesh: kept(mesh, [], "run"),
}


def leases(mesh: Mesh) -> tuple[Lease, ...]:
    with mesh.store.reading() as con:
        return mesh.store.leases(con)


@pytest.mark.parametrize("who", HELD)
def test_a_lease_is_renewed_while_it_is_held(tmp_path, who: str):
    """Another machine sees only when a lease ends: that moves on while the holder works, however long, and the lease goes with it."""
    folder = MeshFolder(tmp_path)
    folder.product("shop.orders", columns={"id": "integer"})
    with folder.open(publishing={"lease": 0.03}) as mesh:
        with HELD[who](mesh):
            (taken,) = leases(mesh)
            folder.clock.forward(timedelta(hours=1))
            for _ in range(1000):
                (now,) = leases(mesh)
                if now.expires > taken.expires:
                    break
                time.sleep(0.01)
            assert now.expires > mesh.now()
        assert leases(mesh) == ()
