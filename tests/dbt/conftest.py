"""A tiny mesh with one SQL product: `reports.totals`, per customer, and its sibling `totals_best`."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.declare import load
from lakehouse.testing import Port
from orchestration.dbt_sources import write_sources
from tests.spine.tried import Tried

TOTALS = """
-- what each customer bought
select customer, sum(amount) as total
from {{ source('sales', 'orders') }}
group by customer
"""
BEST = "select customer from {{ ref('reports__totals') }} qualify total = max(total) over ()"
TESTS = """
models:
  - name: reports__totals
    columns:
      - name: customer
        data_tests: [unique, not_null]
"""
PROJECT = """
name: tiny
profile: tiny
flags: {send_anonymous_usage_stats: false}
models: {tiny: {+materialized: table}}
"""
PROFILE = """
tiny:
  target: scratch
  outputs:
    scratch: {type: duckdb, path: scratch.duckdb, settings: {TimeZone: UTC}, plugins: [{module: orchestration.dbt_plugin}]}
"""


class Shop(Tried):
    """`sales.orders` as delivered, and `reports.totals` in SQL."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.product("sales.orders", columns={"id": "integer", "customer": "string", "amount": "integer"}, key=["id"])
        self.product(
            "reports.totals",
            columns={"customer": {"logicalType": "string", "required": True}, "total": "integer"},
            reads={"orders": "sales.orders"},
            write="overwrite",
            siblings=[Port(name="totals_best", columns={"customer": "string"}, write="overwrite")],
        )
        self.write("dbt_project.yml", PROJECT)
        self.write("profiles.yml", PROFILE)
        self.model("totals", TOTALS)
        self.model("totals_best", BEST)
        self.write("models/reports/totals/totals.yml", TESTS)
        write_sources(load(root))
        self.deliver("sales.orders", "monday.csv", [{"id": 1, "customer": "ann", "amount": 9}, {"id": 2, "customer": "bob", "amount": 4}])

    def write(self, path: str, text: str) -> Path:
        file = self.root / "dbt" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def model(self, port: str, sql: str) -> Path:
        return self.write(f"models/reports/totals/reports__{port}.sql", sql)

    def singular(self, sql: str) -> Path:
        """A dbt test of its own: it fails for every row that it returns."""
        return self.write("tests/reports/nothing_odd.sql", sql)


@pytest.fixture(autouse=True)
def _swept() -> Iterator[None]:
    """When a model fails, dbt leaves its thread pool to the garbage collector, which complains whenever it comes by."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Delivered and published, the SQL product still to be run."""
    made = Shop(tmp_path)
    assert made.results("sales.orders") == ["published"]
    return made
