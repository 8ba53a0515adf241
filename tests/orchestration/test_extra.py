"""A hand-written Dagster asset reads ports at their pins, and what it returns goes through the gate."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from lakehouse.address import Address
from lakehouse.batches import Wanted
from lakehouse.errors import DeclarationError
from lakehouse.store import Publication
from orchestration.runs import ProductRun, run
from tests.orchestration.conftest import Shop

BEST = dg.AssetKey(["finance", "best"])
EXTRA = """
    import dagster as dg
    import polars as pl

    @dg.asset(key=["finance", "best"], ins={"orders": dg.AssetIn(["sales", "orders"], input_manager_key="mesh")}, io_manager_key="mesh")
    def best(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.select("id", "amount").top_k(1, by="amount")
"""


@pytest.fixture
def handmade(shop: Shop) -> Shop:
    folder = shop.product(
        "finance.best",
        columns={"id": "integer", "amount": {"logicalType": "number", "logicalTypeOptions": {"minimum": 0}}},
        reads={"orders": "sales.orders"},
        write="overwrite",
        quality=[{"name": "worth_it", "type": "sql", "query": "SELECT max(amount) FROM ${table}", "mustBeGreaterThan": 10}],
    )
    odps = folder / "product.odps.yaml"
    odps.write_text(odps.read_text() + "customProperties: [{property: lakemesh, vendor: lakemesh, value: {asset: true}}]\n")
    write_extra(folder.parent, EXTRA)
    shop.order("2026-01-05", 1.0, 20.0)
    return shop


def write_extra(folder: Path, text: str) -> None:
    from textwrap import dedent

    (folder / "extra.py").write_text(dedent(text))


def current(shop: Shop) -> Publication | None:
    with shop.open() as mesh:
        return mesh.store.current(Address("finance", "best"))


def test_it_is_described_and_checked_like_every_port(handmade: Shop):
    """Owners, group, columns and rules come from the contract; the asset's own code says only how rows are made."""
    graph = handmade.definitions("finance").resolve_asset_graph()
    spec = graph.get(BEST)
    assert (spec.group_name, set(spec.owners)) == ("best", {"team:finance", "finance@example.com"})
    assert [c.name for c in spec.metadata["dagster/column_schema"].columns] == ["id", "amount"]
    assert {"worth_it", "amount_minimum", "not_empty"} <= {k.name for k in graph.asset_check_keys if k.asset_key == BEST}


def test_what_it_returns_is_published(handmade: Shop, instance: dg.DagsterInstance):
    """Its rows become a publication that remembers what it was made from, and its checks show the gate's verdict."""
    handmade.materialize("sales", "orders", instance=instance)
    job = handmade.definitions("finance").resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=instance, asset_selection=[BEST])
    done = current(handmade)
    assert done is not None
    assert [*done.inputs] == ["orders"]
    assert done.ports[0].rows == 1
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["publication"].value == done.id
    handmade.materialize("finance", "best", instance=instance)
    again = current(handmade)
    assert again is not None
    assert again.id == done.id


def test_its_versions_are_those_of_every_port(handmade: Shop, instance: dg.DagsterInstance):
    """The data version is the publication, also when there was nothing new to publish; the code version is that of `extra.py`."""
    handmade.materialize("sales", "orders", instance=instance)
    versions = []
    for text in (EXTRA, EXTRA, EXTRA.replace("top_k(1", "top_k(2")):
        write_extra(handmade.root / "domains" / "finance", text)
        (event,) = handmade.materialize("finance", "best", instance=instance).get_asset_materialization_events()
        done, tags = current(handmade), event.materialization.tags or {}
        assert done is not None
        assert tags["dagster/data_version"] == done.id
        versions.append((done.id, tags["dagster/code_version"]))
    assert versions[0] == versions[1]
    assert versions[1][0] != versions[2][0]
    assert versions[1][1] != versions[2][1]


def test_a_blocked_gate_publishes_nothing(handmade: Shop, instance: dg.DagsterInstance):
    """Rows that break a rule never become visible: the check is shown failed, the asset is not materialized."""
    handmade.order("2026-01-05", 1.0, 2.0)
    handmade.materialize("sales", "orders", instance=instance)
    result = handmade.materialize("finance", "best", instance=instance)
    assert not result.success
    assert current(handmade) is None
    assert instance.get_latest_materialization_event(BEST) is None
    events = instance.event_log_storage.get_latest_asset_check_execution_by_key([dg.AssetCheckKey(BEST, "worth_it")])
    evaluation = events[dg.AssetCheckKey(BEST, "worth_it")].evaluation
    assert evaluation is not None
    assert not evaluation.passed


def test_a_domain_writes_its_own_ports_only(handmade: Shop, instance: dg.DagsterInstance):
    """An asset with another domain's key, or one of a port that has code of its own, is refused before anything is staged."""
    foreign = EXTRA + EXTRA.replace('"best"]', '"revenue"]').replace("def best", "def revenue").replace("import", "import")
    write_extra(handmade.root / "domains" / "finance", foreign.replace('["finance", "revenue"]', '["purchase", "costs"]'))
    handmade.materialize("sales", "orders", instance=instance)
    job = handmade.definitions("finance").resolve_implicit_global_asset_job_def()
    with pytest.raises(dg.Failure, match=r"finance cannot write purchase\.costs"):
        job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey(["purchase", "costs"])])


def test_an_asset_that_is_missing_is_said(handmade: Shop):
    """A product that promises a hand-written asset without one keeps its location from loading, with the line to write."""
    write_extra(handmade.root / "domains" / "finance", "X = 1\n")
    with pytest.raises(DeclarationError, match="finance") as caught:
        handmade.definitions("finance")
    assert "io_manager_key" in str(caught.value)


def command(shop: Shop, *products: str, dry: bool = False) -> list[ProductRun]:
    with shop.open() as mesh:
        return run(mesh, [mesh.product(Address.parse(p)) for p in products], Wanted(), dry=dry)


def test_the_command_runs_it_too(handmade: Shop):
    """`mesh run` and its dry run go through the same asset; what its code raised is told in its own words."""
    assert [r.verdict for r in command(handmade, "sales.orders")] == ["published"]
    assert [r.verdict for r in command(handmade, "finance.best", dry=True)] == ["published"]
    assert current(handmade) is None
    assert [r.verdict for r in command(handmade, "finance.best")] == ["published"]
    assert current(handmade) is not None
    write_extra(
        handmade.root / "domains" / "finance",
        EXTRA.replace("return", "raise ArithmeticError('no best today')\n        return"),
    )
    (failed,) = command(handmade, "finance.best")
    assert failed.verdict == "failed"
    assert "no best today" in str(failed.error)
