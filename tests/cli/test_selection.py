"""Which products a word on the command line means."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.declare import load
from lakehouse.testing import MeshFolder, Property
from lakemesh.selection import products


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (["+shop.totals"], ["shop.days", "shop.sales", "shop.totals"]),
        (["+shop.sales"], ["shop.days", "shop.sales"]),
        (["shop.sales+"], ["shop.sales", "shop.totals"]),
        (["shop.days+"], ["shop.days"]),
        (["shop"], ["shop.days", "shop.sales", "shop.totals"]),
        (["shop.totals", "shop.days"], ["shop.days", "shop.totals"]),
    ],
)
def test_a_plus_before_adds_what_it_reads_and_points_at(tmp_path: Path, words: list[str], chosen: list[str]):
    """`+A` brings along all that a run of A needs, the targets of foreign keys among them; `A+` what reads A; always in order."""
    folder = MeshFolder(tmp_path)
    sold: dict[str, Property] = {"id": "integer", "day": {"logicalType": "integer", "relationships": [{"to": "shop.days.day"}]}}
    folder.product("shop.days", columns={"day": "integer"}, key=["day"])
    folder.product("shop.sales", columns=sold, key=["id"])
    total = "import duckdb\ndef totals(sales: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:\n    return sales.project('id')\n"
    folder.product("shop.totals", columns={"id": "integer"}, reads={"sales": "shop.sales"}, write="overwrite", transform=total)
    assert [str(p.address) for p in products(load(tmp_path), words)] == chosen
