"""The way of a delivery, in its shortest form."""

from __future__ import annotations

from tests.spine.tried import Tried


def test_rows_go_through_and_a_broken_one_is_set_aside(here: Tried):
    """A delivery becomes a publication: what keeps the contract is read, what does not is in quarantine."""
    here.product("sales.orders", columns={"id": "integer", "amount": {"logicalType": "number", "required": True}}, key=["id"])
    here.deliver("sales.orders", "monday.csv", [{"id": 1, "amount": 9.5}, {"id": 2, "amount": None}])
    assert here.results("sales.orders") == ["published"]
    assert here.rows("sales.orders") == [(1, 9.5)]
    assert [r.rule for r in here.quarantined("sales.orders")] == ["amount_required"]
    assert here.batches("sales.orders") == {"monday.csv": "published"}
