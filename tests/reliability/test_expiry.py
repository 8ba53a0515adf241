"""History ends for those who read nothing of it: what somebody reads, or computes changes from, stays until they are done."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from lakehouse.access import OPERATOR
from lakehouse.address import Address
from lakehouse.errors import WrongUse
from lakehouse.maintain import maintain
from lakehouse.pins import kept
from lakehouse.ports.changes import changes
from lakehouse.ports.sql import query
from lakehouse.read import state_at
from lakehouse.rollback import plan_rollback, rollback
from lakehouse.scan import local_path
from lakehouse.store import Publication
from tests.spine.tried import Tried

ORDERS = Address("shop", "orders")
LISTED = 21
"""More publications than a table goes on listing: then it is the history alone that keeps their files."""


@pytest.fixture
def orders(tmp_path: Path) -> Tried:
    """A port whose every publication replaces all files of the one before, each a day later."""
    here = Tried(tmp_path)
    here.product("shop.orders", columns={"id": "integer"}, write="overwrite")
    deliver(here, LISTED)
    return here


def deliver(here: Tried, times: int) -> None:
    for _ in range(times):
        here.clock.forward(timedelta(days=1))
        here.deliver("shop.orders", "1.csv", [{"id": here.clock.at.toordinal()}])
        assert here.results("shop.orders", settings={"publishing": {"expire_every": 1}}) == ["published"]


def first(here: Tried) -> Publication:
    with here.open() as mesh:
        return mesh.store.publications(ORDERS)[-1]


def tidy(here: Tried) -> tuple[str, ...]:
    """Let everything go that may, as somebody else would: in a mesh of its own."""
    with here.open(history={"publications": 1}) as mesh:
        return maintain(mesh, mesh.product(ORDERS), new_id()).expired


def new_id() -> str:
    return str(uuid.uuid4())


def test_what_is_read_as_of_then_stays_until_it_is_read(orders: Tried):
    """A reader of an earlier publication, who has not taken the rows yet, finds them when the history ends meanwhile."""
    then = first(orders)
    with orders.open() as mesh:
        with query(mesh, OPERATOR, "select id from shop.orders", run_id=new_id(), as_of=then.id) as answer:
            assert then.id not in tidy(orders)
            assert sum(len(rows) for rows in answer.rows()) == 1
        assert then.id in tidy(orders)
    assert orders.verified() == []


def test_both_ends_of_a_change_stay_until_it_is_read(orders: Tried):
    """So does who asks what came between two publications."""
    then = first(orders)
    with orders.open() as mesh:
        before, after = state_at(mesh, ORDERS, then.id), state_at(mesh, ORDERS)
        with changes(mesh, OPERATOR, "select * from shop.orders", before, after, run_id=new_id()) as answer:
            assert then.id not in tidy(orders)
            assert sum(len(rows) for rows in answer.rows()) == 2


def test_who_comes_too_late_is_told_so(orders: Tried):
    """A publication that was let go between the look and the lease is refused by name; it is never half read."""
    then = first(orders)
    assert then.id in tidy(orders)
    with orders.open() as mesh:
        with pytest.raises(WrongUse, match="no longer kept"), kept(mesh, [then.id], new_id()):
            pass
        with mesh.store.reading() as con:
            assert mesh.store.leases(con) == ()


def test_what_a_table_lists_longer_than_the_history_goes_in_the_end(orders: Tried):
    """A publication may end while its table lists it still: when the table lists it no more, its files go, without any upkeep."""
    tidy(orders)
    deliver(orders, LISTED)
    assert orders.verified() == []


def test_an_old_file_that_is_damaged_stops_no_publication(orders: Tried):
    """What is tidied up after a publication reads old manifests: when one is unreadable, the batch is published all the same."""
    with orders.open() as mesh:
        old = mesh.store.publications(ORDERS)[5].port(ORDERS).manifest_list
    assert old is not None
    Path(local_path(old)).write_bytes(b"")
    deliver(orders, 1)
    assert orders.batches("shop.orders").popitem() == ("1.csv", "published")


def test_who_reads_changes_can_go_back_and_go_on(orders: Tried):
    """A consumer's earlier publication keeps what it was made from: after a rollback to it, the changes since are told again."""
    orders.product(
        "report.ids", columns={"id": "integer"}, partitions={"id": "identity"}, write="overwrite_partitions",
        reads={"orders": "shop.orders"}, read="changes",
        transform="""
            import duckdb

            def ids(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
                return orders
        """,
    )  # fmt: skip
    assert orders.results("report.ids") == ["published"]
    deliver(orders, LISTED)
    assert orders.results("report.ids") == ["published"]
    tidy(orders)
    with orders.open() as mesh:
        rollback(mesh, plan_rollback(mesh, mesh.product(Address("report", "ids"))), new_id())
    tidy(orders)
    deliver(orders, 1)
    assert orders.results("report.ids") == ["published"]
    assert orders.rows("report.ids")[-1:] == orders.rows("shop.orders")
    assert orders.verified() == []
