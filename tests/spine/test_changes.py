"""A product that reads what has changed upstream: whatever happens there, nothing comes twice and nothing is lost."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.address import Address
from lakehouse.collect import recover
from lakehouse.errors import BatchRefused
from lakehouse.pins import writing
from lakehouse.quarantine import rows as quarantined_rows
from lakehouse.retention import retain
from lakehouse.rollback import plan_rollback, rollback
from lakehouse.testing import Port, Property
from orchestration.replay import replay
from orchestration.story import Request
from tests.spine.tried import Tried

ORDERS, COPY = Address("shop", "orders"), Address("ship", "copy")
COLUMNS: dict[str, Property] = {"id": "integer", "day": "string"}
BOTH = """
    import duckdb

    def copy(landed: duckdb.DuckDBPyRelation, orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed.query("l", "select id, day from l").union(orders)
"""


def copied(here: Tried, reads: str = "shop.orders", **how: Any) -> None:
    here.product("ship.copy", **{"columns": COLUMNS, "reads": {"orders": reads}, "read": "changes", **how})


def deliver(here: Tried, name: str, *rows: tuple[int, str | None]) -> None:
    here.deliver("shop.orders", name, [{"id": id, "day": day} for id, day in rows])
    here.run("shop.orders")


def ids(here: Tried) -> list[int]:
    return [r[0] for r in here.rows("ship.copy")]


def with_landed(here: Tried, day: str = "string") -> None:
    """`ship.copy` from deliveries of its own and from what has changed in `shop.orders`."""
    folder = here.product("ship.copy", columns=COLUMNS, landed={**COLUMNS, "x": day}, transform=BOTH)
    file = folder / "product.odps.yaml"
    product = yaml.safe_load(file.read_text())
    ours = [{"property": "lakemesh", "vendor": "lakemesh", "value": {"read": "changes"}}]
    product["inputPorts"].append({"name": "orders", "contractId": "shop.orders", "version": "1.0.0", "customProperties": ours})
    file.write_text(yaml.safe_dump(product))


def test_an_append_goes_on_after_retention_upstream(here: Tried):
    """Rows that were past their time trigger nothing and take nothing back; what comes after them is appended."""
    promise = {"slaProperties": [{"property": "retention", "value": 30, "unit": "d", "element": "orders.on"}]}
    columns: dict[str, Property] = {"id": "integer", "on": "date"}
    here.product("shop.orders", columns=columns, partitions={"on": "identity"}, contract=promise)
    copied(here, columns=columns)
    here.deliver("shop.orders", "1.csv", [{"id": 1, "on": "2025-11-20"}, {"id": 2, "on": "2025-12-30"}])
    here.run("shop.orders")
    here.run("ship.copy")
    with here.open() as mesh, writing(mesh, ORDERS, "r", recover):
        assert retain(mesh, mesh.product(ORDERS), "r") is not None
    assert here.results("ship.copy") == ["unchanged"]
    here.deliver("shop.orders", "2.csv", [{"id": 3, "on": "2026-01-01"}])
    here.run("shop.orders")
    assert here.results("ship.copy") == ["published"]
    assert ids(here) == [1, 2, 3]


@pytest.mark.parametrize("write", ["append", "overwrite"])
def test_an_input_port_that_goes_over_to_another_port(here: Tried, write: str):
    """The way of a breaking change: an overwrite takes the new port; an append is told how, and takes nothing twice."""
    for port in ("shop.orders", "shop.orders_new"):
        here.product(port, columns=COLUMNS)
        here.deliver(port, "1.csv", [{"id": 1, "day": "a"}])
        here.run(port)
    read = "changes" if write == "append" else "full"
    copied(here, write=write, read=read)
    here.run("ship.copy")
    copied(here, "shop.orders_new", write=write, read=read)
    (outcome,) = here.run("ship.copy")
    assert outcome.result == ("blocked" if write == "append" else "published")
    assert write == "overwrite" or "another name" in str(outcome.error)
    assert ids(here) == [1]


def test_a_row_without_a_partition_stays_aside_while_others_change(here: Tried):
    """Which partition it belongs to nobody knows: another day's delivery is no reason to forget it, nor does it come twice."""
    day = {"day": "identity"}
    here.product("shop.orders", columns=COLUMNS, write="overwrite_partitions", partitions=day)
    strict: dict[str, Property] = {"id": "integer", "day": {"logicalType": "string", "required": True}}
    copied(here, columns=strict, write="overwrite_partitions", partitions=day)
    deliver(here, "1.csv", (1, "a"), (2, None))
    here.run("ship.copy")
    for name, rows in (("2.csv", [(3, "b")]), ("3.csv", [(4, "c"), (2, None)])):
        deliver(here, name, *rows)
        here.run("ship.copy")
        assert [json.loads(r.row)["id"] for r in here.quarantined("ship.copy")] == [2]
    assert ids(here) == [1, 3, 4]


def test_each_batch_of_a_dry_run_reads_the_changes_once(here: Tried):
    """The first batch takes what has changed upstream, the second finds nothing more; dry and in earnest."""
    here.product("shop.orders", columns=COLUMNS)
    deliver(here, "1.csv", (1, "a"))
    with_landed(here)
    for number in (100, 200):
        here.deliver("ship.copy", f"{number}.csv", [{"id": number, "day": "a", "x": "x"}])
    told = [[p.rows for o in here.run("ship.copy", dry=dry) if o.report for p in o.report.ports] for dry in (True, False)]
    assert told == [[2, 1], [2, 1]]


def test_a_replay_reads_no_changes(here: Tried):
    """What has changed upstream since belongs to the next run: a replay that would read it is refused, and nothing is doubled."""
    here.product("shop.orders", columns=COLUMNS)
    deliver(here, "1.csv", (1, "a"))
    with_landed(here, "integer")
    here.deliver("ship.copy", "1.csv", [{"id": 100, "day": "a", "x": 1}, {"id": 101, "day": "a", "x": "bad"}])
    here.run("ship.copy")
    deliver(here, "2.csv", (2, "a"))
    with_landed(here)
    with here.open() as mesh:
        (outcome,) = replay(mesh, COPY, quarantined_rows(mesh, COPY), Request(run_id=str(uuid.uuid4())))
    assert (outcome.result, type(outcome.error)) == ("blocked", BatchRefused)
    assert ids(here) == [1, 100]
    here.deliver("ship.copy", "2.csv", [{"id": 200, "day": "a", "x": 1}])
    here.run("ship.copy")
    assert ids(here) == [1, 2, 100, 200]


def test_a_computed_batch_returns_by_name_while_its_inputs_stand(here: Tried):
    """Of a withdrawn state nothing comes back unasked; by name it does, or it is told why it cannot."""
    here.product("shop.orders", columns=COLUMNS)
    copied(here, write="overwrite", read="full")
    for number in (1, 2):
        deliver(here, f"{number}.csv", (number, "a"))
        (second,) = here.run("ship.copy")
    with here.open() as mesh:
        rollback(mesh, plan_rollback(mesh, mesh.product(COPY)), str(uuid.uuid4()))
    assert (here.results("ship.copy"), ids(here)) == (["unchanged"], [1])
    assert (here.results("ship.copy", batch=second.batch.id), ids(here)) == (["published"], [1, 2])
    deliver(here, "3.csv", (3, "a"))
    with pytest.raises(BatchRefused, match="showed then"):
        here.run("ship.copy", batch=second.batch.id)


FLAKY = """
    from pathlib import Path

    import duckdb

    def copy(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        if Path({mood!r}).exists():
            raise RuntimeError("not today")
        return orders
"""


def test_a_forced_try_that_failed_is_tried_again(here: Tried, tmp_path: Path):
    """What is shown stays shown, and its batch is published again, not rejected for ever."""
    mood = tmp_path / "mood"
    here.product("shop.orders", columns=COLUMNS)
    deliver(here, "1.csv", (1, "a"))
    copied(here, write="overwrite", read="full", transform=FLAKY.format(mood=str(mood)))
    assert here.results("ship.copy") == ["published"]
    mood.touch()
    assert here.results("ship.copy", force=True) == ["failed"]
    mood.unlink()
    assert here.results("ship.copy") == ["published"]
    assert set(here.batches("ship.copy").values()) == {"published"}


def test_a_dry_run_lets_no_history_go(here: Tried):
    """However old it is, what can be gone back to is not a dry run's to take; nor does it make a namespace."""
    few: dict[str, object] = {"publishing": {"expire_every": 1}, "history": {"publications": 1, "days": 0}}
    here.product("shop.orders", columns=COLUMNS)
    copied(here, write="overwrite", read="full")
    for number in (1, 2):
        deliver(here, f"{number}.csv", (number, "a"))
        here.run("ship.copy")
    here.clock.forward(timedelta(days=1))
    here.run("ship.copy", dry=True, settings=few)
    here.product("new.orders", columns=COLUMNS)
    here.deliver("new.orders", "1.csv", [{"id": 1, "day": "a"}])
    assert here.results("new.orders", dry=True) == ["published"]
    with here.open() as mesh:
        assert [p.expired for p in mesh.store.publications(COPY)] == [False, False]
        assert ("new",) not in mesh.catalog.list_namespaces()


def test_partitions_of_two_columns_are_told_apart(here: Tried):
    """('a/b', 'c') is not ('a', 'b/c'): what is set aside of the one stays when the other is delivered."""
    columns: dict[str, Property] = {"x": "string", "y": "string", "n": {"logicalType": "integer", "required": True}}
    here.product("shop.orders", columns=columns, write="overwrite_partitions", partitions={"x": "identity", "y": "identity"})
    here.deliver("shop.orders", "1.csv", [{"x": "a/b", "y": "c", "n": 1}, {"x": "a/b", "y": "c", "n": None}])
    here.deliver("shop.orders", "2.csv", [{"x": "a", "y": "b/c", "n": 2}])
    assert here.results("shop.orders") == ["published", "published"]
    assert len(here.quarantined("shop.orders")) == 1


def test_a_sibling_is_no_reason_to_doubt(here: Tried):
    """A product that reads changes and has a sibling goes the same way."""
    here.product("shop.orders", columns=COLUMNS)
    both = """
        import duckdb

        def copy(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return orders

        def copy_again(copy: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return copy
    """
    copied(here, transform=both, siblings=[Port(name="copy_again", columns=COLUMNS)])
    for number in (1, 2):
        deliver(here, f"{number}.csv", (number, "a"))
        assert here.results("ship.copy") == ["published"]
    assert here.rows("ship.copy_again") == here.rows("ship.copy") == [(1, "a"), (2, "a")]
