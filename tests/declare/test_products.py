"""A mesh on disk compiles to products, and each mistake is one problem with place, line and hint."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.address import Address
from lakehouse.types import Decimal, Primitive

FLIGHTS = "domains/operations/flights/flights.odcs.yaml"
PRODUCT = "domains/operations/flights/product.odps.yaml"
DELAYS = "domains/punctuality/delays/product.odps.yaml"
RANKING = "domains/punctuality/ranking/product.odps.yaml"
FILES_OF_PEOPLE = (
    *(FLIGHTS, PRODUCT, DELAYS, "domains/operations/domain.yaml", "domains/operations/flights/transform.py"),
    *("domains/operations/flights/landed.odcs.yaml", "domains/punctuality/delays/delays.odcs.yaml"),
)


def test_the_mesh_of_the_tests_has_no_problems(mesh):
    """Four products, nothing to report."""
    declarations = mesh.load()
    assert declarations.problems == ()
    assert [str(a) for a in declarations.products] == [
        "operations.airlines",
        "operations.flights",
        "punctuality.delays",
        "punctuality.ranking",
    ]


def test_a_contract_is_compiled(mesh):
    """Types, keys, partitions, classification, rules, relationships and service levels arrive as declared."""
    contract = mesh.load().products[Address("operations", "flights")].main.contract
    assert [c.type for c in contract.columns] == [
        Primitive("date"),
        Primitive("string"),
        Primitive("timestamp"),
        Decimal(12, 2),
    ]
    assert (contract.key, [c.name for c in contract.partitions]) == (("flight_date",), ["flight_date"])
    assert (contract.column("carrier").required, contract.column("carrier").options.max_length) == (True, 2)
    assert contract.column("fare").classification == "confidential"
    assert [(r.metric, r.column, r.operator, r.severity) for r in contract.quality] == [
        ("nullValues", "carrier", "mustBe", "error"),
        ("rowCount", None, "mustBeGreaterThan", "warning"),
    ]
    (relationship,) = contract.relationships
    assert (str(relationship.to), relationship.to_columns, relationship.severity) == ("operations.airlines", ("carrier",), "warning")
    assert [(s.property, s.schedule, s.element) for s in contract.service_levels] == [
        ("frequency", "0 6 * * *", None),
        ("retention", None, "flight_date"),
    ]
    assert contract.column("carrier").place.line == 17


def test_a_product_is_compiled(mesh):
    """Sources, siblings, functions with resolved annotations, models, and the team of the nearest level."""
    products = mesh.load().products
    flights = products[Address("operations", "flights")]
    assert [(o.name, o.write) for o in flights.outputs] == [("flights", "append"), ("flights_daily", "overwrite_partitions")]
    (landed,) = flights.sources
    assert landed.source is not None
    assert (landed.source.path, landed.source.dialect.nulls, landed.delivery) == ("landing/flights", ("NA",), "{date}.csv")
    assert landed.expected is not None
    assert [c.name for c in landed.expected.columns] == ["carrier", "dep_time"]
    assert flights.functions["flights"].parameters == {"landed": "pyarrow.RecordBatchReader"}
    assert flights.functions["flights_daily"].parameters == {"flights": "duckdb.DuckDBPyRelation"}
    assert flights.team.members == ("ops@example.com",)
    assert products[Address("punctuality", "ranking")].models == {"ranking": "dbt/models/punctuality/ranking/punctuality__ranking.sql"}
    assert products[Address("punctuality", "delays")].inputs[0].version == "1"


def test_rows_that_go_through_as_they_are_are_typed_by_the_output(mesh):
    """Without transform and input contract, the main port's contract says what the source delivers."""
    airlines = mesh.load().products[Address("operations", "airlines")]
    assert airlines.inputs[0].expected == airlines.main.contract


def test_reading_declarations_imports_no_engine(mesh):
    """`mesh check` answers without DuckDB, Arrow, Iceberg, SQLAlchemy or Dagster."""
    code = f"import sys, pathlib, lakehouse.declare as d; d.load(pathlib.Path({str(mesh.root)!r})); print(list(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    imported = {name.partition(".")[0] for name in ast.literal_eval(answer.stdout)}
    assert imported & {"duckdb", "pyarrow", "pyiceberg", "sqlalchemy", "dagster", "dbt", "pandas", "polars"} == set()


WARNED = {
    "an input nobody uses": ("domains/punctuality/delays/transform.py", "flights: pl.LazyFrame", "", "is not used"),
    "an unclassified column": (FLIGHTS, "        classification: confidential\n", "", "counts as restricted"),
    "a name to be quoted": (FLIGHTS, "name: fare", "name: Fare", "quoted"),
    "an older standard": (FLIGHTS, "v3.2.0", "v3.1.0", "is read as v3.2.0"),
    "a deprecated input": (PRODUCT, "status: active", "status: deprecated", "is deprecated"),
    "an input of any version": (DELAYS, ', version: "1"', "", "which version"),
}


@pytest.mark.parametrize(("file", "old", "new", "said"), WARNED.values(), ids=WARNED.keys())
def test_a_warning_stops_nothing(mesh, file, old, new, said):
    """What may be a mistake is said, and the products run."""
    mesh.edit(FLIGHTS, "status: active\n", "")
    mesh.edit(file, old, new)
    declarations = mesh.load()
    assert [(p.severity, said in p.message) for p in declarations.problems] == [("warning", True)]
    assert len(declarations.products) == 4


DOCUMENTED = {
    "a text rule": (FLIGHTS, "{metric: nullValues, mustBe: 0}", "{type: text, description: nice}", "a rule of type text"),
    "a format without a rule": (FLIGHTS, "maxLength: 2", "format: iata", "the format 'iata'"),
    "an unknown service level": (FLIGHTS, "property: retention", "property: niceness", "the service level 'niceness'"),
    "a rule on a part of a column": (
        FLIGHTS,
        "name: carrier\n        logicalType: string\n",
        (
            "name: both\n        logicalType: array\n        classification: public\n        items: {logicalType: string, "
            "logicalTypeOptions: {maxLength: 2}}\n      - name: carrier\n        logicalType: string\n"
        ),
        "'maxLength' inside a list, struct or map",
    ),
    "a team of a contract": (FLIGHTS, "status: active", "team: {name: x}", "the team of a contract"),
}


@pytest.mark.parametrize(("file", "old", "new", "said"), DOCUMENTED.values(), ids=DOCUMENTED.keys())
def test_what_is_not_executed_is_said(mesh, file, old, new, said):
    """A declared field that does nothing is reported as documented only, never silently dropped."""
    mesh.edit(file, old, new)
    (problem,) = mesh.problems()
    assert (problem.severity, problem.message) == ("info", f"{said} is documented only: the platform does not execute it")


def test_other_vendors_entries_are_theirs(mesh):
    """A customProperties entry of another vendor is neither read nor refused."""
    mesh.edit(PRODUCT, "        vendor: lakemesh\n", "        vendor: lakemesh\n        description: ours\n")
    mesh.edit(PRODUCT, "    customProperties:\n", "    customProperties:\n      - {property: owner, vendor: atlan, value: {any: thing}}\n")
    assert mesh.problems() == ()


def test_a_broken_product_is_not_blamed_on_its_readers(mesh):
    """Of a product that cannot be understood its own problems are told, and it alone is left out."""
    mesh.write(PRODUCT, "a: [")
    declarations = mesh.load()
    assert [p.file for p in declarations.problems] == [PRODUCT]
    assert declarations.broken == {Address("operations", "flights")}
    assert Address("punctuality", "delays") in declarations.products


def test_two_owners_of_one_port(mesh):
    """A port's name is unique in its domain."""
    folder = "domains/operations/flights_daily"
    mesh.write(f"{folder}/product.odps.yaml", (mesh.root / "domains/operations/airlines/product.odps.yaml").read_text())
    for old in ("airlines", "airlines", "airlines"):
        mesh.edit(f"{folder}/product.odps.yaml", old, "flights_daily")
    mesh.write(f"{folder}/flights_daily.odcs.yaml", (mesh.root / "domains/operations/flights/flights_daily.odcs.yaml").read_text())
    (problem,) = mesh.problems()
    assert (problem.file, problem.message) == (
        f"{folder}/product.odps.yaml",
        "the port operations.flights_daily belongs to operations.flights",
    )


def test_a_contract_that_no_port_names(mesh):
    """A contract file beside a product must be one of its ports'."""
    mesh.write("domains/operations/airlines/airline.odcs.yaml", "{}")
    (problem,) = mesh.problems()
    assert "no port of operations.airlines is called 'airline'" in problem.message
    assert "'airlines'" in problem.hint


def test_transform_and_models_are_one_too_many(mesh):
    """A product is computed by Python or by SQL."""
    mesh.write("domains/punctuality/ranking/transform.py", "import polars as pl\ndef ranking(delays: pl.LazyFrame) -> pl.LazyFrame: ...\n")
    assert ["has a transform.py and dbt models" in p.message for p in mesh.problems()] == [True]


def test_annotations_are_read_through_aliases(mesh):
    """However a frame is imported or quoted, its annotation is one text."""
    mesh.write(
        "domains/punctuality/delays/transform.py",
        "import pyarrow.lib\nfrom polars import LazyFrame as L\n\n\ndef delays(flights: 'L') -> pyarrow.lib.Table: ...\n",
    )
    (problem,) = mesh.problems()
    assert "'pyarrow.lib.Table', which is no frame" in problem.message
    mesh.edit("domains/punctuality/delays/transform.py", "-> pyarrow.lib.Table", "-> L")
    assert mesh.load().products[Address("punctuality", "delays")].functions["delays"].parameters == {"flights": "polars.LazyFrame"}


def test_sources_of_a_column_lift_the_suspicion_of_its_name(mesh):
    """A column that says where it comes from is held against that column, not against the one of its name."""
    mesh.edit(
        FLIGHTS, "        required: true\n        classification: public", "        required: true\n        classification: confidential"
    )
    mesh.edit("domains/punctuality/delays/delays.odcs.yaml", "public}", "public, transformSourceObjects: [operations.flights.flight_date]}")
    assert mesh.problems() == ()
    mesh.edit("domains/punctuality/delays/delays.odcs.yaml", "flights.flight_date", "flights.fare")
    assert ["operations.flights.fare is confidential" in p.message for p in mesh.problems()] == [True]


DAILY = "domains/operations/flights/flights_daily.odcs.yaml"
SAME = "{name: flight_date, logicalType: date, partitioned: true, primaryKey: true, classification: public}"


def _by(name: str, transform: str, *, source: str = "") -> str:
    made = f", transformSourceObjects: [{source}]" if source else ""
    how = f"customProperties: [{{property: lakemesh, vendor: lakemesh, value: {{partition: {transform}}}}}]"
    return f"{{name: {name}, logicalType: date, partitioned: true, {how}, primaryKey: true, classification: public{made}}}"


@pytest.mark.parametrize(
    ("column", "fits"),
    [
        (_by("flight_date", "identity"), True),
        (_by("flight_date", "day"), False),
        (_by("flight_date", "month"), False),
        (_by("day", "identity"), False),
        (_by("day", "identity", source="operations.flights.flight_date"), True),
        (_by("flight_date", "identity", source="operations.landed.dep_time"), True),
        (_by("month", "month", source="operations.flights.flight_date"), False),
        (SAME.replace("date, part", "string, part"), False),
    ],
)
def test_a_sibling_that_replaces_partitions_is_partitioned_like_what_it_reads(mesh, column: str, *, fits: bool):
    """A run hands it the days it touched: replacing a month by one of its days would lose the others."""
    mesh.edit(DAILY, SAME, column)
    assert [p.message for p in mesh.problems() if p.severity == "error"] == (
        [] if fits else ["'flights_daily' replaces partitions by those of 'flights', and is not partitioned like it"]
    )


def test_a_model_that_replaces_partitions_is_partitioned_like_what_it_reads(mesh):
    """The same of dbt models, whose texts name what they read."""
    mesh.write(
        "domains/punctuality/ranking/ranking_daily.odcs.yaml",
        (mesh.root / DAILY).read_text().replace("operations.flights_", "punctuality.ranking_"),
    )
    mesh.edit("domains/punctuality/ranking/ranking_daily.odcs.yaml", "name: flights_daily", "name: ranking_daily")
    write = "customProperties: [{property: lakemesh, vendor: lakemesh, value: {write: overwrite_partitions}}]"
    mesh.write(RANKING, (mesh.root / RANKING).read_text() + f"  - name: ranking_daily\n    {write}\n")
    mesh.edit("domains/punctuality/ranking/ranking.odcs.yaml", "logicalType: string,", "logicalType: string, partitioned: true,")
    model = "dbt/models/punctuality/ranking/punctuality__ranking_daily.sql"
    mesh.write(model, "select carrier from {{ source('punctuality', 'delays') }}\n")
    assert [p.message for p in mesh.problems() if p.severity == "error"] == []
    mesh.write(model, "select carrier from {{ ref('punctuality__ranking') }}\n")
    (problem,) = (p for p in mesh.problems() if p.severity == "error")
    assert problem.message == "'ranking_daily' replaces partitions by those of 'ranking', and is not partitioned like it"


CHANGES = "customProperties: [{property: lakemesh, vendor: lakemesh, value: {read: changes}}]"


@pytest.mark.parametrize(
    ("write", "said"),
    [
        ("append", None),
        ("overwrite", "'delays' would be replaced by what changed in operations.flights"),
        ("overwrite_partitions", "'delays' replaces partitions by those of operations.flights, and is not partitioned like it"),
    ],
)
def test_a_reader_of_changes_is_given_all_that_it_replaces(mesh, write: str, said: str | None):
    """Between products a reader takes the partitions that changed; one that reads all of its input is free."""
    mesh.edit(DELAYS, "{write: overwrite}", f"{{write: {write}}}")
    mesh.edit(DELAYS, 'version: "1"}', f'version: "1", {CHANGES}}}')
    mesh.edit("domains/punctuality/delays/delays.odcs.yaml", "logicalType: string,", "logicalType: string, partitioned: true,")
    assert [p.message for p in mesh.problems() if p.severity == "error"] == ([said] if said else [])
    mesh.edit(DELAYS, "{read: changes}", "{read: full}")
    assert [p.message for p in mesh.problems() if p.severity == "error" and "appends" not in p.message] == []


def test_two_inputs_that_change_apart_replace_no_partition(mesh):
    """What changed in one of them is in no partition of the other: the other's rows would be lost."""
    mesh.edit(DELAYS, "{write: overwrite}", "{write: overwrite_partitions}")
    again = f'  - {{name: again, contractId: operations.flights, version: "1", {CHANGES}}}'
    mesh.edit(DELAYS, 'version: "1"}', f'version: "1", {CHANGES}}}\n{again}')
    mesh.edit("domains/punctuality/delays/transform.py", "flights: pl.LazyFrame", "flights: pl.LazyFrame, again: pl.LazyFrame")
    contract = "domains/punctuality/delays/delays.odcs.yaml"
    mesh.edit(contract, "properties:\n", f"properties:\n      - {SAME}\n")
    (problem,) = (p for p in mesh.problems() if p.severity == "error")
    assert "which change apart" in problem.message


def test_the_main_port_comes_first(mesh):
    """The main port is computed from inputs; further ports from it."""
    transform = "domains/operations/flights/transform.py"
    mesh.edit(transform, "def flights(landed", "def flights(flights_daily")
    mesh.edit(transform, "def flights_daily(flights", "def flights_daily(landed")
    assert [p.message for p in mesh.problems()] == ["the main port is computed from a sibling"]


def test_siblings_stand_in_the_order_in_which_they_are_computed(mesh):
    """Ports are listed after the ports that they are computed from, however they are declared."""
    mesh.edit(PRODUCT, "outputPorts:\n", "outputPorts:\n  - {name: flights_weekly, contractId: operations.flights_weekly}\n")
    daily = (mesh.root / "domains/operations/flights/flights_daily.odcs.yaml").read_text()
    mesh.write("domains/operations/flights/flights_weekly.odcs.yaml", daily.replace("flights_daily", "flights_weekly"))
    transform = (mesh.root / "domains/operations/flights/transform.py").read_text()
    weekly = "\n\ndef flights_weekly(flights_daily: pa.Table) -> pa.Table:\n    return flights_daily\n"
    mesh.write("domains/operations/flights/transform.py", transform + weekly)
    flights = mesh.load().products[Address("operations", "flights")]
    assert [o.name for o in flights.outputs] == ["flights", "flights_daily", "flights_weekly"]


def test_a_domain_without_its_file_runs_nothing(mesh):
    """A domain nobody answers for has no products; their own problems are told all the same."""
    (mesh.root / "domains/punctuality/domain.yaml").unlink()
    mesh.edit("domains/punctuality/delays/delays.odcs.yaml", "string", "strng")
    declarations = mesh.load()
    assert [(p.file, p.severity) for p in declarations.problems] == [
        ("domains/punctuality/delays/delays.odcs.yaml", "error"),
        ("domains/punctuality/domain.yaml", "error"),
    ]
    assert {a.domain for a in declarations.products} == {"operations"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_edit_raises(mesh, data):
    """Whatever a person does to a file of the mesh, loading answers with problems that have a place and a hint."""
    name = data.draw(st.sampled_from(sorted(FILES_OF_PEOPLE)))
    text = (mesh.root / name).read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    piece = data.draw(st.sampled_from(["", "[", "{}", "null", "- 1", "x: y", "\n", "1", "true", "''", "\x00", ": ", "é", "\t", "[[1]]"]))
    mesh.write(name, text[:start] + piece + text[end:])
    try:
        problems = mesh.problems()
    finally:
        mesh.write(name, text)
    assert all(p.file and p.message and p.hint for p in problems)
