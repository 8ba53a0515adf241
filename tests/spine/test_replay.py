"""Replay beyond its one port: what really left the quarantine, and the siblings that are computed from what was replayed."""

from __future__ import annotations

import json
from decimal import Decimal

from lakehouse.testing import Port, Property
from tests.spine.test_back import LOOSE, STRICT, counts, ids, replayed
from tests.spine.tried import Tried

DROPPING = """
    import duckdb

    def orders(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed.filter('id <> 3')
"""


def test_a_replay_counts_what_really_left_the_quarantine(here: Tried):
    """A transform that drops a row today, sets one aside again and passes the third: the accounts say so, and verify agrees."""
    narrow: Property = {"logicalType": "integer", "physicalType": "int"}
    here.product("shop.orders", columns={"id": "integer", "amount": narrow})
    here.deliver("shop.orders", "1.csv", "id,amount\n1,1\n2,3000000000\n3,3000000001\n4,many\n")
    here.run("shop.orders")
    here.product("shop.orders", columns={"id": "integer", "amount": "integer"}, transform=DROPPING)
    assert replayed(here) == ["published"]
    assert ids(here) == [1, 2]
    assert counts(here) == {"1.csv": (2, 1, 0)}
    assert [r.row for r in here.quarantined("shop.orders")] == ["4,many"]
    assert here.verified() == []


WITH_SMALL = """
    import duckdb

    def orders(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed

    def orders_small(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return orders
"""


def test_a_replay_replaces_what_is_set_aside_for_a_sibling_that_is_overwritten(here: Tried):
    """A sibling computed anew is set aside anew: its own quarantine follows its write mode, whatever was replayed above it."""
    small: dict[str, Property] = {"id": "integer", "amount": {"logicalType": "number", "logicalTypeOptions": {"maximum": 5}}}
    sibling = Port(name="orders_small", columns=small, write="overwrite")
    here.product("shop.orders", columns=STRICT, siblings=[sibling], transform=WITH_SMALL)
    here.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 2, "amount": 7}, {"id": 3, "amount": 200}])
    here.run("shop.orders")
    here.product("shop.orders", columns=LOOSE, siblings=[sibling], transform=WITH_SMALL, version="1.1.0")
    assert replayed(here) == ["published"]
    assert here.rows("shop.orders_small") == [(1, Decimal(1))]
    assert sorted(json.loads(r.row)["id"] for r in here.quarantined("shop.orders_small")) == [2, 3]


def test_a_sibling_that_is_upserted_sets_a_row_aside_once(here: Tried):
    """It is given older rows with every batch: what is judged again replaces itself, by key, and leaves once it is good."""
    small: dict[str, Property] = {"id": "integer", "amount": {"logicalType": "number", "logicalTypeOptions": {"maximum": 5}}}
    wider: dict[str, Property] = {"id": "integer", "amount": {"logicalType": "number", "logicalTypeOptions": {"maximum": 7}}}
    sibling = Port(name="orders_small", columns=small, write="upsert", key=["id"])
    here.product("shop.orders", columns=STRICT, siblings=[sibling], transform=WITH_SMALL)
    for number in (6, 7, 8):
        here.deliver("shop.orders", f"{number}.csv", [{"id": number, "amount": number}, {"id": -number, "amount": 1}])
        here.run("shop.orders")

    def aside() -> list[int]:
        return sorted(json.loads(r.row)["id"] for r in here.quarantined("shop.orders_small"))

    assert aside() == [6, 7, 8]
    sibling = Port(name="orders_small", columns=wider, write="upsert", key=["id"], version="1.1.0")
    here.product("shop.orders", columns=STRICT, siblings=[sibling], transform=WITH_SMALL)
    here.deliver("shop.orders", "9.csv", [{"id": 9, "amount": 9}, {"id": 10, "amount": 90}])
    here.run("shop.orders")
    assert aside() == [8, 9]
    assert [r[0] for r in here.rows("shop.orders_small")] == [-8, -7, -6, 6, 7]
    here.product("shop.orders", columns=LOOSE, siblings=[sibling], transform=WITH_SMALL, version="1.1.0")
    assert replayed(here) == ["published"]
    assert aside() == [8, 9, 10]
    assert here.verified() == []
