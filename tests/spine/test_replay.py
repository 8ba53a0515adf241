"""Replay beyond its one port: what really left the quarantine, and the siblings that are computed from what was replayed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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


def test_rows_of_a_parquet_file_are_read_again(here: Tried):
    """A value that was too long for its column: once the column is wide, the row is picked from its file and published."""
    narrow: Property = {"logicalType": "integer", "physicalType": "int"}
    files = {"files": {"path": "landing/shop.orders", "format": "parquet"}}
    here.product("shop.orders", columns={"id": "integer", "amount": narrow}, source={"source": files})
    here.landing("shop.orders").mkdir(parents=True)
    many = pa.table({"id": [1, 2, 3, 4], "amount": [1, 3_000_000_000, 5, 2**62]})
    pq.write_table(many, here.landing("shop.orders") / "1.parquet")
    here.run("shop.orders")
    assert (ids(here), len(here.quarantined("shop.orders"))) == ([1, 3], 2)
    here.product("shop.orders", columns={"id": "integer", "amount": "integer"}, source={"source": files}, version="1.1.0")
    assert replayed(here) == ["published"]
    assert sorted(here.rows("shop.orders")) == [(1, 1), (2, 3_000_000_000), (3, 5), (4, 2**62)]
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


TEXTS: dict[str, Property] = {"id": "string", "note": "string"}
BOTH_FROM_THE_FILE = """
    import duckdb

    def orders(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed

    def orders_copy(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed
"""


def test_a_source_row_also_reaches_the_sibling_that_reads_the_delivery(here: Tried):
    """A cell that could not be read was missing in both ports; once it can be read it is in both."""
    how: dict[str, Any] = {"siblings": [Port(name="orders_copy", columns=TEXTS)], "transform": BOTH_FROM_THE_FILE}
    here.product("shop.orders", columns=TEXTS, landed={**TEXTS, "id": "integer"}, **how)
    here.deliver("shop.orders", "1.csv", "id,note\n1,a\nx,b\n")
    here.run("shop.orders")
    here.product("shop.orders", columns=TEXTS, landed=TEXTS, **how)
    assert replayed(here) == ["published"]
    assert here.rows("shop.orders") == here.rows("shop.orders_copy") == [("1", "a"), ("x", "b")]


def test_a_replay_is_refused_where_a_sibling_would_read_less_than_in_a_run(here: Tried):
    """What a sibling makes of the replayed rows and of something else cannot be computed from the replayed rows alone."""
    code = BOTH_FROM_THE_FILE.replace(
        "orders_copy(landed: duckdb.DuckDBPyRelation)", "orders_copy(orders: duckdb.DuckDBPyRelation, landed: duckdb.DuckDBPyRelation)"
    )
    how: dict[str, Any] = {"siblings": [Port(name="orders_copy", columns=LOOSE)], "transform": code}
    here.product("shop.orders", columns=STRICT, **how)
    here.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 2, "amount": 200}])
    here.run("shop.orders")
    here.product("shop.orders", columns=LOOSE, version="1.1.0", **how)
    assert replayed(here) == ["blocked"]
    assert (ids(here), len(here.quarantined("shop.orders")), here.verified()) == ([1], 1, [])


def test_a_source_row_is_read_under_the_header_of_its_own_file(here: Tried):
    """Two files of one batch name their columns in another order, and one's name ends with the other's."""
    code = BOTH_FROM_THE_FILE.split("    def orders_copy", maxsplit=1)[0]
    here.product("shop.orders", columns=TEXTS, landed={**TEXTS, "id": "integer"}, source={"batch": "all"}, transform=code)
    here.deliver("shop.orders", "01.csv", "id,note\n1,a\n")
    here.deliver("shop.orders", "1.csv", "note,id\nb,x\nc,3\n")
    here.run("shop.orders")
    here.product("shop.orders", columns=TEXTS, landed=TEXTS, source={"batch": "all"}, transform=code)
    assert replayed(here) == ["published"]
    assert here.rows("shop.orders") == [("1", "a"), ("3", "c"), ("x", "b")]


def test_rows_that_stay_aside_do_not_block_those_that_pass(here: Tried):
    """One of two rules was loosened: the limit of what may be set aside speaks of what arrives, not of what was there."""
    here.product("shop.orders", columns=STRICT)
    good = [{"id": n, "amount": 1} for n in range(100)]
    here.deliver("shop.orders", "1.csv", [*good, *({"id": 100 + n, "amount": 20 if n < 3 else 2000} for n in range(10))])
    assert here.results("shop.orders") == ["published"]
    here.product("shop.orders", columns=LOOSE, version="1.1.0")
    assert replayed(here) == ["published"]
    assert (len(ids(here)), len(here.quarantined("shop.orders")), here.verified()) == (103, 7, [])
