"""How `mesh show` says that a port is read from elsewhere: each way is tried as it is printed."""

from __future__ import annotations

import os
import subprocess
import sys

import duckdb
import pytest

from tests.cli.conftest import Shop

ROWS = 2
"""What Monday brought."""
JARS = os.environ.get("ICEBERG_SPARK_RUNTIME", "")


@pytest.fixture
def said(shop: Shop) -> dict[str, str]:
    """The snippets for `sales.orders`, published."""
    return dict(shop.json("show", "sales.orders").json["read_it"])


def printed(program: str, seconds: int = 60) -> str:
    """What a program prints in a Python of its own."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("engine", ["python", "pyiceberg"])
def test_python_reads_it(said: dict[str, str], engine: str):
    """With the mesh's own client, and with pyiceberg and nothing of ours."""
    statements, _, expression = said[engine].rpartition("; ")
    assert printed(f"{statements}; print(len({expression}))").split() == [str(ROWS)]


def test_the_command_reads_it(shop: Shop, said: dict[str, str]):
    """The command's words are the command's."""
    program, *words = said["mesh"].split()
    assert program == "mesh"
    assert len(shop.json(*words).json) == ROWS


def test_duckdb_reads_it(said: dict[str, str]):
    """DuckDB reads the published state with its Iceberg extension, which it downloads."""
    with duckdb.connect() as connection:
        try:
            found = connection.execute(said["duckdb"]).fetchall()
        except (duckdb.IOException, duckdb.HTTPException) as error:
            pytest.skip(f"DuckDB cannot get its extension: {error}")
    assert len(found) == ROWS


def test_trino_is_told_the_published_state(shop: Shop, said: dict[str, str]):
    """A metadata file that a dead run left behind, newer than the published one, is not what Trino is pointed at."""
    published = shop.json("show", "sales.orders").json["metadata_location"]
    location, _, file = published.rpartition("/")
    assert said["trino"].endswith(f"'sales', 'orders', '{location.removesuffix('/metadata')}', '{file}')")


def test_spark_is_not_named_where_it_cannot_read(shop: Shop):
    """Spark has no time of day: a port with such a column has no snippet for it."""
    shop.contract.write_text(shop.contract.read_text().replace("logicalType: string", "logicalType: time", 1))
    assert "spark" not in shop.json("show", "sales.orders").json["read_it"]


@pytest.mark.jvm
@pytest.mark.skipif(not JARS, reason="ICEBERG_SPARK_RUNTIME names no iceberg-spark-runtime jar")
def test_spark_reads_it(said: dict[str, str]):
    """Spark reads the published state with the Iceberg runtime and no configuration of a catalog."""
    program = f"""
from pyspark.sql import SparkSession
local = {{"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}}
spark = SparkSession.builder.master("local[1]").config(map=local).config("spark.jars", {JARS!r}).getOrCreate()
print({said["spark"]}.count())
"""
    assert printed(program, seconds=300).split() == [str(ROWS)]
