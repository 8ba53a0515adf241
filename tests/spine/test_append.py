"""Write mode append: a delivery is published once, whatever happens around it."""

from __future__ import annotations

import pytest

from lakehouse.errors import BatchRefused, WrongUse
from lakehouse.testing import Property
from tests.spine.tried import Tried

ORDERS: dict[str, Property] = {"id": "integer", "amount": {"logicalType": "number", "required": True}}


@pytest.fixture
def orders(here: Tried) -> Tried:
    here.product("sales.orders", columns=ORDERS, key=["id"])
    here.deliver("sales.orders", "1.csv", [{"id": 1, "amount": 1.5}, {"id": 2, "amount": 2.5}])
    return here


def test_a_delivery_is_published_once(orders: Tried):
    """The same file again, touched or copied under another name, is nothing to do."""
    assert orders.results("sales.orders") == ["published"]
    text = (orders.landing("sales.orders") / "1.csv").read_text()
    orders.deliver("sales.orders", "1.csv", text)
    orders.deliver("sales.orders", "copy.csv", text)
    assert orders.results("sales.orders") == []
    assert orders.rows("sales.orders") == [(1, 1.5), (2, 2.5)]


def test_force_never_appends_again(orders: Tried):
    """A published batch stays as it is, forced or asked for by name."""
    (done,) = orders.run("sales.orders")
    assert orders.results("sales.orders", force=True) == []
    with pytest.raises(BatchRefused):
        orders.run("sales.orders", batch=done.batch.id)
    assert orders.rows("sales.orders") == [(1, 1.5), (2, 2.5)]


def test_new_code_or_contract_takes_new_deliveries_only(orders: Tried):
    """A changed contract does not bring old deliveries back."""
    orders.run("sales.orders")
    orders.product("sales.orders", columns={**ORDERS, "note": "string"}, landed=ORDERS, key=["id"], version="1.1.0", transform=WITH_NOTE)
    assert orders.results("sales.orders") == []
    orders.deliver("sales.orders", "2.csv", [{"id": 3, "amount": 3.5}])
    assert orders.results("sales.orders") == ["published"]
    assert orders.rows("sales.orders") == [(1, 1.5, None), (2, 2.5, None), (3, 3.5, "new")]


WITH_NOTE = """
    import duckdb

    def orders(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed.project("*, 'new' as note")
"""


def test_new_content_under_a_published_path_is_refused(orders: Tried):
    """An append cannot take rows back: the corrected file is refused with the way out, and nothing changes."""
    orders.run("sales.orders")
    orders.deliver("sales.orders", "1.csv", [{"id": 1, "amount": 100}])
    (refused,) = orders.run("sales.orders")
    assert refused.result == "blocked"
    assert "append-only" in str(refused.error)
    assert "overwrite_partitions" in str(refused.error)
    assert orders.rows("sales.orders") == [(1, 1.5), (2, 2.5)]
    assert orders.results("sales.orders") == []


@pytest.mark.parametrize("how", ["force", "by name", "new contract"])
def test_a_refused_correction_is_refused_at_every_later_try(here: Tried, how: str):
    """Neither force, nor its name, nor another contract makes an append take a published file's rows a second time."""
    here.product("sales.orders", columns=ORDERS)
    here.deliver("sales.orders", "1.csv", [{"id": 1, "amount": 1.5}])
    here.run("sales.orders")
    here.deliver("sales.orders", "1.csv", [{"id": 1, "amount": 1.5}, {"id": 2, "amount": 2.5}])
    (refused,) = here.run("sales.orders")
    if how == "new contract":
        here.product("sales.orders", columns={**ORDERS, "id": {"logicalType": "integer", "required": True}})
    (again,) = here.run("sales.orders", force=how == "force", batch=refused.batch.id if how == "by name" else None)
    assert again.result == "blocked"
    assert "append-only" in str(again.error)
    assert here.rows("sales.orders") == [(1, 1.5)]


def test_late_and_out_of_order_files_are_taken_when_they_come(orders: Tried):
    """What arrives late is a delivery like any other."""
    orders.deliver("sales.orders", "3.csv", [{"id": 5, "amount": 5.5}])
    orders.run("sales.orders")
    orders.deliver("sales.orders", "2.csv", [{"id": 3, "amount": 3.5}])
    assert orders.results("sales.orders") == ["published"]
    assert [r[0] for r in orders.rows("sales.orders")] == [1, 2, 3, 5]


def test_a_known_key_blocks_a_delivery_and_not_the_next(orders: Tried):
    """Keys are unique over the whole port; later deliveries go on."""
    orders.deliver("sales.orders", "2.csv", [{"id": 2, "amount": 2}])
    orders.deliver("sales.orders", "3.csv", [{"id": 3, "amount": 3.5}])
    assert orders.results("sales.orders") == ["published", "blocked", "published"]
    assert orders.batches("sales.orders") == {"1.csv": "published", "2.csv": "rejected", "3.csv": "published"}
    assert [r[0] for r in orders.rows("sales.orders")] == [1, 2, 3]


def test_strict_order_stops_at_the_first_that_is_blocked(here: Tried):
    """With `order: strict` nothing overtakes a blocked delivery."""
    here.product("sales.orders", columns=ORDERS, key=["id"], source={"order": "strict"})
    here.deliver("sales.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 1, "amount": 2}])
    here.deliver("sales.orders", "2.csv", [{"id": 2, "amount": 2}])
    assert here.results("sales.orders") == ["blocked"]
    assert here.results("sales.orders") == []
    here.deliver("sales.orders", "1.csv", [{"id": 1, "amount": 1}])
    assert here.results("sales.orders") == ["published", "published"]
    assert here.rows("sales.orders") == [(1, 1), (2, 2)]


def test_batch_all_takes_everything_pending_as_one(here: Tried):
    """With `batch: all` the waiting files are one batch and one publication."""
    here.product("sales.orders", columns=ORDERS, key=["id"], source={"batch": "all"})
    here.deliver("sales.orders", "1.csv", [{"id": 1, "amount": 1}])
    here.deliver("sales.orders", "2.csv", [{"id": 2, "amount": 2}])
    (both,) = here.run("sales.orders")
    assert (both.result, both.batch.delivered) == ("published", 2)
    here.deliver("sales.orders", "3.csv", [{"id": 3, "amount": 3}])
    (third,) = here.run("sales.orders")
    assert (third.batch.name, third.batch.delivered) == ("3.csv", 1)
    assert here.rows("sales.orders") == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("mended", ["corrected", "taken away", "published before, and put back"])
def test_a_file_is_not_lost_with_the_batch_that_it_came_in(here: Tried, mended: str):
    """With `batch: all`: when the bad file of a blocked batch is mended, the good ones that came with it land as well."""
    here.product("sales.orders", columns=ORDERS, key=["id"], source={"batch": "all"})
    good = [{"id": 2, "amount": 2}]
    first = here.deliver("sales.orders", "1.csv", [{"id": 1, "amount": 1}])
    before = first.read_text()
    if mended == "published before, and put back":
        here.run("sales.orders")
    here.deliver("sales.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 1, "amount": 3}])
    here.deliver("sales.orders", "2.csv", good)
    assert here.results("sales.orders") == ["blocked"]
    assert here.results("sales.orders") == []
    if mended == "taken away":
        first.unlink()
    else:
        first.write_text(before)
    assert here.results("sales.orders") == ["published"]
    assert here.rows("sales.orders") == ([(2, 2)] if mended == "taken away" else [(1, 1), (2, 2)])
    assert here.results("sales.orders") == []


def test_a_rejected_delivery_is_tried_again_when_something_changed(orders: Tried):
    """The same content under the same rules is not tried again, but it is by force, or when the contract changed."""
    orders.deliver("sales.orders", "2.csv", [{"id": 2, "amount": 2}])
    assert orders.results("sales.orders") == ["published", "blocked"]
    assert orders.results("sales.orders") == []
    assert orders.results("sales.orders", force=True) == ["blocked"]
    orders.product("sales.orders", columns=ORDERS, key=["id"], version="1.0.1", transform=LATER_IDS)
    assert orders.results("sales.orders") == ["published"]
    assert orders.rows("sales.orders") == [(1, 1.5), (2, 2.5), (102, 2)]


LATER_IDS = """
    import duckdb

    def orders(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed.project("id + 100 as id, amount")
"""


def test_an_empty_delivery_is_published_with_no_rows(orders: Tried):
    """A file without rows is a delivery: it is accounted for, and changes nothing that is read."""
    orders.deliver("sales.orders", "2.csv", "id,amount\n")
    assert orders.results("sales.orders") == ["published", "published"]
    assert orders.rows("sales.orders") == [(1, 1.5), (2, 2.5)]
    assert orders.results("sales.orders") == []


def test_an_empty_first_delivery_makes_a_port_that_can_be_read(here: Tried):
    """A port whose first delivery has no rows is there and empty; the next delivery fills it."""
    here.product("sales.orders", columns=ORDERS)
    here.deliver("sales.orders", "1.csv", "id,amount\n")
    assert here.results("sales.orders") == ["published"]
    assert here.rows("sales.orders") == []
    here.deliver("sales.orders", "2.csv", [{"id": 1, "amount": 1}])
    assert here.results("sales.orders") == ["published"]
    assert here.rows("sales.orders") == [(1, 1)]


def test_a_file_without_a_column_is_rejected_whole(orders: Tried):
    """A missing column rejects the batch with the reason, and the rest goes on."""
    orders.deliver("sales.orders", "0.csv", [{"id": 9}])
    first, second = orders.run("sales.orders")
    assert (first.result, second.result) == ("blocked", "published")
    assert "amount" in str(first.error)
    assert orders.results("sales.orders") == []


def test_a_product_that_was_never_published_cannot_be_read(orders: Tried):
    """Before its first publication a port is not there; it is never visible empty."""
    with pytest.raises(WrongUse):
        orders.rows("sales.orders")
    with orders.open() as mesh:
        assert not mesh.catalog.table_exists(("sales", "orders"))


def test_many_small_deliveries_leave_no_file_behind(orders: Tried):
    """Merged manifests and expired metadata take their files with them."""
    for number in range(60):
        orders.deliver("sales.orders", f"{number + 10:03}.csv", [{"id": number + 10, "amount": number}])
    assert set(orders.results("sales.orders")) == {"published"}
    assert len(orders.rows("sales.orders")) == 62
