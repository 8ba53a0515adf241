"""What starts a product by itself, and what does not."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest

from lakehouse.address import Address
from lakehouse.testing import Port
from tests.orchestration.conftest import REVENUE as SUM
from tests.orchestration.conftest import Shop

ORDERS, REVENUE, COSTS = dg.AssetKey(["sales", "orders"]), dg.AssetKey(["finance", "revenue"]), dg.AssetKey(["purchase", "costs"])
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


class Evaluated:
    """A location whose conditions are evaluated tick after tick."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.definitions, self.instance = definitions, instance
        self.last: dg.EvaluateAutomationConditionsResult | None = None

    def requested(self) -> int:
        self.last = dg.evaluate_automation_conditions(self.definitions, self.instance, cursor=self.last.cursor if self.last else None)
        return self.last.total_requested

    def published(self, key: dg.AssetKey, day: str | None = None) -> None:
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=day))


def test_a_derived_product_follows_its_inputs_across_domains(shop: Shop, instance: dg.DagsterInstance):
    """It runs once for each publication of an input elsewhere, though most days of that input have no delivery."""
    shop.order("2026-01-05", 1.0, 2.0)
    finance = Evaluated(shop.definitions("finance"), instance)
    assert finance.requested() == 0
    finance.published(ORDERS, "2026-01-05")
    assert finance.requested() == 1
    finance.published(REVENUE)
    assert finance.requested() == 0
    finance.published(ORDERS, "2026-01-06")
    assert finance.requested() == 1


BOTH = (
    SUM
    + """
    def revenue_peak(revenue: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return revenue.aggregate("max(amount) as amount")
"""
)


def test_the_ports_of_a_product_are_asked_for_together(shop: Shop, instance: dg.DagsterInstance):
    """One that is computed from its sibling is shown so, is asked for in the same tick, and not again because of it."""
    peak = Port(name="revenue_peak", columns={"amount": "number"}, write="overwrite")
    shop.product(
        "finance.revenue",
        columns={"day": "date", "amount": "number"},
        reads={"orders": "sales.orders"},
        siblings=[peak],
        transform=BOTH,
        write="overwrite",
    )
    shop.order("2026-01-05", 1.0, 2.0)
    finance, key = Evaluated(shop.definitions("finance"), instance), dg.AssetKey(["finance", "revenue_peak"])
    assert finance.definitions.resolve_asset_graph().get(key).parent_keys == {ORDERS, REVENUE}
    assert finance.requested() == 0
    finance.published(ORDERS, "2026-01-05")
    assert finance.requested() == 2
    finance.published(REVENUE)
    finance.published(key)
    assert finance.requested() == 0


def test_it_waits_for_an_input_that_was_never_published(shop: Shop, instance: dg.DagsterInstance):
    """With two inputs it does not run before both are there: a run would only fail."""
    shop.product("purchase.costs", columns={"amount": "number"})
    shop.product(
        "finance.revenue",
        columns={"day": "date", "amount": "number"},
        reads={"orders": "sales.orders", "costs": "purchase.costs"},
        transform=SUM.replace("orders: duckdb.DuckDBPyRelation", "orders: duckdb.DuckDBPyRelation, costs: duckdb.DuckDBPyRelation"),
        write="overwrite",
    )
    shop.order("2026-01-05", 1.0, 2.0)
    finance = Evaluated(shop.definitions("finance"), instance)
    finance.requested()
    finance.published(ORDERS, "2026-01-05")
    assert finance.requested() == 0
    finance.published(COSTS)
    assert finance.requested() == 1


def test_a_schedule_keeps_the_promised_frequency(shop: Shop):
    """The contract's cron expression, in the domain's zone; products that are drafts are not scheduled."""
    (schedule,) = [s for s in shop.definitions("sales").schedules or () if s.name == "orders_by_schedule"]
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 6 * * *", "UTC")
    odps = shop.root / "domains" / "sales" / "orders" / "product.odps.yaml"
    odps.write_text(odps.read_text().replace("status: active", "status: draft"))
    assert [s.name for s in shop.definitions("sales").schedules or ()] == ["retention_at_night"]


def test_a_promise_of_freshness_is_watched(shop: Shop):
    """A port that promises a day, and two hours from delivery, is late after twenty-six hours."""
    shop.product(
        "sales.orders",
        columns={"id": "integer"},
        contract={"slaProperties": [{"property": "frequency", "value": 1, "unit": "d"}, {"property": "latency", "value": 2, "unit": "h"}]},
    )
    policy = shop.definitions("sales").resolve_asset_graph().get(ORDERS).freshness_policy
    assert policy == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26))


def look(shop: Shop, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    definitions = shop.definitions("sales")
    (sensor,) = [s for s in definitions.sensors or () if s.name == "arrivals"]
    assert isinstance(sensor, dg.SensorDefinition)
    found = sensor(dg.build_sensor_context(instance, cursor=cursor, definitions=definitions))
    assert isinstance(found, dg.SensorResult | dg.SkipReason)
    return found


def test_a_file_that_arrives_asks_for_a_run(shop: Shop, instance: dg.DagsterInstance):
    """Once for each change of the landing place, and not for files that a run has looked at."""
    shop.order("2026-01-05", 1.0, 2.0)
    first = look(shop, instance, None)
    assert isinstance(first, dg.SensorResult)
    assert [r.asset_selection for r in first.run_requests or ()] == [[ORDERS]]
    assert isinstance(look(shop, instance, first.cursor), dg.SkipReason)
    shop.materialize("sales", "orders", instance=instance)
    known = look(shop, instance, None)
    assert isinstance(known, dg.SensorResult)
    assert not known.run_requests
    shop.order("2026-01-06", 1.0, 2.0)
    second = look(shop, instance, first.cursor)
    assert isinstance(second, dg.SensorResult)
    assert len(second.run_requests or ()) == 1


def test_a_domain_tidies_up_at_night(shop: Shop, instance: dg.DagsterInstance):
    """The retention job takes away what the contract lets go, and triggers nothing downstream."""
    shop.product(
        "sales.orders",
        columns={"day": "date", "id": "integer"},
        partitions={"day": "identity"},
        contract={"slaProperties": [{"property": "retention", "value": 1, "unit": "y", "element": "day"}]},
    )
    shop.deliver("sales.orders", "all.csv", [{"day": "2001-01-01", "id": 1}, {"day": "2099-01-01", "id": 2}])
    shop.materialize("sales", "orders", instance=instance)
    before = instance.get_latest_materialization_event(ORDERS)
    assert shop.definitions("sales").resolve_job_def("retention").execute_in_process(instance=instance).success
    with shop.open() as mesh:
        current = mesh.store.current(Address("sales", "orders"))
    assert current is not None
    assert (current.kind, current.ports[0].total_rows) == ("retention", 1)
    assert instance.get_latest_materialization_event(ORDERS) == before
