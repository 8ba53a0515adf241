"""A contract over time: compatible edits travel with the next publication, breaking ones are refused; types are exact."""

from __future__ import annotations

import sys

import pytest

from lakehouse.errors import BreakingChange, NotInstalled
from lakehouse.testing import Property
from tests.spine.tried import Tried

INT: Property = {"logicalType": "integer", "physicalType": "int"}
SMALL: dict[str, Property] = {"id": INT, "price": {"logicalType": "number", "physicalType": "decimal(6,2)"}}
WIDE: dict[str, Property] = {
    "id": "integer",
    "price": {"logicalType": "number", "physicalType": "decimal(12,2)"},
    "note": "string",
}
NOTED = """
    import duckdb

    def items(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed.project("id, price, 'n' as note")
"""


@pytest.fixture
def items(here: Tried) -> Tried:
    here.product("shop.items", columns=SMALL)
    here.deliver("shop.items", "1.csv", [{"id": 1, "price": "1.50"}])
    here.run("shop.items")
    return here


def test_added_and_widened_columns_travel_with_the_next_publication(items: Tried):
    """Adding and widening wait for the next batch; old rows read NULL, old publications are still readable, and the ids stay."""
    before = items.run("shop.items", dry=True)
    assert before == []
    items.product("shop.items", columns=WIDE, landed=WIDE_LANDED, version="1.1.0", transform=NOTED)
    items.deliver("shop.items", "2.csv", [{"id": 5_000_000_000, "price": "123456789.25"}])
    (published,) = items.run("shop.items")
    assert published.result == "published"
    assert [(r[0], str(r[1]), r[2]) for r in items.rows("shop.items")] == [(1, "1.50", None), (5_000_000_000, "123456789.25", "n")]
    with items.open() as mesh:
        first = mesh.store.publications(published.batch.product)[-1]
        schema = mesh.catalog.load_table(("shop", "items")).schema()
    assert [(r[0], str(r[1])) for r in items.rows("shop.items", as_of=first.id)] == [(1, "1.50")]
    assert [(f.field_id, f.name) for f in schema.fields] == [(1, "id"), (2, "price"), (3, "note")]


WIDE_LANDED: dict[str, Property] = {"id": "integer", "price": {"logicalType": "number", "physicalType": "decimal(12,2)"}}


def test_a_breaking_edit_is_refused_with_the_way_out(items: Tried):
    """Narrowing a type fails the run, names the new port to declare, and changes nothing."""
    items.product("shop.items", columns={"id": "string", "price": SMALL["price"]}, version="1.1.0")
    items.deliver("shop.items", "2.csv", [{"id": "x", "price": "1.00"}])
    (refused,) = items.run("shop.items")
    assert refused.result == "failed"
    assert "items_v2" in str(refused.error)
    items.product("shop.items", columns=SMALL)
    assert [r[0] for r in items.rows("shop.items")] == [1]


CASTS = [
    ("integer", "double", "2.0", 2),
    ("integer", "double", "1.5", None),
    ("int", "long", "3000000000", None),
    ("decimal(6,2)", "double", "1.25", "1.25"),
    ("decimal(4,2)", "double", "123.0", None),
    ("decimal(6,2)", "decimal(8,4)", "1.2500", "1.25"),
    ("decimal(6,2)", "decimal(8,4)", "1.2345", None),
    ("date", "timestamp", "2026-01-01T00:00:00Z", "2026-01-01"),
    ("date", "timestamp", "2026-01-01T10:00:00Z", None),
    ("float", "double", "0.5", 0.5),
]
LOGICAL = {"int": "integer", "long": "integer", "double": "number", "float": "number"}


def column(kind: str) -> Property:
    if kind.startswith("decimal"):
        return {"logicalType": "number", "physicalType": kind}
    return {"logicalType": LOGICAL[kind], "physicalType": kind} if kind in LOGICAL else kind


@pytest.mark.parametrize(("to", "given", "text", "kept"), CASTS)
def test_a_value_is_stored_as_it_is_or_set_aside(here: Tried, to: str, given: str, text: str, kept: object):
    """A cast to the contract's exact type that would lose something sets the row aside; nothing is rounded in silence."""
    here.product("lab.casts", columns={"n": "integer", "v": column(to)}, landed={"n": "integer", "v": column(given)})
    here.deliver("lab.casts", "1.csv", [{"n": 1, "v": text}, {"n": 2, "v": None}])
    assert here.results("lab.casts") == ["published"]
    stored = {r[0]: r[1] for r in here.rows("lab.casts")}
    assert stored.get(2, "gone") is None
    if kept is None:
        assert 1 not in stored
        assert [(r.rule, r.origin) for r in here.quarantined("lab.casts")] == [("type", "output")]
    else:
        assert str(stored[1]) == str(kept)


def test_a_dry_run_leaves_nothing(items: Tried):
    """`--dry-run` goes through the gate and leaves no row, no batch, no file."""
    items.deliver("shop.items", "2.csv", [{"id": 2, "price": "2.00"}])
    items.deliver("shop.items", "3.csv", [{"id": 3}])
    assert items.results("shop.items", dry=True) == ["published", "blocked"]
    assert items.batches("shop.items") == {"1.csv": "published"}
    assert [r[0] for r in items.rows("shop.items")] == [1]
    assert items.results("shop.items") == ["published", "blocked"]


@pytest.mark.parametrize("dry", [True, False])
def test_a_breaking_edit_is_refused_though_nothing_is_due(items: Tried, *, dry: bool):
    """Whoever breaks a contract hears so at once, and again, not with the next delivery."""
    items.product("shop.items", columns={**SMALL, "price": "string"}, landed=SMALL, version="2.0.0", transform=AS_TEXT)
    for _ in range(2):
        with pytest.raises(BreakingChange, match="price changes its type"):
            items.run("shop.items", dry=dry)


AS_TEXT = """
    import duckdb

    def items(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed.project("id, price::varchar as price")
"""


def test_a_library_that_is_not_installed_is_the_worlds_fault(here: Tried, monkeypatch: pytest.MonkeyPatch):
    """A transform in polars where polars is missing: which extra brings it, and no batch is rejected for it."""
    code = """
        import polars as pl

        def items(landed: pl.LazyFrame) -> pl.LazyFrame:
            return landed
    """
    here.product("shop.items", columns=SMALL, transform=code)
    here.deliver("shop.items", "1.csv", [{"id": 1, "price": "1.50"}])
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(NotInstalled) as raised:
        here.run("shop.items")
    assert (raised.value.exit_code, raised.value.hint) == (3, "pip install 'lakemesh[polars]'")
    monkeypatch.undo()
    assert here.results("shop.items") == ["published"]
