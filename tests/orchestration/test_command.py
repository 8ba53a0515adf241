"""What the command runs is a Dagster run: recorded where the UI looks, in order, and one product's trouble stays its own."""

from __future__ import annotations

import dagster as dg
import pytest

from lakehouse.address import Address
from lakehouse.batches import Wanted
from orchestration.instance import open_instance
from orchestration.runs import ProductRun, run
from tests.orchestration.conftest import Shop

ORDERS = dg.AssetKey(["sales", "orders"])


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def command(shop: Shop, *products: str, wanted: Wanted | None = None, dry: bool = False) -> list[ProductRun]:
    with shop.open() as mesh:
        return run(mesh, [mesh.product(Address.parse(p)) for p in products], wanted or Wanted(), dry=dry)


def test_a_run_is_remembered_where_the_ui_looks(shop: Shop, capfd: pytest.CaptureFixture[str]):
    """Runs, materializations and checks are below the mesh's home; Dagster's own log stays off the terminal."""
    shop.order("2026-01-05", 1.0, 2.0)
    done = command(shop, "sales.orders", "finance.revenue")
    assert [r.verdict for r in done] == ["published", "published"]
    with open_instance(shop.root / ".mesh" / "dagster") as instance:
        runs = {r.run_id: r.status for r in instance.get_runs()}
        assert runs == {r.run_id: dg.DagsterRunStatus.SUCCESS for r in done}
        assert instance.get_materialized_partitions(ORDERS) == {"2026-01-05"}
    assert "DEBUG" not in "".join(capfd.readouterr())


def test_days_are_chosen_by_name(shop: Shop):
    """From and to take the deliveries of these days, and leave the others for another time."""
    for day in ("2026-01-05", "2026-01-06", "2026-01-07"):
        shop.order(day, 1.0, 2.0)
    (first,) = command(shop, "sales.orders", wanted=Wanted(first="2026-01-06", last="2026-01-06"))
    assert [o.batch.partition for o in first.outcomes] == ["2026-01-06"]
    (rest,) = command(shop, "sales.orders")
    assert [o.batch.partition for o in rest.outcomes] == ["2026-01-05", "2026-01-07"]


def test_what_reads_a_stopped_product_is_skipped(shop: Shop):
    """A product whose input was blocked and published nothing waits; one beside it runs."""
    shop.product("sales.prices", columns={"id": "integer"})
    shop.deliver("sales.prices", "1.csv", [{"id": 1}])
    shop.order("2026-01-05", 1.0)
    done = command(shop, "sales.orders", "finance.revenue", "sales.prices")
    assert [r.verdict for r in done] == ["blocked", "skipped", "published"]
    assert [r.exit_code for r in done] == [1, 1, 0]


def test_a_dry_run_tries_what_it_can(shop: Shop):
    """What reads a product that would be published for the first time is skipped, which is no failure; later it is tried as well."""
    shop.order("2026-01-05", 1.0, 2.0)
    done = command(shop, "sales.orders", "finance.revenue", dry=True)
    assert [(r.verdict, r.exit_code) for r in done] == [("published", 0), ("skipped", 0)]
    command(shop, "sales.orders")
    done = command(shop, "sales.orders", "finance.revenue", dry=True)
    assert [(r.verdict, r.exit_code) for r in done] == [("unchanged", 0), ("published", 0)]


def test_what_reads_a_partly_stopped_product_runs(shop: Shop):
    """One bad day does not keep the good ones from those who wait for them."""
    shop.order("2026-01-05", 1.0, 2.0)
    shop.order("2026-01-06", 1.0)
    assert [r.verdict for r in command(shop, "sales.orders", "finance.revenue")] == ["blocked", "published"]


def test_a_dry_run_leaves_no_trace(shop: Shop):
    """It judges and reports, and neither the store nor Dagster remembers it."""
    shop.order("2026-01-05", 1.0, 2.0)
    (done,) = command(shop, "sales.orders", dry=True)
    assert done.verdict == "published"
    assert done.publications == ()
    with shop.open() as mesh:
        assert mesh.store.current(Address("sales", "orders")) is None
    assert not (shop.root / ".mesh" / "dagster").exists()
