"""What Dagster shows of a domain, and what it does not let one domain do to another."""

from __future__ import annotations

import dagster as dg
import pytest

from lakehouse.errors import DeclarationError
from tests.orchestration.conftest import DAY, Shop

ORDERS, REVENUE = dg.AssetKey(["sales", "orders"]), dg.AssetKey(["finance", "revenue"])


def test_a_port_is_an_asset_with_everything_that_is_declared_of_it(shop: Shop):
    """Key, group, owners, kinds, columns with constraints, code version: what a consumer wants to know stands there."""
    spec = shop.definitions("sales").resolve_asset_graph().get(ORDERS)
    assert spec.group_name == "orders"
    assert set(spec.owners) == {"team:sales", "sales@example.com"}
    assert spec.kinds == {"iceberg"}
    assert spec.tags["status"] == "active"
    columns = {c.name: c for c in spec.metadata["dagster/column_schema"].columns}
    assert [*columns] == ["day", "id", "amount"]
    assert not columns["amount"].constraints.nullable
    assert columns["id"].constraints.unique
    assert columns["day"].tags == {"classification": "public"}
    assert (spec.code_version or "").startswith("pass-through-")


def test_every_rule_of_the_contract_is_a_check(shop: Shop):
    """Row rules, keys, quality rules and the platform's own limits can all be seen before anything runs."""
    graph = shop.definitions("sales").resolve_asset_graph()
    names = {key.name for key in graph.asset_check_keys}
    assert {"not_too_few", "type", "quarantine", "amount_required"} <= names


def test_columns_tell_where_they_come_from(shop: Shop):
    """Column lineage crosses domains, and says that a function was not read but matched by name."""
    spec = shop.definitions("finance").resolve_asset_graph().get(REVENUE)
    lineage = spec.metadata["dagster/column_lineage"].deps_by_column
    assert [(d.asset_key, d.column_name) for d in lineage["amount"]] == [(ORDERS, "amount")]
    assert spec.metadata["column_lineage_method"] == "name"


def test_a_domain_knows_only_stubs_of_others(shop: Shop):
    """The ports that a domain reads appear in its location without a way to run them there."""
    graph = shop.definitions("finance").resolve_asset_graph()
    assert graph.get(REVENUE).parent_keys == {ORDERS}
    assert not graph.get(ORDERS).is_materializable


def test_a_mistake_stays_in_its_domain(shop: Shop):
    """Broken declarations keep their own location from loading, with every problem; other locations load."""
    odps = shop.root / "domains" / "sales" / "orders" / "product.odps.yaml"
    odps.write_text(odps.read_text().replace("status: active", "status: aktive").replace("write: append", "wriet: append"))
    with pytest.raises(DeclarationError) as caught:
        shop.definitions("sales")
    assert "aktive" in str(caught.value)
    assert "wriet" in str(caught.value)
    assert REVENUE in shop.definitions("finance").resolve_asset_graph().get_all_asset_keys()


def test_days_begin_with_the_first_delivery_or_the_promise(shop: Shop):
    """Daily partitions start where the data does; without any delivery there are none to show."""
    assert shop.definitions("sales").resolve_asset_graph().get(ORDERS).partitions_def is None
    shop.order("2026-01-05", 1.0, 2.0)
    days = shop.definitions("sales").resolve_asset_graph().get(ORDERS).partitions_def
    assert isinstance(days, dg.DailyPartitionsDefinition)
    assert days.start.date().isoformat() == "2026-01-05"
    shop.product(
        "sales.orders",
        columns=DAY,
        partitions={"day": "identity"},
        source={"delivery": "{date}.csv"},
        contract={"slaProperties": [{"property": "generalAvailability", "value": "2026-01-01"}]},
    )
    promised = shop.definitions("sales").resolve_asset_graph().get(ORDERS).partitions_def
    assert isinstance(promised, dg.DailyPartitionsDefinition)
    assert promised.start.date().isoformat() == "2026-01-01"
