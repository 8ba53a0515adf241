"""P1: how long does a big CSV file take from the landing folder to published, against its bare steps and against dlt?

TPC-H lineitem through a product without code: 20 row rules, the key (l_orderkey, l_linenumber) unique over the port, publication
and lineage. The floor is the same work as a person would do it once: CSV to typed Arrow by DuckDB, the 20 checks, the duplicates,
pyiceberg's append. dlt does no check at all. All three take turns on the same file. Needs `scripts/peers.sh`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from statistics import median

import duckdb

from benchmarks.measure import opened, peak_rss_mb
from lakehouse.address import Address
from lakehouse.catalogs import ensure_namespace, open_catalog
from lakehouse.commit import PROPERTIES
from lakehouse.settings import Settings
from lakehouse.testing import MeshFolder, Property
from lakehouse.types import literal, quote
from orchestration.story import Request, run_product

ROUNDS = 5
PEERS = Path(__file__).resolve().parent.parent / ".peers"
LINEITEM = Address("tpch", "lineitem")
KEY = ("l_orderkey", "l_linenumber")

MODES = ("AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK")
INSTRUCTIONS = ("COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN")


def _number(**options: object) -> Property:
    return {"logicalType": "number", "physicalType": "decimal(15,2)", "logicalTypeOptions": options}


def _whole(**options: object) -> Property:
    return {"logicalType": "integer", "logicalTypeOptions": options}


def _one_of(*values: str) -> Property:
    return {"logicalType": "string", "enum": [{"value": value} for value in values]}


DATE: Property = {"logicalType": "date", "required": True}
COLUMNS: dict[str, Property] = {
    "l_orderkey": _whole(minimum=1),
    "l_partkey": _whole(minimum=1),
    "l_suppkey": _whole(minimum=1),
    "l_linenumber": _whole(maximum=7),
    "l_quantity": _number(minimum=1, maximum=50),
    "l_extendedprice": _number(exclusiveMinimum=0),
    "l_discount": _number(minimum=0, maximum=0.1),
    "l_tax": _number(minimum=0, maximum=0.08),
    "l_returnflag": _one_of("A", "N", "R"),
    "l_linestatus": _one_of("F", "O"),
    "l_shipdate": DATE,
    "l_commitdate": "date",
    "l_receiptdate": DATE,
    "l_shipinstruct": _one_of(*INSTRUCTIONS),
    "l_shipmode": _one_of(*MODES),
    "l_comment": {"logicalType": "string", "logicalTypeOptions": {"maxLength": 44}},
}
"""With the two key columns that must be given: twenty row rules."""

CHECKS = (
    "l_orderkey is null",
    "l_orderkey < 1",
    "l_partkey < 1",
    "l_suppkey < 1",
    "l_linenumber is null",
    "l_linenumber > 7",
    "l_quantity < 1",
    "l_quantity > 50",
    "l_extendedprice <= 0",
    "l_discount < 0",
    "l_discount > 0.1",
    "l_tax < 0",
    "l_tax > 0.08",
    "l_returnflag not in ('A', 'N', 'R')",
    "l_linestatus not in ('F', 'O')",
    "l_shipdate is null",
    "l_receiptdate is null",
    f"l_shipinstruct not in {INSTRUCTIONS}",
    f"l_shipmode not in {MODES}",
    "length(l_comment) > 44",
)
TYPES = {
    **dict.fromkeys(("l_orderkey", "l_partkey", "l_suppkey", "l_linenumber"), "BIGINT"),
    **dict.fromkeys(("l_quantity", "l_extendedprice", "l_discount", "l_tax"), "DECIMAL(15,2)"),
    **dict.fromkeys(("l_shipdate", "l_commitdate", "l_receiptdate"), "DATE"),
}


def run() -> dict[str, object]:
    """Scale factor 1: six million rows, 766 MB."""
    return measure("1")


def run_small() -> dict[str, object]:
    """Scale factor 0.1."""
    return measure("0.1")


def measure(scale: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        csv = _lineitem(Path(folder), scale)
        # first, while this process is small: a child's peak begins with its parent's
        peak = {name: peak_rss_mb(["-m", "benchmarks.p1_batch", name, str(csv)]) for name in ("product", "floor")}
        routes = {"floor": _floor, "product": _product, "dlt": _dlt}
        taken: dict[str, list[float]] = {name: [] for name in routes}
        for _ in range(ROUNDS):
            for name, route in routes.items():
                with tempfile.TemporaryDirectory() as home:
                    taken[name].append(route(csv, Path(home)))
    seconds = {name: median(found) for name, found in taken.items()}
    return {
        "runner": "soda",
        "scale": float(scale),
        "floor_s": seconds["floor"],
        "product_s": seconds["product"],
        "ratio_to_floor": seconds["product"] / seconds["floor"],
        "dlt_s": seconds["dlt"],
        "times_faster_than_dlt": seconds["dlt"] / seconds["product"],
        "peak_rss_mb": peak["product"],
        "floor_peak_rss_mb": peak["floor"],
    }


def _lineitem(folder: Path, scale: str) -> Path:
    generator = PEERS / "tpchgen" / "bin" / "tpchgen-cli"
    arguments = ["csv", "--scale-factor", scale, "--tables", "lineitem", "--output-dir", str(folder)]
    subprocess.run([str(generator), *arguments], check=True, stdout=subprocess.DEVNULL)
    return folder / "lineitem.csv"


def _product(csv: Path, home: Path) -> float:
    folder = MeshFolder(home)
    folder.product(str(LINEITEM), columns=COLUMNS, key=KEY)
    folder.landing(str(LINEITEM)).mkdir(parents=True)
    (folder.landing(str(LINEITEM)) / csv.name).hardlink_to(csv)
    with opened(home, "soda") as mesh:
        started = time.perf_counter()
        (outcome,) = run_product(mesh, mesh.product(LINEITEM), Request(run_id=str(uuid.uuid4())))
        seconds = time.perf_counter() - started
    if outcome.result != "published":
        raise RuntimeError(f"the benchmark's data should be published: {outcome}")
    return seconds


def _floor(csv: Path, home: Path) -> float:
    (home / "mesh.toml").touch()
    catalog, _ = open_catalog(Settings.find(home, home / ".mesh"))
    ensure_namespace(catalog, LINEITEM.domain)
    with duckdb.connect(config={"threads": 2}) as connection:
        started = time.perf_counter()
        columns = ", ".join(f"{literal(name)}: {literal(TYPES.get(name, 'VARCHAR'))}" for name in COLUMNS)
        lineitem = connection.sql(f"select * from read_csv({literal(str(csv))}, header = true, columns = {{{columns}}})").to_arrow_table()
        connection.register("lineitem", lineitem)
        keys = ", ".join(map(quote, KEY))
        for query in (*CHECKS, f"({keys}) in (select ({keys}) from lineitem group by {keys} having count(*) > 1)"):
            if connection.execute(f"select count(*) from lineitem where {query}").fetchall() != [(0,)]:
                raise RuntimeError(f"the benchmark's data should pass: {query}")
        table = catalog.create_table(LINEITEM.identifier, lineitem.schema, properties=PROPERTIES)
        table.append(lineitem)
        return time.perf_counter() - started


def _dlt(csv: Path, home: Path) -> float:
    script = Path(__file__).with_name("p1_dlt.py")
    python = PEERS / "dlt" / "bin" / "python"
    said = subprocess.run([str(python), str(script), str(csv), str(home)], check=True, capture_output=True, text=True)
    return float(said.stdout.splitlines()[-1])


if __name__ == "__main__":
    route, csv = sys.argv[1:]
    with tempfile.TemporaryDirectory() as home:
        {"product": _product, "floor": _floor}[route](Path(csv), Path(home))
