"""The whole year through every transform, without the platform: DuckDB reads the files, the functions are called.

Tables are called by their addresses; `landed.<feed>` is what arrived.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from simulation.arrivals import read_table

ROOT = Path(__file__).parents[2]


def transform(product: str) -> ModuleType:
    """A product's functions, loaded by path as the platform does."""
    return _module(ROOT / "domains" / product / "transform.py")


def _module(path: Path) -> ModuleType:
    spec = spec_from_file_location("_".join(path.parts[-3:]).removesuffix(".py"), path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """All products of 2013, computed once."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set threads = 2")
    _land(connection, tmp_path_factory.mktemp("source"))
    for schema in ("operations", "fleet", "network", "weather", "punctuality"):
        connection.execute(f"create schema {schema}")
    _source_aligned(connection)
    _consumer_aligned(connection)
    yield connection
    connection.close()


def _land(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    connection.execute("create schema landed")
    for table in ("flights", "weather", "planes", "airports", "airlines"):
        file = folder / f"{table}.csv"
        file.write_bytes(read_table(file.name))
        connection.execute(f"create table landed.{table} as from read_csv('{file}', nullstr = 'NA', sample_size = -1)")


def _source_aligned(connection: duckdb.DuckDBPyConnection) -> None:
    def landed(table: str) -> duckdb.DuckDBPyRelation:
        return connection.table(f"landed.{table}")

    flights = transform("operations/flights")
    _keep(connection, "operations.flights", flights.flights(landed("flights").pl().lazy()).collect().to_arrow())
    flights.flights_daily(connection.table("operations.flights")).create("operations.flights_daily")
    landed("airlines").create("operations.airlines")
    planes = landed("planes").to_arrow_table().to_pandas(types_mapper=pd.ArrowDtype)
    _keep(connection, "fleet.aircraft", pa.Table.from_pandas(transform("fleet/aircraft").aircraft(planes), preserve_index=False))
    _keep(connection, "network.airports", transform("network/airports").airports(landed("airports").to_arrow_table()))
    transform("weather/observations").observations(landed("weather")).create("weather.observations")


def _consumer_aligned(connection: duckdb.DuckDBPyConnection) -> None:
    inputs = [connection.table(name).pl().lazy() for name in ("operations.flights", "weather.observations", "fleet.aircraft")]
    _keep(connection, "punctuality.delays", transform("punctuality/delays").delays(*inputs).collect().to_arrow())
    routes = _module(ROOT / "domains/network/extra.py").routes
    _keep(connection, "network.routes", routes(inputs[0]).collect().to_arrow())
    model = ROOT / "dbt/models/punctuality/carrier_ranking/punctuality__carrier_ranking.sql"
    ranking = re.sub(r"\{\{ source\('(\w+)', '(\w+)'\) \}\}", r"\1.\2", model.read_text())
    connection.execute(f"create table punctuality.carrier_ranking as {ranking}")


def _keep(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    connection.from_arrow(rows).create(name)


@pytest.fixture(scope="session")
def count(year: duckdb.DuckDBPyConnection) -> Callable[[str], int]:
    """The number that a query over the year gives."""

    def counted(query: str) -> int:
        row = year.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    return counted
