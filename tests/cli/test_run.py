"""`mesh run` and what follows: batches, log, quarantine, rollback, verify. The whole way through the command."""

from __future__ import annotations

import pytest

from lakehouse.address import Address
from lakehouse.collect import recover
from lakehouse.mesh import Mesh
from lakehouse.pins import writing
from lakehouse.settings import Settings
from tests.cli.conftest import MONDAY, TUESDAY, TWICE, Shop

pytestmark = pytest.mark.integration


def test_a_second_run_says_unchanged(shop: Shop):
    """What is published already is not done again."""
    (run,) = shop.json("run").json["runs"]
    assert (run["outcome"], run["publications"]) == ("unchanged", [])


def test_a_run_tells_ports_and_rules(declared: Shop):
    """The JSON of a run has the keys that interface.md promises."""
    (run,) = declared.json("run").json["runs"]
    assert run.keys() >= {"run_id", "address", "outcome", "publications", "batches", "rows", "quarantined", "ports", "seconds", "error"}
    (port,) = run["ports"]
    assert port.keys() >= {"address", "snapshot_id", "rows", "total_rows", "quarantined", "rules"}
    assert {"rule", "severity", "scope", "outcome", "failing"} <= port["rules"][0].keys()
    assert {r["rule"]: r["outcome"] for r in port["rules"]}["order_id_unique"] == "passed"


def test_a_dry_run_publishes_nothing(declared: Shop):
    """--dry-run gives the verdict; readers, batches and log stay as they were."""
    (run,) = declared.json("run", "--dry-run").json["runs"]
    assert (run["outcome"], run["publications"]) == ("published", [])
    assert declared.json("log", "sales.orders").json == {"publications": []}
    assert declared.json("batches", "sales.orders").json == {"batches": []}


def test_a_blocked_batch_is_exit_1_and_later_ones_go_on(shop: Shop):
    """A batch that breaks the key is rejected with its reason; the next is published, readers see only that."""
    shop.arrive("again.csv", TWICE)
    shop.arrive("tuesday.csv", TUESDAY)
    said = shop.json("run")
    (run,) = said.json["runs"]
    assert (said.code, run["outcome"], run["rows"], run["quarantined"]) == (1, "blocked", 1, 1)
    states = {b["name"]: b["state"] for b in shop.json("batches", "sales.orders").json["batches"]}
    assert states == {"monday.csv": "published", "again.csv": "rejected", "tuesday.csv": "published"}
    (rejected,) = shop.json("batches", "sales.orders", "--state", "rejected").json["batches"]
    assert "order_id_unique" in rejected["reason"]
    assert shop.json("query", "select count(*) as n from sales.orders").json == [{"n": 3}]
    staged = shop.json("read", "sales.orders", "--batch", rejected["id"], "--columns", "order_id,amount").json
    assert staged == [{"order_id": 1, "amount": 9.0}]
    gone = shop.json("discard", "sales.orders", "--batch", rejected["id"][:8], "--reason", "sent twice").json["batches"][0]
    assert (gone["state"], gone["reason"]) == ("discarded", "sent twice")


def test_a_batch_is_not_given_up_while_it_is_taken(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """A discard waits for the run that holds the product, which may publish the batch; a run waits for a discard."""
    shop.arrive("again.csv", TWICE)
    shop.json("run")
    (batch,) = shop.json("batches", "sales.orders", "--state", "rejected").json["batches"]
    monkeypatch.setenv("MESH_PUBLISHING__WAIT", "0")
    orders = Address("sales", "orders")
    with Mesh.open(Settings.find(shop.root)) as mesh, writing(mesh, orders, "another", recover):
        said = shop.json("discard", "sales.orders", "--batch", batch["id"], "--reason", "half a file")
    assert "being written" in said.error["message"]


def test_the_way_back_for_a_row(shop: Shop):
    """A quarantined row says rule, reason, file and line; it is replayed in vain, then given up, and the accounts add up."""
    shop.arrive("tuesday.csv", TUESDAY)
    assert shop.mesh("run").code == 0
    (row,) = shop.json("quarantine", "list", "sales.orders").json["rows"]
    assert (row["rule"], row["origin"], row["line"], row["row"]) == ("type", "source", 3, {"raw": "4,many,2024-01-02T11:00:00Z,"})
    assert row["file"].endswith("tuesday.csv")
    assert shop.mesh("quarantine", "discard", "sales.orders").code == 2, "nobody is there to be asked"
    assert shop.mesh("quarantine", "discard", "sales.orders", "--yes").code == 0
    assert shop.json("quarantine", "list", "sales.orders").json == {"rows": []}
    assert shop.json("verify").json == {"ok": True, "findings": []}


def test_rollback_names_what_it_withdraws(shop: Shop):
    """Without --yes and a terminal nothing happens; with it the earlier state is published again, and the batch is withdrawn."""
    shop.arrive("tuesday.csv", TUESDAY)
    assert shop.mesh("run").code == 0
    refused = shop.mesh("rollback", "sales.orders")
    assert refused.code == 2
    assert "tuesday.csv" in refused.err
    assert shop.json("query", "select count(*) as n from sales.orders").json == [{"n": 3}]
    (run,) = shop.json("rollback", "sales.orders", "--yes").json["runs"]
    assert run["seconds"] > 0
    assert "order_id_unique" in {rule["rule"] for rule in run["ports"][0]["rules"]}
    assert run["batches"][0]["outcome"] == "withdrawn"
    assert shop.json("query", "select count(*) as n from sales.orders").json == [{"n": 2}]
    kinds = [(p["kind"], p["withdrawn"]) for p in shop.json("log", "sales.orders").json["publications"]]
    assert kinds == [("rollback", False), ("batch", True), ("batch", False)]
    assert shop.mesh("run").code == 0
    assert shop.json("query", "select count(*) as n from sales.orders").json == [{"n": 2}], "it returns only by name"


def test_a_reader_downstream_of_a_stopped_product_is_skipped(shop: Shop):
    """What could not be made keeps those that read it from running, and says so."""
    reader = shop.root / "domains" / "sales" / "totals"
    shop.mesh("new", "product", "sales.totals", "--from", str(shop.landing / "monday.csv"))
    product = (reader / "product.odps.yaml").read_text()
    source = product[product.index("    customProperties:") : product.index("outputPorts:")]
    (reader / "product.odps.yaml").write_text(
        product.replace("name: landed\n" + source, "name: orders\n    contractId: sales.orders\n    version: 1.0.0\n")
    )
    shop.arrive("again.csv", TWICE)
    runs = {r["address"]: r["outcome"] for r in shop.json("run").json["runs"]}
    assert runs == {"sales.orders": "blocked", "sales.totals": "skipped"}


def test_maintain_is_quiet_where_nothing_is_old(shop: Shop):
    """Upkeep of a fresh product removes nothing that is read."""
    (kept,) = shop.json("maintain").json["upkeep"]
    assert (kept["address"], kept["expired"], kept["files_removed"]) == ("sales.orders", [], 0)
    assert shop.json("read", "sales.orders", "--columns", "order_id").json == [{"order_id": 1}, {"order_id": 2}]


def test_an_edit_without_a_new_version_is_a_warning(shop: Shop):
    """The run that carries the edit says so, once; plan said it before."""
    contract = shop.root / "domains/sales/orders/orders.odcs.yaml"
    contract.write_text(
        contract.read_text().replace("logicalType: number", "logicalType: number\n        logicalTypeOptions: {minimum: 0}")
    )
    (planned,) = shop.json("plan").json["changes"]
    assert "the version is still 1.0.0" in planned["detail"]
    shop.arrive("tuesday.csv", TUESDAY)
    shop.arrive("wednesday.csv", TUESDAY.replace("\n3,", "\n5,").replace("\n4,", "\n6,"))
    (run,) = shop.json("run").json["runs"]
    assert run["outcome"] == "published"
    assert run["warnings"] == ["domains/sales/orders/orders.odcs.yaml:$: the contract was edited and its version is still 1.0.0"]


def test_rows_of_a_blocked_batch_are_not_counted_as_set_aside(shop: Shop):
    """What a run tells of itself is what it wrote: the rows of a blocked batch are neither published nor set aside."""
    rows = "".join(f"{n},many,2024-01-02T10:00:00Z,\n" for n in range(10, 20))
    shop.arrive("tuesday.csv", "Order ID,amount,ordered_at,Note\n" + rows)
    (run,) = shop.json("run").json["runs"]
    assert (run["outcome"], run["rows"], run["quarantined"], run["ports"][0]["quarantined"]) == ("blocked", 0, 0, 10)


def test_one_product_that_cannot_be_kept_up_stops_no_other(shop: Shop):
    """A contract whose edit is refused is told, with exit 1; the other products' upkeep is done."""
    shop.mesh("new", "product", "sales.returns", "--from", f"{shop.landing}/*.csv")
    shop.mesh("run")
    contract = shop.root / "domains/sales/orders/orders.odcs.yaml"
    promise = "slaProperties: [{property: retention, value: 1, unit: y, element: ordered_at}]\nschema:\n"
    contract.write_text(contract.read_text().replace("schema:\n", promise).replace("logicalType: number", "logicalType: string"))
    said = shop.json("maintain")
    kept = {entry["address"]: entry["error"] for entry in said.json["upkeep"]}
    assert said.code == 1
    assert "amount" in kept["sales.orders"]["message"]
    assert kept["sales.returns"] is None


def test_plan_tells_new_tightened_and_breaking(shop: Shop):
    """Plan counts the published rows that break a tighter rule, and names a breaking edit; only that is exit 1."""
    text = shop.contract.read_text()
    shop.contract.write_text(text.replace("logicalType: number\n", "logicalType: number\n        logicalTypeOptions: {minimum: 2}\n"))
    said = shop.json("plan")
    assert said.code == 0
    assert {c["kind"]: c["impact"] for c in said.json["changes"]}["tightened"] == "1 of 2 published rows break it"
    shop.contract.write_text(text.replace("logicalType: number\n", "logicalType: string\n"))
    said = shop.json("plan")
    assert (said.code, [c["kind"] for c in said.json["changes"]]) == (1, ["breaking"])
    shop.contract.write_text(text)
    assert shop.json("plan").json == {"changes": []}


def test_new_content_under_a_known_name_is_refused(shop: Shop):
    """An append port takes no second content for a published path: blocked, with the way out."""
    shop.arrive("monday.csv", MONDAY + "9,1.0,2024-01-01T10:00:00Z,\n")
    (run,) = shop.json("run").json["runs"]
    assert run["outcome"] == "blocked"
    assert "rollback" in run["error"]["hint"]


def test_partitions_that_nobody_delivered_are_wrong_use(declared: Shop):
    """A slip of the pen is not `unchanged`: the hint says which partitions there are."""
    product = declared.contract.parent / "product.odps.yaml"
    product.write_text(product.read_text().replace("          source:", "          delivery: 'orders-{date}.csv'\n          source:"))
    for day in (1, 2):
        declared.arrive(f"orders-2024-01-0{day}.csv", MONDAY.replace("\n1,", f"\n{day}1,").replace("\n2,", f"\n{day}2,"))
    for words in (["--partition", "2024-01-20"], ["--from", "2023-01-01", "--to", "2023-12-31"]):
        said = declared.json("run", *words)
        assert said.code == 2
        assert said.error["hint"] == "there are 2, from 2024-01-01 to 2024-01-02"
    assert [b["name"] for b in declared.json("run", "--partition", "2024-01-02").json["runs"][0]["batches"]] == ["orders-2024-01-02.csv"]


def test_what_product_code_prints_is_no_answer(empty: Shop):
    """It goes to stderr; stdout holds one JSON document."""
    empty.arrive("monday.csv", MONDAY)
    assert empty.orders("--template", "pyarrow").code == 0
    code = empty.contract.parent / "transform.py"
    code.write_text(code.read_text().replace("    return", '    print("made")\n    return'))
    for words in (["run", "--dry-run"], ["run"]):
        said = empty.json(*words)
        assert said.json["runs"][0]["outcome"] == "published"
        assert "made" in said.err


def test_an_address_of_no_file_system(declared: Shop):
    """A protocol that nobody knows is wrong use; a driver that is not installed is in the way."""
    product = declared.contract.parent / "product.odps.yaml"
    text = product.read_text()
    start = text.index("path: ") + len("path: ")
    product.write_text(text[:start] + '"foo://somewhere/*.csv"' + text[text.index(",", start) :])
    said = declared.json("run")
    assert said.code == 2
    assert "foo" in str(said.json)
