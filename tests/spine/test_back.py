"""The way back: rejected rows to look at, replay, rollback, discard."""

from __future__ import annotations

import gzip
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest

from lakehouse.access import OPERATOR, decide
from lakehouse.address import Address
from lakehouse.errors import BatchRefused, WrongUse
from lakehouse.giveup import give_up_batch
from lakehouse.quarantine import rows as quarantined_rows
from lakehouse.read import rejected_rows
from lakehouse.rollback import plan_rollback, rollback
from lakehouse.testing import Port, Property
from orchestration.replay import discard as discard_rows
from orchestration.replay import replay
from orchestration.story import Request
from tests.spine.tried import Tried

ORDERS = Address("shop", "orders")
STRICT: dict[str, Property] = {"id": "integer", "amount": {"logicalType": "number", "logicalTypeOptions": {"maximum": 10}}}
LOOSE: dict[str, Property] = {"id": "integer", "amount": {"logicalType": "number", "logicalTypeOptions": {"maximum": 1000}}}


@pytest.fixture
def orders(here: Tried) -> Tried:
    here.product("shop.orders", columns=STRICT, key=["id"])
    here.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 2, "amount": 200}])
    here.run("shop.orders")
    return here


def replayed(here: Tried) -> list[str]:
    with here.open() as mesh:
        return [o.result for o in replay(mesh, ORDERS, quarantined_rows(mesh, ORDERS), Request(run_id=str(uuid.uuid4())))]


def rolled_back(here: Tried) -> list[str]:
    """Roll back by one; gives the names of the batches that were withdrawn."""
    with here.open() as mesh:
        plan = plan_rollback(mesh, mesh.product(ORDERS))
        rollback(mesh, plan, str(uuid.uuid4()))
        return [b.name for b in plan.batches]


def counts(here: Tried) -> dict[str, tuple[int, int, int]]:
    """Published, set aside and discarded rows of each batch that is published."""
    with here.open() as mesh:
        return {b.name: (b.published, b.quarantined, b.discarded) for b in mesh.store.batches(ORDERS, "published")}


def ids(here: Tried) -> list[int]:
    return [r[0] for r in here.rows("shop.orders")]


def test_a_row_that_keeps_the_new_contract_is_replayed(orders: Tried):
    """After the rule was loosened the row leaves quarantine and is published, once."""
    orders.product("shop.orders", columns=LOOSE, key=["id"], version="1.1.0")
    assert replayed(orders) == ["published"]
    assert ids(orders) == [1, 2]
    assert orders.quarantined("shop.orders") == []
    assert replayed(orders) == []


def test_a_replay_tells_its_lineage(orders: Tried):
    """Whether its publication comes about or the gate blocks it: a START, and how it ended, with the snapshot that consumers now see."""

    def told() -> list[dict[str, Any]]:
        with orders.open() as mesh:
            return [json.loads(body) for _, _, body in mesh.store.waiting("lineage")][2:]

    none = {"name": "none", "metric": "rowCount", "mustBeLessThan": 1}
    orders.product("shop.orders", columns=LOOSE, key=["id"], version="1.1.0", quality=[none])
    assert replayed(orders) == ["blocked"]
    assert [e["eventType"] for e in told()] == ["START", "FAIL"]
    orders.product("shop.orders", columns=LOOSE, key=["id"], version="1.1.0")
    assert replayed(orders) == ["published"]
    assert [e["eventType"] for e in told()[2:]] == ["START", "COMPLETE"]
    with orders.open() as mesh:
        current = mesh.store.current(ORDERS)
    assert current is not None
    (port,) = told()[-1]["outputs"]
    assert port["facets"]["version"]["datasetVersion"] == str(current.ports[0].snapshot_id)
    assert port["outputFacets"]["outputStatistics"]["rowCount"] == 1


def test_a_rollback_tells_its_lineage(orders: Tried):
    """Consumers of lineage hear which snapshot is shown now, in the publication's own transaction; nothing was judged anew."""
    orders.deliver("shop.orders", "2.csv", [{"id": 3, "amount": 3}])
    orders.run("shop.orders")
    rolled_back(orders)
    with orders.open() as mesh:
        started, ended = [json.loads(body) for _, _, body in mesh.store.waiting("lineage")][-2:]
        current = mesh.store.current(ORDERS)
    assert current is not None
    assert (started["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert ended["run"]["facets"]["parent"]["job"]["name"] == "rollback"
    (port,) = ended["outputs"]
    assert port["facets"]["version"]["datasetVersion"] == str(current.ports[0].snapshot_id)
    assert port["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "OVERWRITE"
    assert (ended["inputs"], port["outputFacets"]) == ([], {}), "nothing was read, and no row was written"


def test_who_looked_first_and_comes_second_changes_nothing(here: Tried):
    """Two persons see the same quarantined row: it is replayed, or discarded, once; no row is doubled and none is counted twice."""
    here.product("shop.orders", columns=STRICT)
    here.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 2, "amount": 200}])
    here.run("shop.orders")
    with here.open() as mesh:
        seen = quarantined_rows(mesh, ORDERS)
    here.product("shop.orders", columns=LOOSE, version="1.1.0")
    assert replayed(here) == ["published"]
    with here.open() as mesh:
        assert list(replay(mesh, ORDERS, seen, Request(run_id=str(uuid.uuid4())))) == []
        assert discard_rows(mesh, ORDERS, seen, str(uuid.uuid4())) == 0
    assert ids(here) == [1, 2]
    assert here.verified() == []


def test_a_replay_can_be_rolled_back(orders: Tried):
    """The replayed row leaves the port and is set aside again; its batch stays, and counts what it counted then."""
    orders.product("shop.orders", columns=LOOSE, key=["id"], version="1.1.0")
    replayed(orders)
    assert counts(orders) == {"1.csv": (2, 0, 0)}
    assert rolled_back(orders) == []
    assert ids(orders) == [1]
    assert counts(orders) == {"1.csv": (1, 1, 0)}
    assert len(orders.quarantined("shop.orders")) == 1
    assert orders.verified() == []
    assert replayed(orders) == ["published"]
    assert ids(orders) == [1, 2]


def test_a_discard_can_be_rolled_back(orders: Tried):
    """A discard is a publication that consumers do not notice; going back before it sets its rows aside again."""
    with orders.open() as mesh:
        assert discard_rows(mesh, ORDERS, quarantined_rows(mesh, ORDERS), str(uuid.uuid4())) == 1
        discarded, delivered = mesh.store.publications(ORDERS)
    assert (discarded.kind, discarded.port(ORDERS).content) == ("discard", delivered.id)
    assert counts(orders) == {"1.csv": (1, 0, 1)}
    assert rolled_back(orders) == []
    assert counts(orders) == {"1.csv": (1, 1, 0)}
    assert len(orders.quarantined("shop.orders")) == 1
    assert orders.verified() == []


def test_rows_set_aside_for_a_sibling_do_not_count_as_the_main_ports(here: Tried):
    """A batch counts rows of the main port: discarding a sibling's leaves its counts alone."""
    double = """
        import duckdb

        def orders(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return landed

        def orders_double(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return orders.project("id, amount * 2 as amount")
    """
    here.product("shop.orders", columns=STRICT, siblings=[Port(name="orders_double", columns=STRICT)], transform=double)
    here.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 2, "amount": 9}, {"id": 3, "amount": 90}])
    here.run("shop.orders")
    doubled = Address("shop", "orders_double")
    with here.open() as mesh:
        assert discard_rows(mesh, doubled, quarantined_rows(mesh, doubled), str(uuid.uuid4())) == 1
    assert counts(here) == {"1.csv": (2, 1, 0)}
    assert here.verified() == []


def test_what_replaced_a_quarantine_gives_it_back(here: Tried):
    """After going back before an overwrite, the rows that were set aside then are set aside again."""
    here.product("shop.orders", columns=STRICT, write="overwrite")
    here.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 2, "amount": 200}])
    here.run("shop.orders")
    before = here.quarantined("shop.orders")
    here.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 2}, {"id": 3, "amount": 300}])
    here.run("shop.orders")
    assert here.quarantined("shop.orders") != before
    rolled_back(here)
    assert here.quarantined("shop.orders") == before
    assert here.verified() == []


def test_a_batch_that_was_taken_again_stays_as_it_was_first(here: Tried):
    """An upsert takes a batch again by name: its row is set aside once, and going back withdraws the second time only."""
    here.product("shop.orders", columns=STRICT, key=["id"], write="upsert")
    here.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 2, "amount": 200}])
    (first,) = here.run("shop.orders")
    here.deliver("shop.orders", "2.csv", [{"id": 1, "amount": 2}])
    here.run("shop.orders")
    assert here.results("shop.orders", batch=first.batch.id) == ["published"]
    assert len(here.quarantined("shop.orders")) == 1
    assert here.verified() == []
    assert rolled_back(here) == []
    assert here.rows("shop.orders") == [(1, 2)]
    assert counts(here) == {"1.csv": (1, 1, 0), "2.csv": (1, 0, 0)}
    assert here.verified() == []


def test_a_published_batch_whose_second_try_is_rejected_is_shown_as_it_was(here: Tried):
    """A tighter contract rejects what was published: readers see what they saw, and that is still accounted for."""
    here.product("shop.orders", columns=STRICT, write="overwrite")
    here.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 2, "amount": 200}])
    here.run("shop.orders")
    many = {"name": "many", "type": "library", "metric": "rowCount", "mustBeGreaterThan": 5}
    here.product("shop.orders", columns=STRICT, write="overwrite", version="1.1.0", quality=[many])
    assert here.results("shop.orders") == ["blocked"]
    assert ids(here) == [1]
    assert here.verified() == []


def test_a_rollback_withdraws_what_came_after(orders: Tried):
    """Later deliveries are withdrawn with their quarantined rows, are not taken again by themselves, and come back by name."""
    orders.deliver("shop.orders", "2.csv", [{"id": 3, "amount": 3}, {"id": 4, "amount": 400}])
    (second,) = orders.run("shop.orders")
    assert rolled_back(orders) == ["2.csv"]
    assert ids(orders) == [1]
    assert len(orders.quarantined("shop.orders")) == 1
    assert orders.results("shop.orders") == []
    assert orders.batches("shop.orders") == {"1.csv": "published", "2.csv": "withdrawn"}
    assert orders.results("shop.orders", batch=second.batch.id) == ["published"]
    assert ids(orders) == [1, 3]


def test_each_rollback_goes_one_state_further_back(orders: Tried):
    """A rollback is a publication too, and shows what an earlier one did: the next goes to what was shown before that."""
    for number in (2, 3):
        orders.deliver("shop.orders", f"{number}.csv", [{"id": 10 * number, "amount": number}])
        orders.run("shop.orders")
    assert (rolled_back(orders), ids(orders)) == (["3.csv"], [1, 20])
    with orders.open() as mesh, pytest.raises(WrongUse, match="is current"):
        plan_rollback(mesh, mesh.product(ORDERS), mesh.store.publications(ORDERS)[2].id)
    assert (rolled_back(orders), ids(orders)) == (["2.csv"], [1])
    assert orders.batches("shop.orders") == {"1.csv": "published", "2.csv": "withdrawn", "3.csv": "withdrawn"}
    with orders.open() as mesh, pytest.raises(WrongUse, match="no earlier publication"):
        plan_rollback(mesh, mesh.product(ORDERS))
    orders.deliver("shop.orders", "4.csv", [{"id": 40, "amount": 4}])
    orders.run("shop.orders")
    assert (rolled_back(orders), ids(orders)) == (["4.csv"], [1])


def test_a_batch_is_what_was_delivered_then(here: Tried):
    """A withdrawn batch whose file has been corrected since cannot come back by name: its rows are no longer there."""
    here.product("shop.orders", columns=STRICT)
    for number in (1, 2):
        here.deliver("shop.orders", f"{number}.csv", [{"id": number, "amount": 1}])
    _, second = here.run("shop.orders")
    rolled_back(here)
    here.deliver("shop.orders", "2.csv", [{"id": 3, "amount": 3}])
    assert here.results("shop.orders") == ["published"]
    with pytest.raises(BatchRefused, match="other content"):
        here.run("shop.orders", batch=second.batch.id)
    assert ids(here) == [1, 3]


def test_the_staged_rows_of_a_rejected_batch_can_be_read(orders: Tried):
    """Its owner sees what was refused; nothing of it is in the port, and giving it up is accounted for."""
    orders.deliver("shop.orders", "2.csv", [{"id": 5, "amount": 5}, {"id": 5, "amount": 6}])
    (blocked,) = orders.run("shop.orders")
    with orders.open() as mesh, mesh.connection() as connection:
        batch = mesh.store.batch(ORDERS, blocked.batch.id)
        assert batch is not None
        decision = decide(OPERATOR, None, mesh.product(ORDERS).main.contract, now=mesh.now())
        assert len(connection.execute(f"from {rejected_rows(mesh, batch, ORDERS, decision)}").fetchall()) == 2
        given_up = give_up_batch(mesh, mesh.product(ORDERS), batch.id, reason="twice", run_id=str(uuid.uuid4()))
    assert (given_up.state, given_up.discarded, given_up.staged) == ("discarded", 2, None)
    assert ids(orders) == [1]
    assert orders.results("shop.orders", force=True) == []


def test_too_many_broken_rows_block_a_batch(orders: Tried):
    """More than a tenth and more than five rows set aside are no accident: the batch is blocked, and nothing is set aside."""
    orders.deliver("shop.orders", "2.csv", [{"id": n, "amount": 500} for n in range(10, 16)])
    assert orders.results("shop.orders") == ["blocked"]
    assert len(orders.quarantined("shop.orders")) == 1


def test_soda_says_the_same(orders: Tried):
    """With the default check runner the same delivery is blocked by the same rule."""
    orders.deliver("shop.orders", "2.csv", [{"id": 5, "amount": 5}, {"id": 5, "amount": 6}])
    (plain,) = orders.run("shop.orders", dry=True)
    (soda,) = orders.run("shop.orders", settings={"checks": {"runner": "soda"}})
    assert plain.report is not None
    assert soda.report is not None
    assert [(r.rule, r.outcome, r.failing) for p in plain.report.ports for r in p.rules] == [
        (r.rule, r.outcome, r.failing) for p in soda.report.ports for r in p.rules
    ]


MONEY: dict[str, Property] = {
    "id": "integer",
    "paid": {"logicalType": "number", "physicalType": "decimal(38,10)"},
    "parts": {"logicalType": "array", "items": {"logicalType": "number", "physicalType": "decimal(38,10)"}},
    'odd "name"/~': "string",
    "note": {"logicalType": "string", "required": True},
}
EXACT = Decimal("1234567890123456789012345678.1234567891")
WITH_PARTS = """
    import duckdb

    def orders(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed.project('id, paid, [paid, null] as parts, \\'x\\' as "odd ""name""/~", note')
"""


def test_a_replayed_row_is_what_it_was_to_the_last_digit(here: Tried):
    """Long decimals, also inside lists, and columns of any name come back from the quarantine as they went in."""
    landed = {name: MONEY[name] for name in ("id", "paid")} | {"note": "string"}
    here.product("shop.orders", columns=MONEY, landed=landed, transform=WITH_PARTS)
    here.deliver("shop.orders", "1.csv", [{"id": 1, "paid": EXACT, "note": None}])
    here.run("shop.orders")
    here.product("shop.orders", columns={**MONEY, "note": "string"}, landed=landed, transform=WITH_PARTS)
    assert replayed(here) == ["published"]
    assert here.rows("shop.orders") == [(1, EXACT, [EXACT, None], "x", None)]


def test_a_row_that_was_not_kept_as_it_was_delivered_is_not_replayed(orders: Tried):
    """Bytes that are no text, and rows too long to be kept whole, would come back as something else: they stay where they are."""
    bad = b"id,note\n1,fine\n2,a\xffb\n" + b'3,"' + b"x" * 100_000 + b'" tail\n4,5,6\n'
    orders.product("shop.notes", columns={"id": "integer", "note": "string"})
    orders.deliver("shop.notes", "1.csv", "").write_bytes(bad)
    orders.run("shop.notes")
    before = [(r.file, r.line, r.row) for r in orders.quarantined("shop.notes")]
    notes = Address("shop", "notes")
    with orders.open() as mesh:
        results = [(o.result, o.error) for o in replay(mesh, notes, quarantined_rows(mesh, notes), Request(run_id=str(uuid.uuid4())))]
    assert [result for result, _ in results] == ["unchanged", "blocked"]
    assert "2 of the rows cannot be read again" in str(results[1][1])
    assert sorted(before) == sorted((r.file, r.line, r.row) for r in orders.quarantined("shop.notes"))
    assert orders.rows("shop.notes") == [(1, "fine")]


def test_a_row_of_a_compressed_file_keeps_its_place(here: Tried):
    """The line that names the columns is read from a .csv.gz as well; what fails again keeps its first file and line."""
    narrow: Property = {"logicalType": "integer", "physicalType": "int"}
    here.product("shop.orders", columns={"id": "integer", "amount": narrow})
    here.deliver("shop.orders", "1.csv.gz", "").write_bytes(gzip.compress(b"id,amount\n1,1\n2,3000000000\n3,many\n"))
    here.run("shop.orders")
    here.product("shop.orders", columns={"id": "integer", "amount": "integer"})
    assert replayed(here) == ["published"]
    assert [(r.file, r.line, r.row) for r in here.quarantined("shop.orders")] == [("1.csv.gz", 4, "3,many")]
    assert here.rows("shop.orders") == [(1, 1), (2, 3_000_000_000)]


def test_a_replay_in_vain_changes_nothing(here: Tried):
    """When every row would be set aside again there is no publication, which those who read the port would have to take up."""
    here.product("shop.orders", columns={"id": "integer", "amount": "integer"})
    here.deliver("shop.orders", "1.csv", [{"id": 1, "amount": 1}, {"id": 2, "amount": "many"}])
    here.run("shop.orders")
    before = here.quarantined("shop.orders")
    assert replayed(here) == ["unchanged"]
    assert here.quarantined("shop.orders") == before
    with here.open() as mesh:
        assert len(mesh.store.publications(Address("shop", "orders"))) == 1


def test_a_number_that_json_does_not_know_is_shown_and_replayed(here: Tried):
    """NaN and infinity are set aside: a person sees what they are, and once they may be there they are published as they were."""
    value: dict[str, object] = {"logicalType": "number", "physicalType": "double"}
    here.product("shop.orders", columns={"id": "integer", "value": value})
    here.deliver("shop.orders", "1.csv", "id,value\n1,1\n2,NaN\n3,-inf\n4,Infinity\n")
    here.run("shop.orders")
    shown = sorted(json.dumps(r.content) for r in here.quarantined("shop.orders"))
    assert shown == ['{"id": 2, "value": "NaN"}', '{"id": 3, "value": "-Infinity"}', '{"id": 4, "value": "Infinity"}']
    ours = [{"property": "lakemesh", "vendor": "lakemesh", "value": {"allowNaN": True}}]
    here.product("shop.orders", columns={"id": "integer", "value": {**value, "customProperties": ours}}, version="1.1.0")
    assert replayed(here) == ["published"]
    assert sorted(str(r[1]) for r in here.rows("shop.orders")) == ["-inf", "1.0", "inf", "nan"]
