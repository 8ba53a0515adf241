"""Which input columns an output column comes from."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lakehouse import columns
from lakehouse.address import Address
from lakehouse.columns import ColumnSource
from lakehouse.declare import load

ROOT = Path(__file__).parents[2]
TABLES = {"a.b": ["x", "y", "z"], "c.d": ["x", "w"], "m__n": ["k"]}
MESH = load(ROOT)

SAME, T, A = "IDENTITY", "TRANSFORMATION", "AGGREGATION"


def read(sql: str) -> dict[str, list[tuple[str, str, str]]]:
    return {column: [(s.dataset, s.column, s.change) for s in found] for column, found in columns.of_sql(sql, TABLES).items()}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select * from a.b", {c: [("a.b", c, SAME)] for c in "xyz"}),
        ('select * from "mesh"."a"."b"', {c: [("a.b", c, SAME)] for c in "xyz"}),
        ("select * exclude (y, z) from a.b", {"x": [("a.b", "x", SAME)]}),
        ("with b as (select * from a.b) select x from b", {"x": [("a.b", "x", SAME)]}),
        ("with m as (select w as v from c.d), n as (select v + 1 as u from m) select u from n", {"u": [("c.d", "w", T)]}),
        ("select l.y, r.w from a.b as l left join c.d as r on l.x = r.x", {"y": [("a.b", "y", SAME)], "w": [("c.d", "w", SAME)]}),
        ("select sum(y) over (partition by z order by x) as s from a.b", {"s": [("a.b", c, A) for c in "xyz"]}),
        ("select row_number() over (order by x) as n from a.b", {"n": [("a.b", "x", T)]}),
        ("select x from a.b union all select w from c.d", {"x": [("a.b", "x", SAME), ("c.d", "w", SAME)]}),
        ("select (select max(w) from c.d) as m from a.b", {"m": [("c.d", "w", A)]}),
        ("select case when x > 1 then y else z end as q from a.b", {"q": [("a.b", c, T) for c in "xyz"]}),
        ("select y, y + z as s from a.b", {"y": [("a.b", "y", SAME)], "s": [("a.b", "y", T), ("a.b", "z", T)]}),
        ('select k from "scratch"."main"."m__n"', {"k": [("m__n", "k", SAME)]}),
        ("select X as Y from A.B", {"y": [("a.b", "x", SAME)]}),
        ("select count(*) as n, 1 as one from a.b", {}),
    ],
)
def test_sql_is_read(sql: str, expected: dict[str, list[tuple[str, str, str]]]) -> None:
    """Stars, catalogs, chains of CTEs, joins, windows, unions, subqueries and expressions lead to the columns of tables."""
    assert read(sql) == expected


@pytest.mark.parametrize("sql", ["", "select", "select 1; select 2", "{{ config() }} select x from a.b", "pivot a.b on x using sum(y)"])
def test_what_cannot_be_read_says_nothing(sql: str) -> None:
    """No SQL raises: there is simply nothing known."""
    assert read(sql) == {}


def test_a_deep_query_is_read_in_time() -> None:
    """Forty steps, each using two columns of the one before: ways are not counted one by one."""
    steps = ["s0 as (select x as p, y as q from a.b)"]
    steps += [f"s{n} as (select p + q as p, p - q as q from s{n - 1})" for n in range(1, 40)]
    assert read(f"with {', '.join(steps)} select p from s39") == {"p": [("a.b", "x", T), ("a.b", "y", T)]}


def test_a_query_on_itself_ends() -> None:
    """A recursive query is followed to its start, or not at all, but not for ever."""
    sql = "with recursive r(n) as (select x from a.b union all select n + 1 from r) select n from r"
    assert set(read(sql)) <= {"n"}


def test_names_decide_where_a_function_is_not_read() -> None:
    """One input of that name: certain. Several: all of them, marked. None: nothing."""
    found = columns.by_name(["x", "w", "new"], {"left": ["x", "w"], "right": ["x"]})
    assert found["w"] == (ColumnSource(dataset="left", column="w", method="name", change="TRANSFORMATION"),)
    assert [(s.dataset, s.certain) for s in found["x"]] == [("left", False), ("right", False)]
    assert "new" not in found


def test_rows_that_go_through_keep_their_columns() -> None:
    """Without a transform each column is the input's column of that name, unchanged."""
    product = MESH.products[Address("operations", "airlines")]
    found = columns.of_port(MESH, product, product.main)
    assert {c.name for c in product.main.contract.columns} == set(found)
    assert {(s.dataset, s.change, s.method) for sources in found.values() for s in sources} == {("landed", "IDENTITY", "name")}


def test_what_a_contract_declares_is_believed() -> None:
    """`transformSourceObjects` names a function's sources, by input port or by address; it is not read beside names."""
    product = MESH.products[Address("weather", "observations")]
    found = columns.of_port(MESH, product, product.main)
    assert {c.name for c in product.main.contract.columns} == set(found)
    assert found["temperature_f"] == (ColumnSource(dataset="landed", column="temp", method="declared", change="TRANSFORMATION"),)
    assert [s.column for s in found["observation_date"]] == ["year", "month", "day"]
    delays = MESH.products[Address("punctuality", "delays")]
    port = delays.main
    sources = ("operations.flights.carrier", "observations.visibility_mi", "nobody.knows.this")
    declared = replace(port.contract.columns[0], sources=sources)
    contract = replace(port.contract, columns=(declared, *port.contract.columns[1:]))
    found = columns.of_port(MESH, delays, replace(port, contract=contract))
    assert [(s.dataset, s.column) for s in found[declared.name]] == [("flights", "carrier"), ("observations", "visibility_mi")]


def test_a_sibling_is_a_data_set_of_its_own() -> None:
    """The daily report's columns come from the port beside it, not from the landed file."""
    product = MESH.products[Address("operations", "flights")]
    found = columns.of_port(MESH, product, product.output("flights_daily"))
    assert {s.dataset for sources in found.values() for s in sources} == {"flights"}


def test_a_model_of_this_mesh_is_read() -> None:
    """The ranking's SQL leads through two CTEs to the ports it reads, by their input ports' names."""
    product = MESH.products[Address("punctuality", "carrier_ranking")]
    sql = columns.plain_sql((ROOT / product.models["carrier_ranking"]).read_text())
    found = columns.of_port(MESH, product, product.main, sql)
    assert found["carrier_name"] == (ColumnSource(dataset="airlines", column="name", method="sqlglot", change="IDENTITY"),)
    assert found["on_time_percent"] == (ColumnSource(dataset="delays", column="is_on_time", method="sqlglot", change="AGGREGATION"),)


def test_without_its_sql_a_model_says_nothing() -> None:
    """Names are no evidence where SQL would be the witness."""
    product = MESH.products[Address("punctuality", "carrier_ranking")]
    assert columns.of_port(MESH, product, product.main) == {}


def test_names_need_no_parser() -> None:
    """Column lineage by name imports no sqlglot."""
    code = "import sys; from lakehouse import columns; columns.by_name(['x'], {'a': ['x']}); print('sqlglot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
