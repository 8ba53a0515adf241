"""Write mode upsert: whole rows by primary key."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse.address import Address
from lakehouse.testing import Property
from orchestration.story import Request, run_product
from tests.spine.tried import Tried

STOCK: dict[str, Property] = {
    "item": "string",
    "pieces": "integer",
    "price": {"logicalType": "number", "physicalType": "decimal(12,2)"},
    "changed": {"logicalType": "timestamp"},
}


def item(name: str | None, pieces: object, price: object = "1.10", changed: object = "2026-01-01T00:00:00Z") -> dict[str, object]:
    return {"item": name, "pieces": pieces, "price": price, "changed": changed}


def declare(here: Tried, **declared: object) -> Tried:
    here.product("shop.stock", columns=STOCK, key=["item"], write="upsert", declared=declared)
    return here


@pytest.fixture
def stock(here: Tried) -> Tried:
    declare(here)
    here.deliver("shop.stock", "1.csv", [item("nail", 10), item("screw", 20), item("bolt", None, None)])
    assert here.results("shop.stock") == ["published"]
    return here


def pieces(here: Tried) -> dict[str, int | None]:
    return {r[0]: r[1] for r in here.rows("shop.stock")}


def test_rows_are_replaced_by_key_and_added(stock: Tried):
    """A known key is replaced, a new one added, the rest stays."""
    stock.deliver("shop.stock", "2.csv", [item("nail", 11), item("washer", 5)])
    assert stock.results("shop.stock") == ["published"]
    assert pieces(stock) == {"nail": 11, "screw": 20, "bolt": None, "washer": 5}


def test_equal_rows_are_no_change(stock: Tried):
    """A row as it is, NULLs and decimals included, rewrites nothing and counts as skipped."""
    before = files(stock)
    stock.deliver("shop.stock", "2.csv", [item("bolt", None, None), item("nail", 10, "1.1")])
    (outcome,) = stock.run("shop.stock")
    assert outcome.publication is not None
    assert outcome.publication.ports[0].rows == 0
    assert files(stock) == before
    with stock.open() as mesh:
        batch = mesh.store.batch(outcome.batch.product, outcome.batch.id)
    assert batch is not None
    assert (batch.delivered, batch.published, batch.quarantined) == (2, 2, 0)


def files(here: Tried) -> set[str]:
    return {p.name for p in (here.root / ".mesh/warehouse/shop/stock/data").rglob("*.parquet")}


def test_a_value_may_become_null_and_come_back(stock: Tried):
    """NULL is a value like any other: it replaces and is replaced."""
    stock.deliver("shop.stock", "2.csv", [item("nail", None), item("bolt", 1)])
    stock.run("shop.stock")
    assert pieces(stock) == {"nail": None, "screw": 20, "bolt": 1}


def test_a_key_twice_in_a_batch_blocks(stock: Tried):
    """Without `orderBy` nobody can say which row wins: the batch is blocked whole."""
    stock.deliver("shop.stock", "2.csv", [item("nail", 1), item("nail", 2)])
    assert stock.results("shop.stock") == ["blocked"]
    assert pieces(stock)["nail"] == 10


def test_a_key_twice_blocks_even_when_one_row_is_no_change(stock: Tried):
    """A duplicate is a duplicate also when one of its rows equals what is there."""
    stock.deliver("shop.stock", "2.csv", [item("nail", 10), item("nail", 2)])
    assert stock.results("shop.stock") == ["blocked"]
    assert pieces(stock)["nail"] == 10


def test_with_order_the_newest_wins_and_older_rows_are_skipped(here: Tried):
    """With `orderBy`, older rows lose inside the batch and against what is there, and are counted."""
    declare(here, orderBy="changed")
    late, early = "2026-01-05T00:00:00Z", "2026-01-02T00:00:00Z"
    here.deliver("shop.stock", "1.csv", [item("nail", 2, changed=late), item("nail", 1, changed=early)])
    here.deliver("shop.stock", "2.csv", [item("nail", 3, changed=early), item("screw", 4, changed=early)])
    first, second = here.run("shop.stock")
    assert first.publication is not None
    assert second.publication is not None
    assert (first.publication.ports[0].rows, second.publication.ports[0].rows) == (1, 1)
    assert pieces(here) == {"nail": 2, "screw": 4}


def test_what_the_order_does_not_decide_blocks(here: Tried):
    """Two rows of one key and one time, which are not the same: nobody can say which wins, today or when it is run again."""
    declare(here, orderBy="changed")
    here.deliver("shop.stock", "1.csv", [item("nail", 1), item("nail", 2)])
    here.deliver("shop.stock", "2.csv", [item("nail", 3), item("nail", 3), item("nail", 9, changed="2025-01-01T00:00:00Z")])
    here.deliver("shop.stock", "3.csv", [item("nail", 3), item("nail", 4)])
    assert here.results("shop.stock") == ["blocked", "published", "blocked"]
    assert pieces(here) == {"nail": 3}


def test_with_order_an_unknown_time_never_beats_a_known_one(here: Tried):
    """A row whose order is NULL is older than any."""
    declare(here, orderBy="changed")
    here.deliver("shop.stock", "1.csv", [item("nail", 2)])
    here.deliver("shop.stock", "2.csv", [item("nail", 9, changed=None)])
    here.run("shop.stock")
    assert pieces(here) == {"nail": 2}


def test_a_row_without_its_key_is_set_aside(stock: Tried):
    """A NULL in the primary key breaks a row rule; the rest of the batch is applied."""
    stock.deliver("shop.stock", "2.csv", [item(None, 1), item("nail", 12)])
    assert stock.results("shop.stock") == ["published"]
    assert pieces(stock)["nail"] == 12
    assert len(stock.quarantined("shop.stock")) == 1


def test_corrections_under_a_known_path_are_applied(stock: Tried):
    """New content under a known path is applied like any batch."""
    stock.deliver("shop.stock", "1.csv", [item("nail", 99)])
    assert stock.results("shop.stock") == ["published"]
    assert pieces(stock) == {"nail": 99, "screw": 20, "bolt": None}


def test_the_partition_of_a_row_may_change(here: Tried):
    """A key whose partition column changed is one row afterwards, in its new partition."""
    here.product(
        "shop.stock", columns={"item": "string", "place": "string"}, key=["item"], partitions={"place": "identity"}, write="upsert"
    )
    here.deliver("shop.stock", "1.csv", [{"item": "nail", "place": "a"}, {"item": "bolt", "place": "a"}])
    here.deliver("shop.stock", "2.csv", [{"item": "nail", "place": "b"}])
    here.run("shop.stock")
    assert here.rows("shop.stock") == [("bolt", "a"), ("nail", "b")]


def test_products_of_one_mesh_in_threads_keep_apart(here: Tried):
    """Four products merge at the same time on one opened mesh: each has its own rows and no others, and none fails."""
    columns: dict[str, Property] = {"id": "integer", "of": "string"}
    products = [f"lab.{name}" for name in "abcd"]
    for product in products:
        here.product(product, columns=columns, key=["id"], write="upsert")
        for number in range(4):
            here.deliver(product, f"{number}.csv", [{"id": i, "of": f"{product} {number}"} for i in range(200)])
    with here.open() as mesh, ThreadPoolExecutor(4) as pool:
        requests = [(mesh.product(Address.parse(p)), Request(run_id=str(uuid.uuid4()))) for p in products]
        done = list(pool.map(lambda asked: [o.result for o in run_product(mesh, *asked)], requests))
    assert done == [["published"] * 4] * 4
    assert [{row[1] for row in here.rows(p)} for p in products] == [{f"{p} 3"} for p in products]
