"""What happens when main moves under a staged state, or nobody knows whether a commit went through."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from lakehouse.address import Address
from lakehouse.batches import find
from lakehouse.collect import collect, recover
from lakehouse.errors import LeaseLost, Unavailable
from lakehouse.faults import Faults
from lakehouse.giveup import give_up_batch
from lakehouse.mesh import Mesh
from lakehouse.pins import writing
from lakehouse.publish import Circumstances, publish
from lakehouse.quarantine import rows as quarantined_rows
from lakehouse.rollback import plan_rollback, rollback
from lakehouse.stage import Stage
from lakehouse.store import Batch
from lakehouse.testing import MeshFolder, Property
from orchestration.replay import replay
from orchestration.story import Outcome, Request, run_product
from tests.reliability.witness import Witness

ORDERS = Address("shop", "orders")
COLUMNS: dict[str, Property] = {"id": "integer", "amount": "number"}


@dataclass(slots=True)
class Meanwhile(Faults):
    """Does something when a point is passed for the first time, instead of dying."""

    act: Callable[[], object] = field(kw_only=True)

    def at(self, point: str) -> None:
        if point == self.point and not self._passed:
            self._passed = 1
            self.act()


@pytest.fixture
def orders(tmp_path) -> MeshFolder:
    folder = MeshFolder(tmp_path)
    folder.product("shop.orders", columns=COLUMNS, key=["id"])
    folder.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 1}])
    with folder.open() as mesh:
        run(mesh)
    folder.deliver("shop.orders", "2.csv", [{"id": 2, "amount": 2}])
    return folder


def run(mesh: Mesh, run_id: str = "00000000-0000-4000-8000-000000000001") -> list[Outcome]:
    return list(run_product(mesh, mesh.product(ORDERS), Request(run_id=run_id)))


def intrude(folder: MeshFolder, id: int) -> None:
    """Publish a row behind the back of the product's writer."""
    with folder.open() as mesh, set_aside(mesh), writing(mesh, ORDERS, "intruder", recover), mesh.connection() as connection:
        stage = Stage(mesh, mesh.product(ORDERS), "intruder", connection, "intruder")
        stage.write(stage.product.main, f"(select {id}::bigint as id, 9.0::double as amount)")
        facts = Circumstances(kind="replay", at=mesh.now(), code_version="", fingerprint="", inputs={}, batches=[])
        publish(stage, stage.audit({}), facts)


@contextmanager
def set_aside(mesh: Mesh) -> Iterator[None]:
    """Take the writer's lease out of the store, and put it back."""
    with mesh.store.writing() as con:
        (lease,) = mesh.store.leases(con)
        mesh.store.end_lease(con, lease.id)
    yield
    with mesh.store.writing() as con:
        mesh.store.put_lease(con, lease)


def take_over(folder: MeshFolder, faults: Faults | None = None) -> None:
    """Run the product on another machine, which has not heard of the writer for long."""
    with folder.open() as mesh:
        mesh.faults = faults or mesh.faults
        with mesh.store.writing() as con:
            (lease,) = mesh.store.leases(con)
            mesh.store.end_lease(con, lease.id)
            mesh.store.put_lease(con, replace(lease, holder=replace(lease.holder, host="elsewhere"), expires=mesh.now()))
        folder.clock.forward(timedelta(seconds=1))
        assert {o.result for o in run(mesh, "another run")} == {"published"}


def ids(folder: MeshFolder) -> list[int]:
    return sorted(r["id"] for r in Witness(folder.root / ".mesh").rows("shop.orders"))


def test_a_state_whose_base_has_moved_is_staged_and_judged_again(orders: MeshFolder):
    """Somebody published in between: both publications are there, nothing is lost, and no file is left of the first try."""
    with orders.open() as mesh:
        mesh.faults = Meanwhile(point="k4", act=lambda: intrude(orders, 7))
        (outcome,) = run(mesh)
    assert outcome.result == "published"
    assert ids(orders) == [1, 2, 7]
    assert [p for p in Witness(orders.root / ".mesh").problems() if "told" not in p] == []


def test_what_came_in_between_counts_in_the_second_verdict(orders: MeshFolder):
    """The intruder brought the same key: the state that passed before is judged again, and blocked."""
    with orders.open() as mesh:
        mesh.faults = Meanwhile(point="k4", act=lambda: intrude(orders, 2))
        (outcome,) = run(mesh)
    assert outcome.result == "blocked"
    assert ids(orders) == [1, 2]
    assert [p for p in Witness(orders.root / ".mesh").problems() if "told" not in p] == []


@pytest.mark.parametrize("point", ["k1", "k2", "k4", "k5", "k7"])
@pytest.mark.parametrize("key", [["id"], []])
def test_who_was_taken_for_dead_changes_nothing(tmp_path, point: str, key: list[str]):
    """A run stands still beyond its lease, another machine takes over and publishes its delivery: the first changes nothing any more.

    Its staged files are gone, so it may also find itself blocked or failed: that does not count either.
    """
    folder = MeshFolder(tmp_path)
    folder.product("shop.orders", columns={**COLUMNS, "note": {"logicalType": "string", "required": True}}, key=key)
    folder.deliver("shop.orders", "1.csv", [{"id": n, "amount": 1, "note": None if n == 2 else "x"} for n in (1, 2)])
    with folder.open() as mesh:
        mesh.faults = Meanwhile(point=point, act=lambda: take_over(folder))
        with pytest.raises(LeaseLost):
            run(mesh)
        assert [b.state for b in mesh.store.batches(ORDERS)] == ["published"]
    assert ids(folder) == [1]
    assert [p for p in Witness(folder.root / ".mesh").problems() if "told" not in p] == []


def test_who_was_taken_for_dead_takes_no_further_delivery(tmp_path):
    """The other run has published the second delivery: it is not taken up again, now or later."""
    folder = MeshFolder(tmp_path)
    folder.product("shop.orders", columns=COLUMNS)
    for number in (1, 2):
        folder.deliver("shop.orders", f"{number}.csv", [{"id": number, "amount": 1}])
    with folder.open() as mesh:
        mesh.faults = Meanwhile(point="k8", act=lambda: take_over(folder))
        with pytest.raises(LeaseLost):
            run(mesh)
        assert {b.state for b in mesh.store.batches(ORDERS)} == {"published"}
        assert run(mesh) == []
    assert ids(folder) == [1, 2]


def _rolled_back(mesh: Mesh) -> object:
    return rollback(mesh, plan_rollback(mesh, mesh.product(ORDERS)), "slow")


def _replayed(mesh: Mesh) -> object:
    return list(replay(mesh, ORDERS, quarantined_rows(mesh, ORDERS), Request(run_id="slow")))


@pytest.mark.parametrize("work", [_rolled_back, _replayed])
@pytest.mark.parametrize("point", ["k4", "k6", "k7"])
def test_the_way_back_of_who_was_taken_for_dead_changes_nothing(orders: MeshFolder, work: Callable[[Mesh], object], point: str):
    """A rollback or a replay that stood still is told that it lost its lease, and not to try what cannot succeed."""
    strict: Property = {"logicalType": "number", "logicalTypeOptions": {"maximum": 10}}
    orders.product("shop.orders", columns={**COLUMNS, "amount": strict}, key=["id"])
    orders.deliver("shop.orders", "3.csv", [{"id": 3, "amount": 300}])
    with orders.open() as mesh:
        run(mesh)
    orders.product("shop.orders", columns=COLUMNS, key=["id"])
    orders.deliver("shop.orders", "4.csv", [{"id": 4, "amount": 4}])
    with orders.open() as mesh:
        mesh.faults = Meanwhile(point=point, act=lambda: take_over(orders))
        with pytest.raises(LeaseLost):
            work(mesh)
    assert ids(orders) == [1, 2, 4]
    assert [p for p in Witness(orders.root / ".mesh").problems() if "told" not in p] == []


def test_a_batch_is_not_given_up_by_who_was_taken_for_dead(orders: MeshFolder, monkeypatch: pytest.MonkeyPatch):
    """The other run has published it meanwhile, and so it stays."""
    orders.product("shop.orders", columns=COLUMNS, key=["id"], quality=[{"metric": "rowCount", "mustBeGreaterThan": 1}])
    with orders.open() as mesh:
        assert [o.result for o in run(mesh)] == ["blocked"]
        (batch,) = mesh.store.batches(ORDERS, "rejected")
    orders.product("shop.orders", columns=COLUMNS, key=["id"])

    def late(*asked: Any) -> Batch:
        found = find(*asked)
        take_over(orders)
        return found

    monkeypatch.setattr("lakehouse.giveup.find", late)
    with orders.open() as mesh, pytest.raises(LeaseLost):
        give_up_batch(mesh, mesh.product(ORDERS), batch.id, reason="late", run_id="slow")
    assert [p for p in Witness(orders.root / ".mesh").problems() if "told" not in p] == []
    assert ids(orders) == [1, 2]


def test_upkeep_that_was_taken_for_dead_removes_nothing(orders: MeshFolder):
    """It looks for what nothing leads to, and finds what another run has staged meanwhile: that stays."""

    def go_on() -> None:
        with pytest.raises(LeaseLost):
            collect(slow, ORDERS, "slow")

    with orders.open() as slow, writing(slow, ORDERS, "slow", recover):
        take_over(orders, Meanwhile(point="k4", act=go_on))
    assert ids(orders) == [1, 2]
    assert [p for p in Witness(orders.root / ".mesh").problems() if "told" not in p] == []


@pytest.mark.parametrize("landed", [True, False])
def test_an_unknown_outcome_is_looked_up_and_never_guessed(orders: MeshFolder, *, landed: bool):
    """The database fails at COMMIT: if the publication is there it happened, files and all; if not, none of it did."""
    with orders.open() as mesh:
        mesh.faults = Meanwhile(point="k7", act=lambda: _fail_next_commit(mesh, landed=landed))
        if landed:
            assert [o.result for o in run(mesh)] == ["published"]
        else:
            with pytest.raises(Unavailable):
                run(mesh)
    assert ids(orders) == ([1, 2] if landed else [1])
    with orders.open() as mesh:
        run(mesh)
    assert ids(orders) == [1, 2]


def _fail_next_commit(mesh: Mesh, *, landed: bool) -> None:
    dialect: Any = mesh.store.engine.dialect
    commit = dialect.do_commit

    def fail(connection: Any) -> None:
        dialect.do_commit = commit
        commit(connection) if landed else connection.rollback()
        raise sqlite3.OperationalError("disk I/O error")

    dialect.do_commit = fail
