"""A shop with two domains: orders arrive day by day, revenue is computed from them elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lakehouse.testing import MeshFolder, Property
from orchestration.build import build_definitions

DAY: dict[str, Property] = {"day": "date", "id": "integer", "amount": {"logicalType": "number", "required": True}}
REVENUE = """
    import duckdb

    def revenue(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return orders.aggregate("day, sum(amount) as amount", "day")
"""


class Shop(MeshFolder):
    """A mesh that is looked at through Dagster."""

    def definitions(self, domain: str) -> dg.Definitions:
        """The domain's code location, as `dagster dev` loads it."""
        return build_definitions(str(self.root / "domains" / domain / "definitions.py"))

    def materialize(self, domain: str, *ports: str, instance: dg.DagsterInstance, **tags: str) -> dg.ExecuteInProcessResult:
        """Run ports of a domain as the UI does."""
        job = self.definitions(domain).resolve_implicit_global_asset_job_def()
        keys = [dg.AssetKey([domain, port]) for port in ports]
        return job.execute_in_process(instance=instance, asset_selection=keys, tags=tags, raise_on_error=False)

    def order(self, day: str, *amounts: float | None) -> None:
        rows = [{"day": day, "id": int(day.replace("-", "")) * 10 + n, "amount": amount} for n, amount in enumerate(amounts)]
        self.deliver("sales.orders", f"{day}.csv", rows)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "shop")
    shop.product(
        "sales.orders",
        columns=DAY,
        key=["id"],
        partitions={"day": "identity"},
        source={"delivery": "{date}.csv"},
        quality=[{"name": "not_too_few", "metric": "rowCount", "mustBeGreaterThan": 1}],
        contract={"slaProperties": [{"property": "frequency", "value": 1, "unit": "d", "schedule": "0 6 * * *"}]},
    )
    shop.product(
        "finance.revenue",
        columns={"day": "date", "amount": "number"},
        reads={"orders": "sales.orders"},
        transform=REVENUE,
        write="overwrite",
    )
    return shop


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
