"""What is written is read by others: plain pyiceberg with a catalog of its own, and plain DuckDB over the files it plans."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from lakehouse.testing import Property
from tests.spine.tried import Tried

EVERY: dict[str, Property] = {
    "i": {"logicalType": "integer", "physicalType": "int"},
    "l": "integer",
    "d": {"logicalType": "number", "physicalType": "decimal(12,2)"},
    "f": "number",
    "b": "boolean",
    "s": "string",
    "day": "date",
    "clock": "time",
    "at": "timestamp",
    "at_local": {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": False}},
}
ROW: dict[str, object] = {
    "i": -7, "l": 5_000_000_000, "d": "12345.67", "f": 0.1, "b": "true", "s": 'Zürich, "quoted"\nline', "day": "2026-02-28",
    "clock": "23:59:59.123456", "at": "2026-01-01T00:00:00.000001Z", "at_local": "1969-12-31T23:59:59",
}  # fmt: skip
READ = (
    -7, 5_000_000_000, Decimal("12345.67"), 0.1, True, 'Zürich, "quoted"\nline', date(2026, 2, 28), time(23, 59, 59, 123456),
    datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59),  # noqa: DTZ001  a zoneless time is meant
)  # fmt: skip


@pytest.fixture(params=["plain", "with space & ümlaut=1"])
def every(request: pytest.FixtureRequest, tmp_path: Path) -> Tried:
    """A port of every type, partitioned, in a folder whose name may need care."""
    tried = Tried(tmp_path / request.param)
    tried.product("lab.every", columns=EVERY, partitions={"day": "identity", "at": "month"}, write="overwrite_partitions")
    tried.deliver("lab.every", "1.csv", [ROW, {**dict.fromkeys(EVERY), "l": 1}])
    tried.deliver("lab.every", "2.csv", [{**dict.fromkeys(EVERY), "l": 2, "s": ""}])
    assert tried.results("lab.every") == ["published", "published"]
    return tried


def table(here: Tried, port: str = "lab.every") -> Table:
    home = here.root / ".mesh"
    catalog = SqlCatalog("mesh", uri=f"sqlite:///{home / 'mesh.db'}", warehouse=f"file://{home / 'warehouse'}")
    loaded = catalog.load_table(port)
    catalog.engine.dispose()
    return loaded


def sorted_rows(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=lambda r: r[1])


def test_pyiceberg_reads_what_we_wrote(every: Tried):
    """Every type, NULLs and partitions included, as any Iceberg reader sees them."""
    read = table(every).scan().to_arrow().to_pylist()
    rows = sorted_rows([tuple(r[c] for c in EVERY) for r in read])
    assert rows[0] == (None, 2, None, None, None, "", None, None, None, None)
    assert rows[1] == READ
    assert sorted_rows(every.rows("lab.every")) == rows


def test_pyiceberg_prunes_by_our_statistics(every: Tried):
    """Bounds and partition values are right: a filter finds its row, and only the file that has it is planned."""
    loaded = table(every)
    for condition in ("day = '2026-02-28'", "at < '2026-01-02T00:00:00+00:00'", "d > 12345.66", "i < 0", "s >= 'Z'", "f < 0.2"):
        assert loaded.scan(row_filter=condition).to_arrow()["l"].to_pylist() == [5_000_000_000], condition
        assert len(list(loaded.scan(row_filter=condition).plan_files())) == 1, condition


def test_duckdb_reads_the_planned_files(every: Tried):
    """The files are plain Parquet: DuckDB gives the same rows, and the manifests tell their numbers."""
    files = list(table(every).scan().plan_files())
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        named = ", ".join(f'"{c}"' for c in EVERY)
        paths = [f.file.file_path.removeprefix("file://") for f in files]
        rows = connection.execute(f"select {named} from read_parquet($1, hive_partitioning = false)", [paths]).fetchall()
    assert sorted_rows(rows)[1] == READ
    assert sum(f.file.record_count for f in files) == len(rows) == 2


NARROW = """
    import duckdb

    def bent(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed.project("id::integer as id, amount::varchar as amount")
"""


@pytest.mark.parametrize("partitions", [{}, {"id": "bucket[2]"}])
def test_rows_that_had_to_be_cast_are_read_by_others_too(tmp_path: Path, partitions: dict[str, str]):
    """A transform gives other types than the contract's, and one value that cannot be cast: pyiceberg finds every column by its id."""
    here = Tried(tmp_path)
    amount: Property = {"logicalType": "number", "physicalType": "decimal(9,2)"}
    landed: dict[str, Property] = {"id": "integer", "amount": "string"}
    here.product("lab.bent", columns={"id": "integer", "amount": amount}, landed=landed, partitions=partitions, transform=NARROW)
    here.deliver("lab.bent", "1.csv", "id,amount\n1,1.5\n2,many\n3,2.25\n")
    assert here.results("lab.bent") == ["published"]
    found = table(here, "lab.bent").scan().to_arrow()
    assert sorted(zip(*found.to_pydict().values(), strict=True)) == [(1, Decimal("1.50")), (3, Decimal("2.25"))]
    assert found.column_names == ["id", "amount"]
    assert len(table(here, "lab.bent__quarantine").scan().to_arrow()) == 1
    assert here.verified() == []
