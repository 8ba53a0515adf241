"""Readers while somebody publishes: both ports of a product are always of one publication."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import pytest
from pyiceberg.table import StaticTable

from lakehouse.access import OPERATOR
from lakehouse.address import Address
from lakehouse.mesh import Mesh
from lakehouse.read import decision_on, relation_of
from lakehouse.testing import MeshFolder
from tests.reliability.events import DAILY, EVENTS, declare, deliver
from tests.reliability.nursery import Job, Nursery
from tests.reliability.witness import path

Counts = tuple[int, int]
"""Rows of the one port, and the sum that the other port says."""


@pytest.fixture
def published(nursery: Nursery, tmp_path: Path) -> MeshFolder:
    folder = declare(tmp_path)
    deliver(folder, 0)
    nursery.run(Job(root=str(tmp_path), products=(EVENTS,)))
    return folder


def by_the_platform(mesh: Mesh) -> Counts:
    """Both ports are resolved in one read of the store."""
    with mesh.store.reading() as con:
        pins = [mesh.store.pin(con, Address.parse(EVENTS), Address.parse(port)) for port in (EVENTS, DAILY)]
    events, daily = (relation_of(mesh, p.state, decision_on(mesh, OPERATOR, p.state)) for p in pins if p)
    with mesh.connection() as connection:
        (found,) = connection.execute(f"select (select count(*) from {events}), (select sum(number) from {daily})").fetchall()
    return int(found[0]), int(found[1])


def tables(database: Path) -> tuple[StaticTable, StaticTable]:
    """Both pointers in one statement, as any client of a SQL catalog may read them."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    found = dict(connection.execute("select table_name, metadata_location from iceberg_tables").fetchall())
    connection.close()
    return StaticTable.from_metadata(found["events"]), StaticTable.from_metadata(found["events_daily"])


def by_pyiceberg(database: Path) -> Counts:
    events, daily = tables(database)
    return events.scan().count(), sum(daily.scan().to_arrow()["number"].to_pylist())


def by_duckdb(database: Path) -> Counts:
    """DuckDB over the files that pyiceberg plans."""
    events, daily = ([path(f.file.file_path) for f in t.scan().plan_files()] for t in tables(database))
    with duckdb.connect() as connection:
        query = f"select (select count(*) from read_parquet({events})), (select sum(number) from read_parquet({daily}))"
        (found,) = connection.execute(query).fetchall()
    return int(found[0]), int(found[1])


def test_nobody_ever_sees_half_a_product(nursery: Nursery, published: MeshFolder):
    """The count of one port and the sum of the other are equal at every look, through three readers."""
    database = published.root / ".mesh" / "mesh.db"
    for number in range(1, 13):
        deliver(published, number)
    seen: set[Counts] = set()
    nursery.start(Job(root=str(published.root), products=(EVENTS,)))
    try:
        with published.open() as mesh:
            while nursery.busy:
                seen |= {by_the_platform(mesh), by_pyiceberg(database), by_duckdb(database)}
    finally:
        (ending,) = nursery.endings()
    assert ending.error == ""
    assert {rows for rows, total in seen if rows != total} == set()
    assert len(seen) > 2
    assert by_pyiceberg(database) == (52, 52)
