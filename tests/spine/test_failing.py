"""A run that failed: it is tried again without being asked, and what is said to blame is to blame."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.errors import Damaged
from lakehouse.testing import Property
from tests.spine.tried import Tried

ITEMS: dict[str, Property] = {"id": "integer", "name": "string"}
ENGINES = {
    "none": None,
    "duckdb": "import duckdb\ndef copied(items: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:\n    return items\n",
    "computing": (
        "import duckdb\ndef copied(items: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:\n    items.fetchall()\n    return items\n"
    ),
    "arrow": "import pyarrow as pa\ndef copied(items: pa.Table) -> pa.Table:\n    return items\n",
    "streaming": "import pyarrow as pa\ndef copied(items: pa.RecordBatchReader) -> pa.RecordBatchReader:\n    return items\n",
    "polars": "import polars as pl\ndef copied(items: pl.DataFrame) -> pl.DataFrame:\n    return items\n",
    "pandas": "import pandas as pd\ndef copied(items: pd.DataFrame) -> pd.DataFrame:\n    return items\n",
}
MOODY = """
    from pathlib import Path

    import pyarrow as pa

    def {port}({reads}: pa.Table) -> pa.Table:
        if not Path({mood!r}).exists():
            raise RuntimeError("not today")
        return {reads}
"""


@pytest.fixture
def items(here: Tried) -> Tried:
    here.product("shop.items", columns=ITEMS)
    here.deliver("shop.items", "1.csv", [{"id": 1, "name": "Ada"}])
    here.run("shop.items")
    return here


def data(here: Tried, port: str) -> list[Path]:
    return [*(here.root / ".mesh/warehouse" / port.replace(".", "/") / "data").rglob("*.parquet")]


@pytest.mark.parametrize("left", [None, 100])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_file_of_an_input_is_told_as_such(items: Tried, engine: str, left: int | None):
    """It is not the product's code that failed: the world is in the way, and the file is named; once repaired, the run goes through."""
    items.product("report.copied", columns=ITEMS, reads={"items": "shop.items"}, transform=ENGINES[engine], write="overwrite")
    (file,) = data(items, "shop.items")
    content = file.read_bytes()
    file.unlink() if left is None else file.write_bytes(content[:left])
    with pytest.raises(Damaged) as told:
        items.run("report.copied")
    file.write_bytes(content)
    assert told.value.place == str(file)
    assert items.results("report.copied") == ["published"]


def test_a_damaged_file_of_its_own_is_told_as_such(here: Tried):
    """An upsert reads what is there: a file of its own that has gone is not the delivery's fault."""
    here.product("shop.items", columns=ITEMS, key=["id"], write="upsert")
    here.deliver("shop.items", "1.csv", [{"id": 1, "name": "Ada"}])
    here.run("shop.items")
    (file,) = data(here, "shop.items")
    content = file.read_bytes()
    file.unlink()
    here.deliver("shop.items", "2.csv", [{"id": 1, "name": "Bob"}])
    with pytest.raises(Damaged) as told:
        here.run("shop.items")
    file.write_bytes(content)
    assert told.value.place == str(file)
    assert here.results("shop.items") == ["published"]
    assert here.rows("shop.items") == [(1, "Bob")]


def test_what_failed_is_tried_again(items: Tried, tmp_path: Path):
    """Code that raised may do better next time: each run tries, says so when it fails, and a delivery counts once when it lands."""
    mood = tmp_path / "mood"
    moody = {port: MOODY.format(port=port, reads=reads, mood=str(mood)) for port, reads in (("items", "landed"), ("copied", "items"))}
    items.product("shop.items", columns=ITEMS, transform=moody["items"])
    items.product("report.copied", columns=ITEMS, reads={"items": "shop.items"}, transform=moody["copied"], write="overwrite")
    items.deliver("shop.items", "2.csv", [{"id": 2, "name": "Bob"}])
    for product in ("shop.items", "report.copied"):
        assert [items.results(product) for _ in range(2)] == [["failed"], ["failed"]]
    assert items.batches("shop.items") == {"1.csv": "published", "2.csv": "rejected"}
    mood.touch()
    for product in ("shop.items", "report.copied"):
        assert items.results(product) == ["published"]
    assert items.rows("report.copied") == [(1, "Ada"), (2, "Bob")]
    assert items.results("shop.items") == []
    assert items.results("report.copied") == ["unchanged"]
