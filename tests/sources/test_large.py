"""Files that do not fit into memory, and parallel readers, give what a small file gives."""

from __future__ import annotations

import csv
import subprocess
import sys
from typing import Any

import pytest

READER = """
import resource, sys
from pathlib import Path
import duckdb
from lakehouse.address import Address
from lakehouse.declare.contract import Column, Contract, Place
from lakehouse.declare.product import FileSource, InputPort
from lakehouse.sources import open_source
from lakehouse.types import Primitive
place = Place(file="p.yaml")
columns = tuple(Column(name=n, type=Primitive(t), place=place) for n, t in (("i", "long"), ("text", "string"), ("day", "date")))
contract = Contract(address=Address("d", "x"), version="1.0.0", columns=columns, place=place)
source = open_source(InputPort(name="x", source=FileSource(path=sys.argv[1], format="csv"), expected=contract, place=place), Path("/"))
with duckdb.connect() as connection:
    connection.execute("SET memory_limit='200MB'; SET threads=2; SET enable_progress_bar=false")
    landed = source.open(connection, source.deliveries())
    connection.execute(f"COPY (SELECT * FROM {landed.relation}) TO '{sys.argv[1]}.parquet'")
    rows = connection.execute(f"SELECT count(*) FROM '{sys.argv[1]}.parquet'").fetchall()[0][0]
    rejected = landed.rejected()
print(rows, len(rejected), rejected[-1].line, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_larger_than_memory(landing: Any) -> None:
    """A file of a gigabyte streams through a reader that may hold a fifth of it, and its last bad line is found."""
    path = landing.root / "large.csv"
    query = "SELECT i, repeat('text ', 20) || i AS text, DATE '2013-01-01' + (i % 365)::INTEGER AS day FROM range(8_500_000) t(i)"
    landing.connection.execute(f"COPY ({query}) TO '{path}' (HEADER)")
    with path.open("a") as file:
        file.write("bad,x,2013-01-01\n")
    assert path.stat().st_size > 1_000_000_000
    done = subprocess.run([sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=True)
    rows, rejected, line, peak = map(int, done.stdout.splitlines()[-1].split())
    assert (rows, rejected, line) == (8_500_000, 1, 8_500_002)
    assert peak < 700


@pytest.mark.slow
def test_quoted_lines_in_parallel(landing: Any) -> None:
    """Quoted line ends are kept where the file is cut between threads, and lines are still counted right."""
    path = landing.root / "q.csv"
    expected: list[int] = []
    lines: list[int] = []
    line = 2
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["i", "text"])
        for n in range(400_000):
            text = f'a "quoted" text,\nover {n % 3} lines' + "\n," * (n % 3) + "x" * (n % 200)
            bad = n % 50_000 == 49_999
            writer.writerow(["bad" if bad else n, text])
            (lines if bad else expected).append(line if bad else n)
            line += 2 + n % 3
    assert path.stat().st_size > 48_000_000
    source = landing.source({"i": "long", "text": "string"}, path="q.csv")
    landed = source.open(landing.connection, source.deliveries())
    assert [row[0] for row in landing.connection.execute(f"SELECT i FROM {landed.relation}").fetchall()] == expected
    assert [r.line for r in landed.rejected()] == lines
