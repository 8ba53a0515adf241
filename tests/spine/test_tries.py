"""A batch that is tried again: what it published before stands until the new try is published, and is given back when that is given up."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest

from lakehouse.address import Address
from lakehouse.declare.product import Write
from lakehouse.giveup import give_up_batch
from lakehouse.quarantine import rows as quarantined_rows
from lakehouse.rollback import plan_rollback, rollback
from lakehouse.store import Batch
from lakehouse.testing import Property
from orchestration.replay import discard, replay
from orchestration.story import Request
from tests.spine.tried import Tried

ORDERS = Address("shop", "orders")
NONE = {"name": "none", "metric": "rowCount", "mustBeLessThan": 0}


def columns(maximum: int) -> dict[str, Property]:
    return {"id": "integer", "day": "date", "amount": {"logicalType": "number", "logicalTypeOptions": {"maximum": maximum}}}


def declared(here: Tried, write: Write, *, maximum: int = 10, blocked: bool = False) -> None:
    here.product(
        "shop.orders",
        columns=columns(maximum),
        key=["id"],
        partitions={"day": "identity"},
        write=write,
        source={"delivery": "{date}.csv"},
        quality=[NONE] if blocked else [],
    )


def tried_again(here: Tried, write: Write) -> Batch:
    """Publish a file of which one row is set aside; then take it again, under a gate that blocks."""
    declared(here, write)
    here.deliver("shop.orders", "2026-01-01.csv", "id,day,amount\n1,2026-01-01,1\n2,2026-01-01,50\n")
    (first,) = here.run("shop.orders")
    declared(here, write, blocked=True)
    again: dict[Write, dict[str, Any]] = {
        "overwrite_partitions": {"first": "2026-01-01", "force": True},
        "upsert": {"batch": first.batch.id},
        "overwrite": {},
    }
    assert here.results("shop.orders", **again[write]) == ["blocked"]
    assert here.batches("shop.orders") == {"2026-01-01.csv": "rejected"}
    return first.batch


WRITES = pytest.mark.parametrize("write", ["overwrite_partitions", "upsert", "overwrite"])


@WRITES
def test_giving_a_second_try_up_gives_back_what_was_published(here: Tried, write: Write):
    """In every mode that takes content twice; and the next run does not try the same again."""
    batch = tried_again(here, write)
    with here.open() as mesh:
        left = give_up_batch(mesh, mesh.product(ORDERS), batch.id, reason="as it was", run_id=str(uuid.uuid4()))
    assert (left.state, left.published, left.quarantined, left.discarded, left.staged) == ("published", 1, 1, 0, None)
    assert here.results("shop.orders") == []
    assert here.verified() == []


@WRITES
@pytest.mark.parametrize("act", ["replay", "discard"])
def test_the_way_back_after_a_rejected_second_try(here: Tried, write: Write, act: str):
    """The rows that are set aside are the first try's: their batch is published again, with accounts that add up and no file left."""
    tried_again(here, write)
    declared(here, write, maximum=100 if act == "replay" else 10)
    with here.open() as mesh:
        aside = quarantined_rows(mesh, ORDERS)
        if act == "replay":
            assert [o.result for o in replay(mesh, ORDERS, aside, Request(run_id=str(uuid.uuid4())))] == ["published"]
        else:
            assert discard(mesh, ORDERS, aside, str(uuid.uuid4())) == 1
        (batch,) = mesh.store.batches(ORDERS)
    counted = (batch.published, batch.quarantined, batch.discarded)
    assert (batch.state, counted) == ("published", (2, 0, 0) if act == "replay" else (1, 0, 1))
    assert here.verified() == []


def test_a_rollback_over_a_rejected_second_try_leaves_no_file(here: Tried):
    """What the rejected try had staged goes with it."""
    write: Write = "overwrite_partitions"
    declared(here, write)
    here.deliver("shop.orders", "2026-01-01.csv", "id,day,amount\n1,2026-01-01,1\n")
    here.run("shop.orders")
    here.run("shop.orders", first="2026-01-01", force=True)
    declared(here, write, blocked=True)
    assert here.results("shop.orders", first="2026-01-01", force=True) == ["blocked"]
    with here.open() as mesh:
        rollback(mesh, plan_rollback(mesh, mesh.product(ORDERS)), str(uuid.uuid4()))
    assert here.batches("shop.orders") == {"2026-01-01.csv": "published"}
    assert here.verified() == []


def test_a_batch_that_was_discarded_and_is_taken_after_all_counts_once(here: Tried):
    """Taken by name its rows are published, and no longer discarded."""
    declared(here, "append", blocked=True)
    here.deliver("shop.orders", "2026-01-01.csv", "id,day,amount\n1,2026-01-01,1\n2,2026-01-01,50\n")
    (blocked,) = here.run("shop.orders")
    with here.open() as mesh:
        give_up_batch(mesh, mesh.product(ORDERS), blocked.batch.id, reason="too early", run_id=str(uuid.uuid4()))
    declared(here, "append")
    assert here.results("shop.orders", batch=blocked.batch.id) == ["published"]
    assert [r[0::2] for r in here.rows("shop.orders")] == [(1, Decimal(1))]
    assert here.verified() == []
