"""A dry run says what the run would: each batch is judged upon those before it, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lakehouse.testing import Port, Property
from orchestration.story import Outcome
from tests.spine.tried import Tried

COLUMNS: dict[str, Property] = {
    "id": "integer",
    "day": "string",
    "amount": {"logicalType": "integer", "logicalTypeOptions": {"maximum": 100}},
}
BOTH = """
    import duckdb

    def orders(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed

    def orders_daily(orders: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return orders.aggregate("day, count(*) as orders")
"""
DAYS: dict[str, Property] = {"day": "string", "orders": {"logicalType": "integer", "logicalTypeOptions": {"maximum": 3}}}
OURS = {"property": "lakemesh", "vendor": "lakemesh"}
LIMITED = [{"type": "library", "metric": "rowCount", "mustBeLessThan": 6, "customProperties": [{**OURS, "value": {"scope": "port"}}]}]
LOOSE = {"customProperties": [{**OURS, "value": {"quarantine": {"percent": 100}}}]}
DELIVERIES = [
    [{"id": 1, "day": "mo", "amount": 1}, {"id": 2, "day": "mo", "amount": 101}],
    [{"id": 1, "day": "tu", "amount": 2}],  # a key that the batch before has
    [{"id": 3, "day": "tu", "amount": "many"}],
    [{"id": 2, "day": "mo", "amount": 4}, {"id": 4, "day": "mo", "amount": 4}],
    [{"id": n, "day": "we", "amount": n} for n in range(5, 12)],  # more than the port may hold
    [{"id": 12, "day": "mo", "amount": 12}],
]
MODES: dict[str, dict[str, Any]] = {
    "append": {"write": "append", "key": ["id"]},
    "append_partitioned": {"write": "append", "key": ["id"], "partitions": {"day": "identity"}},
    "upsert": {"write": "upsert", "key": ["id"]},
    "overwrite": {"write": "overwrite"},
    "overwrite_partitions": {"write": "overwrite_partitions", "partitions": {"day": "identity"}},
}


def told(outcome: Outcome) -> tuple[Any, ...]:
    """What a run says of a batch."""
    ports = outcome.report.ports if outcome.report else ()
    verdicts = [(str(p.address), p.rows, p.total_rows, p.quarantined, [(r.rule, r.outcome, r.failing) for r in p.rules]) for p in ports]
    return outcome.result, outcome.batch.name, outcome.batch.delivered, verdicts


def files(here: Tried) -> set[Path]:
    return {p for p in (here.root / ".mesh").rglob("*") if p.is_file() and not p.name.endswith(("-wal", "-shm"))}


def declare(here: Tried, mode: Mapping[str, Any]) -> None:
    parted = mode.get("partitions")
    daily = Port(name="orders_daily", columns=DAYS, write="overwrite_partitions" if parted else "overwrite", partitions=parted or {})
    here.product("shop.orders", columns=COLUMNS, quality=LIMITED, siblings=[daily], transform=BOTH, contract=LOOSE, **mode)


@pytest.mark.parametrize("published", [0, 1])
@pytest.mark.parametrize("mode", MODES)
def test_a_dry_run_says_what_the_run_says(here: Tried, mode: str, published: int):
    """Six deliveries of which some block, some lose rows and some only do so after others: dry and in earnest alike, and no trace."""
    declare(here, MODES[mode])
    for number, rows in enumerate(DELIVERIES, start=1):
        here.deliver("shop.orders", f"{number}.csv", rows)
        if number == published:
            here.run("shop.orders")
    before = here.batches("shop.orders"), files(here)
    dry = [told(o) for o in here.run("shop.orders", dry=True)]
    assert (here.batches("shop.orders"), files(here)) == before
    assert dry == [told(o) for o in here.run("shop.orders")]
    assert mode == "overwrite" or {"published", "blocked"} <= {result for result, *_ in dry}
