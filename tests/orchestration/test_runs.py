"""What a run tells Dagster: published, unchanged, blocked, day by day."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import dagster as dg
import pytest

from lakehouse.address import Address
from lakehouse.rollback import plan_rollback, rollback
from lakehouse.testing import Port
from orchestration.story import Request, run_product
from tests.orchestration.conftest import DAY, Shop

ORDERS, REVENUE = dg.AssetKey(["sales", "orders"]), dg.AssetKey(["finance", "revenue"])
TOTAL = """
    import duckdb

    def total(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return orders.aggregate("sum(amount) as amount")
"""


def days_of(instance: dg.DagsterInstance) -> set[str]:
    return instance.get_materialized_partitions(ORDERS)


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, dg.AssetCheckSeverity]]:
    return {c.check_name: (c.passed, c.severity) for c in result.get_asset_check_evaluations()}


def test_what_is_published_is_materialized_day_by_day(shop: Shop, instance: dg.DagsterInstance):
    """A run without a partition tells each day it published; the data version is the publication."""
    for day in ("2026-01-05", "2026-01-06"):
        shop.order(day, 1.0, 2.0)
    result = shop.materialize("sales", "orders", instance=instance)
    assert result.success
    assert days_of(instance) == {"2026-01-05", "2026-01-06"}
    event = instance.get_latest_materialization_event(ORDERS)
    assert event is not None
    assert event.asset_materialization is not None
    told = event.asset_materialization
    with shop.open() as mesh:
        current = mesh.store.current(Address("sales", "orders"))
    assert current is not None
    assert (told.tags or {})["dagster/data_version"] == current.id
    assert told.metadata["dagster/row_count"].value == 4
    assert told.metadata["batches"].value == ["2026-01-05.csv", "2026-01-06.csv"]
    assert all(passed for passed, _ in checks_of(result).values())


def test_many_batches_are_told_in_a_sentence(shop: Shop, instance: dg.DagsterInstance):
    """A check over many deliveries counts all that failed, and quotes the first few only."""
    for number in range(1, 9):
        day, amounts = f"2026-01-0{number}", [*[None] * number, *[1.0] * 12 * number]
        shop.deliver("sales.orders", f"{day}.csv", [{"day": day, "id": number * 1000 + n, "amount": a} for n, a in enumerate(amounts)])
    result = shop.materialize("sales", "orders", instance=instance)
    assert result.success
    (check,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "amount_required"]
    assert check.metadata["failing"].value == sum(range(1, 9))
    assert (check.description or "").startswith("1 rows set aside; 2 rows set aside; ")
    assert (check.description or "").endswith("; 5 rows set aside; and 3 more")


def test_what_dagster_never_heard_of_is_told_by_the_next_run(shop: Shop, instance: dg.DagsterInstance):
    """A run that died after its publication, or a rollback: the next run has nothing to do, and tells what changed, once."""

    def heard() -> tuple[set[str | None], set[str]]:
        """Days (none: the whole) and data versions that a run with nothing to do tells."""
        result = shop.materialize("sales", "orders", instance=instance)
        told = [e.materialization for e in result.get_asset_materialization_events()]
        assert result.success
        return {m.partition for m in told}, {(m.tags or {})["dagster/data_version"] for m in told}

    days = ("2026-01-05", "2026-01-06", "2026-01-07")
    for day in days:
        shop.order(day, 1.0, 2.0)
        with shop.open() as mesh:  # as a run that dies before Dagster hears of it
            product = mesh.product(Address("sales", "orders"))
            (outcome,) = run_product(mesh, product, Request(run_id=str(uuid.uuid4())))
        if day != days[0]:
            assert outcome.publication is not None
            assert heard() == ({*days[: days.index(day) + 1], None} if day == days[1] else {day, None}, {outcome.publication.id})
            assert heard() == (set(), set())
    with shop.open() as mesh:
        product = mesh.product(Address("sales", "orders"))
        earlier = rollback(mesh, plan_rollback(mesh, product), str(uuid.uuid4()))
    assert heard() == ({days[-1], None}, {earlier.id})
    assert heard() == (set(), set())


def test_what_is_said_leaves_with_the_run(shop: Shop, instance: dg.DagsterInstance):
    """A run that Dagster started tells its lineage as `mesh run` does: nothing waits for a command that nobody may type."""
    shop.order("2026-01-05", 1.0, 2.0)
    shop.materialize("sales", "orders", instance=instance)
    with shop.open() as mesh:
        assert mesh.store.waiting("lineage") == ()
    told = [json.loads(line) for line in (shop.root / ".mesh" / "lineage" / "events.jsonl").read_text().splitlines()]
    assert [(e["job"]["name"], e["eventType"]) for e in told] == [("sales.orders", "START"), ("sales.orders", "COMPLETE")]


def test_code_that_cannot_be_loaded_is_told(shop: Shop, instance: dg.DagsterInstance):
    """A run that ends before it has anything to stage has a START and a FAIL as well, with the reason and the data set that it is about."""
    shop.order("2026-01-05", 1.0, 2.0)
    transform = shop.root / "domains" / "finance" / "revenue" / "transform.py"
    code = transform.read_text()
    transform.write_text(f"import no_such_library\n{code}")
    assert not shop.materialize("finance", "revenue", instance=instance).success
    start, fail = [json.loads(line) for line in (shop.root / ".mesh" / "lineage" / "events.jsonl").read_text().splitlines()]
    assert [(e["job"]["name"], e["eventType"]) for e in (start, fail)] == [("finance.revenue", "START"), ("finance.revenue", "FAIL")]
    assert "no_such_library" in fail["run"]["facets"]["errorMessage"]["message"]
    assert start["run"]["runId"] == fail["run"]["runId"]
    transform.write_text(code)
    shop.materialize("sales", "orders", instance=instance)
    shop.materialize("finance", "revenue", instance=instance)
    told = [json.loads(line) for line in (shop.root / ".mesh" / "lineage" / "events.jsonl").read_text().splitlines()]
    assert told[-1]["eventType"] == "COMPLETE"
    assert [(o["namespace"], o["name"]) for o in fail["outputs"]] == [(o["namespace"], o["name"]) for o in told[-1]["outputs"]]


def test_a_second_run_has_nothing_to_do(shop: Shop, instance: dg.DagsterInstance):
    """Unchanged is a success with an observation and without a materialization: nothing downstream runs for it."""
    shop.order("2026-01-05", 1.0, 2.0)
    shop.materialize("sales", "orders", instance=instance)
    again = shop.materialize("sales", "orders", instance=instance)
    assert again.success
    assert not again.get_asset_materialization_events()
    assert [e.asset_key for e in again.get_asset_observation_events()] == [ORDERS]


def test_a_blocked_batch_fails_the_run_and_keeps_the_others(shop: Shop, instance: dg.DagsterInstance):
    """The failed rule is shown as an error, the day is not materialized, there is no retry; the good day stays published."""
    shop.order("2026-01-05", 1.0, 2.0)
    shop.order("2026-01-06", 1.0)
    result = shop.materialize("sales", "orders", instance=instance)
    assert not result.success
    assert days_of(instance) == {"2026-01-05"}
    assert checks_of(result)["not_too_few"] == (False, dg.AssetCheckSeverity.ERROR)
    (failure,) = [e.step_failure_data for e in result.get_step_failure_events()]
    assert failure.user_failure_data is not None
    assert "2026-01-06.csv" in str(failure.user_failure_data.description)


def test_a_blocked_run_is_not_tried_again(shop: Shop, instance: dg.DagsterInstance):
    """The same rows would break the same rule: the failure forbids retries, whatever a deployment's retry policy says."""
    shop.order("2026-01-06", 1.0)
    job = shop.definitions("sales").resolve_implicit_global_asset_job_def()
    with pytest.raises(dg.Failure) as caught:
        job.execute_in_process(instance=instance, asset_selection=[ORDERS])
    assert not caught.value.allow_retries


def test_rows_set_aside_are_a_warning(shop: Shop, instance: dg.DagsterInstance):
    """A broken row rule fails its check as a warning: the rest of the batch is published."""
    shop.order("2026-01-05", 1.0, 2.0, None)
    result = shop.materialize("sales", "orders", instance=instance)
    assert result.success
    assert checks_of(result)["amount_required"] == (False, dg.AssetCheckSeverity.WARN)


def test_a_backfill_of_days_is_one_run(shop: Shop, instance: dg.DagsterInstance):
    """A range of days is taken by a single run, which materializes the days that had a delivery and no other."""
    for day in ("2026-01-05", "2026-01-07", "2026-01-09"):
        shop.order(day, 1.0, 2.0)
    asset = shop.definitions("sales").resolve_asset_graph().get(ORDERS)
    assert asset.backfill_policy == dg.BackfillPolicy.single_run()
    days = {"dagster/asset_partition_range_start": "2026-01-05", "dagster/asset_partition_range_end": "2026-01-08"}
    assert shop.materialize("sales", "orders", instance=instance, **days).success
    assert days_of(instance) == {"2026-01-05", "2026-01-07"}


def test_products_of_one_domain_run_one_after_another(shop: Shop, instance: dg.DagsterInstance):
    """Within one run a derived product follows its daily input."""
    shop.product("sales.total", columns={"amount": "number"}, reads={"orders": "sales.orders"}, transform=TOTAL, write="overwrite")
    shop.order("2026-01-05", 1.0, 2.0)
    assert shop.materialize("sales", "orders", "total", instance=instance).success
    assert instance.get_latest_materialization_event(dg.AssetKey(["sales", "total"])) is not None


def test_ports_publish_together_whatever_was_selected(tmp_path: Path, instance: dg.DagsterInstance):
    """Selecting one port publishes all; only the selected one is told in this run."""
    shop = Shop(tmp_path / "twins")
    total = Port(name="orders_total", columns={"total": "number"}, write="overwrite")
    transform = """
        import duckdb
        def orders(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return landed
        def orders_total(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
            return orders.aggregate("sum(amount) as total")
    """
    shop.product("sales.orders", columns={"id": "integer", "amount": "number"}, siblings=[total], transform=transform)
    shop.deliver("sales.orders", "1.csv", [{"id": 1, "amount": 2.0}])
    result = shop.materialize("sales", "orders_total", instance=instance)
    assert [e.asset_key for e in result.get_asset_materialization_events()] == [dg.AssetKey(["sales", "orders_total"])]
    with shop.open() as mesh:
        (product,) = mesh.declarations.products
        current = mesh.store.current(product)
    assert current is not None
    assert [p.rows for p in current.ports] == [1, 1]


def test_a_transform_that_raises_fails_in_its_own_words(shop: Shop, instance: dg.DagsterInstance):
    """What product code raised is the run's failure, with the line; nothing is materialized and nothing retried."""
    shop.order("2026-01-05", 1.0, 2.0)
    shop.materialize("sales", "orders", instance=instance)
    code = shop.root / "domains" / "finance" / "revenue" / "transform.py"
    code.write_text(code.read_text().replace("return orders", "raise ArithmeticError('no revenue today')\n    return orders"))
    result = shop.materialize("finance", "revenue", instance=instance)
    (failure,) = [e.step_failure_data for e in result.get_step_failure_events()]
    assert failure.user_failure_data is not None
    assert "no revenue today" in str(failure.user_failure_data.description)
    assert not result.get_asset_materialization_events()


@pytest.mark.parametrize("status", ["draft", "active"])
def test_an_input_that_was_never_published_is_said(shop: Shop, instance: dg.DagsterInstance, status: str):
    """A derived product without its input fails with the way out, whatever its status."""
    odps = shop.root / "domains" / "finance" / "revenue" / "product.odps.yaml"
    odps.write_text(odps.read_text().replace("status: active", f"status: {status}"))
    result = shop.materialize("finance", "revenue", instance=instance)
    assert not result.success
    (failure,) = [e.step_failure_data for e in result.get_step_failure_events()]
    assert failure.user_failure_data is not None
    assert "mesh run sales.orders" in str(failure.user_failure_data.description)


DAILY = """
    import duckdb

    def orders(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed

    def orders_daily(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return orders.aggregate("day, sum(amount) as amount", "day")
"""


def test_a_partitioned_product_runs_with_a_sibling_and_without_a_partition(shop: Shop, instance: dg.DagsterInstance):
    """As `mesh run` and a sensor start it: Dagster has no partition to ask for, of the port or of what the port is computed from."""
    day = {"day": "identity"}
    daily = Port(name="orders_daily", columns={"day": "date", "amount": "number"}, partitions=day, write="overwrite_partitions")
    shop.product(
        "sales.orders", columns=DAY, partitions=day, siblings=[daily], transform=DAILY, source={"delivery": "{date}.csv"}
    )  # fmt: skip
    shop.order("2026-01-05", 1.0, 2.0)
    assert shop.materialize("sales", "orders", "orders_daily", instance=instance).success
    assert days_of(instance) == {"2026-01-05"}
