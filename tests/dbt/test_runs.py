"""A SQL product in the mesh: what it reads, what it publishes, what stops it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from lakehouse.address import Address
from lakehouse.declare import load
from lakehouse.errors import MeshError, TransformFailed
from orchestration.build import build_definitions
from orchestration.dbt import DbtTransform
from orchestration.dbt_sources import write_sources
from orchestration.transforms import Bound
from tests.dbt.conftest import BEST, TOTALS, Shop

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration


def version(shop: Shop) -> str:
    with shop.open() as mesh:
        return DbtTransform.load(mesh, mesh.product(Address("reports", "totals"))).version


def error_of(shop: Shop) -> MeshError:
    """What a run of the product that does not get through says."""
    try:
        error = shop.run("reports.totals")[0].error
    except MeshError as refused:
        error = refused
    assert isinstance(error, TransformFailed)
    assert "\n" not in error.what
    return error


def test_models_become_ports_and_a_sibling_reads_what_was_staged(shop: Shop, capfd: pytest.CaptureFixture[str]):
    """Both models are published together; a row that the first port's contract set aside is not seen by the second. dbt is silent."""
    shop.deliver("sales.orders", "tuesday.csv", [{"id": 3, "customer": None, "amount": 99}])
    shop.write("models/reports/totals/totals.yml", "models: [{name: reports__totals}]")
    assert shop.results("sales.orders") == ["published"]
    assert shop.results("reports.totals") == ["published"]
    assert shop.rows("reports.totals") == [("ann", 9), ("bob", 4)]
    assert shop.rows("reports.totals_best") == [("ann",)]
    assert capfd.readouterr().out == ""
    assert shop.results("reports.totals") == ["unchanged"]


def test_every_model_tells_where_its_columns_come_from(shop: Shop):
    """Lineage reads the SQL of each port's model, also where a product has several, and tells all of it with the job."""
    assert shop.results("reports.totals") == ["published"]
    with shop.open() as mesh:
        told = json.loads(mesh.store.waiting("lineage")[-1][2])
    found = {o["outputFacets"]["outputStatistics"]["rowCount"]: o["facets"]["columnLineage"]["fields"] for o in told["outputs"]}
    names = {rows: {c: [i["field"] for i in f["inputFields"]] for c, f in fields.items()} for rows, fields in found.items()}
    assert names == {2: {"customer": ["customer"], "total": ["amount"]}, 1: {"customer": ["customer"]}}
    (read,) = found[1]["customer"]["inputFields"]
    assert read["name"].endswith("reports/totals")
    assert "sqlglot" in read["transformations"][0]["description"]
    assert [text in told["job"]["facets"]["sql"]["query"] for text in ("sum(amount)", "qualify")] == [True, True]


def test_nothing_is_written_beside_the_models(shop: Shop):
    """What dbt leaves behind is below the mesh's home, not in the project."""
    before = sorted((shop.root / "dbt").rglob("*"))
    assert shop.results("reports.totals") == ["published"]
    assert sorted((shop.root / "dbt").rglob("*")) == before


def test_tests_of_dbt_are_rules_of_the_gate(shop: Shop):
    """Each dbt test is a rule of its port: one of severity error blocks, one of severity warn publishes with a mark."""
    (outcome,) = shop.run("reports.totals")
    assert outcome.report is not None
    rules = {r.rule: r.outcome for r in outcome.report.ports[0].rules if r.rule.startswith("dbt_")}
    assert rules == {"dbt_unique_reports__totals_customer": "passed", "dbt_not_null_reports__totals_customer": "passed"}
    test = shop.singular("select * from {{ ref('reports__totals') }} where total < 5")
    (blocked,) = shop.run("reports.totals")
    assert blocked.result == "blocked"
    assert blocked.report is not None
    (odd,) = [r for r in blocked.report.ports[0].rules if r.blocks]
    assert (odd.rule, odd.failing) == ("dbt_nothing_odd", 1)
    test.write_text("{{ config(severity='warn') }} " + test.read_text())
    (marked,) = shop.run("reports.totals")
    assert marked.report is not None
    assert marked.result == "published"
    assert {r.severity for r in marked.report.ports[0].rules if r.outcome == "failed"} == {"warning"}


def test_each_test_of_dbt_is_a_check_of_its_own(shop: Shop):
    """Dagster shows every dbt test by its name, before and after a run; a model that cannot be read leaves one check for all."""

    def definitions() -> dg.Definitions:
        return build_definitions(str(shop.root / "domains" / "reports" / "definitions.py"))

    def checks() -> set[tuple[str, str]]:
        keys = definitions().resolve_asset_graph().asset_check_keys
        return {(key.asset_key.path[1], key.name) for key in keys if key.name.startswith("dbt_")}

    by_name = {("totals", f"dbt_{kind}_reports__totals_customer") for kind in ("unique", "not_null")}
    assert checks() == by_name
    shop.write("tests/reports/nothing-odd.sql", "select * from {{ ref('reports__totals_best') }}")
    assert checks() == {*by_name, ("totals_best", "dbt_nothing_odd")}
    keys = [dg.AssetKey(["reports", port]) for port in ("totals", "totals_best")]
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions().resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)
    told = {c.check_name: c.passed for c in result.get_asset_check_evaluations() if c.check_name.startswith("dbt_")}
    assert told == {**{name: True for _, name in by_name}, "dbt_nothing_odd": False}
    shop.model("totals", "select {{ nonsense")
    assert checks() == {("totals", "dbt_tests"), ("totals_best", "dbt_tests")}


def test_a_test_that_crashes_blocks(shop: Shop):
    """A dbt test that cannot be evaluated has failed."""
    shop.singular("select no_such_column from {{ ref('reports__totals') }}")
    (outcome,) = shop.run("reports.totals")
    assert outcome.report is not None
    assert [(r.rule, r.outcome) for p in outcome.report.ports for r in p.rules if r.blocks] == [("dbt_nothing_odd", "not_evaluated")]


def test_private_models_serve_the_ports(shop: Shop):
    """A model of the folder that is no port is made for those that are, its tests judge it, and it is not published."""
    shop.write("models/reports/totals/int_bought.sql", "select * from {{ source('sales', 'orders') }} where amount > 4")
    shop.model("totals", TOTALS.replace("source('sales', 'orders')", "ref('int_bought')"))
    shop.write("models/reports/totals/int.yml", "models: [{name: int_bought, columns: [{name: id, data_tests: [unique]}]}]")
    (outcome,) = shop.run("reports.totals")
    assert outcome.result == "published"
    assert outcome.report is not None
    assert "dbt_unique_int_bought_id" in {r.rule for r in outcome.report.ports[0].rules}
    assert shop.rows("reports.totals") == [("ann", 9)]


def test_given_rows_need_not_be_files(shop: Shop):
    """Rows that stand in a table of the run's own connection, such as those of examples, are read by dbt as well."""
    with shop.open() as mesh, mesh.connection() as connection:
        product = mesh.product(Address("reports", "totals"))
        connection.execute("create temp table given as select 1 as id, 'zoe' as customer, 7 as amount")
        bound = Bound(connection=connection, relation=lambda _: "given", limit_rows=100)
        rows = DbtTransform.load(mesh, product).rows(product.main, bound)
        assert connection.execute(f"from {rows}").fetchall() == [("zoe", 7)]


def test_two_processes_run_models_at_once(shop: Shop):
    """Runs of two processes share what dbt keeps between runs, and neither disturbs the other."""
    script = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.spine.tried import Tried
print(Tried(Path({str(shop.root)!r})).results("reports.totals", force=True))
"""
    called = [sys.executable, "-c", script]
    both = [subprocess.Popen(called, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [p.communicate(timeout=120)[0].strip() for p in both] == ["['published']"] * 2


def test_the_version_follows_the_meaning(shop: Shop):
    """Layout and comments do not change the version; the query, a macro that it uses or one of its tests does."""
    first = version(shop)
    shop.model("totals", "-- said otherwise\n" + TOTALS.replace("\n", "\n    "))
    assert version(shop) == first
    shop.model("totals", TOTALS.replace("sum(amount)", "{{ measured() }}"))
    shop.write("macros/measured.sql", "{% macro measured() %} max(amount) {% endmacro %}")
    second = version(shop)
    shop.write("macros/measured.sql", "{% macro measured() %} min(amount) {% endmacro %}")
    third = version(shop)
    shop.singular("select * from {{ ref('reports__totals') }} where total < 0")
    assert len({first, second, third, version(shop)}) == 4


@pytest.mark.parametrize(
    ("sql", "line", "says"),
    [
        ("select customer,\n  sum(amuont) as total\nfrom {{ source('sales', 'orders') }}\ngroup by customer", 2, "amuont"),
        ("select customer, total\nfrom {{ source('sales', 'orders') }\n", 2, "unexpected '}'"),
        ("select\n  {{ no_such_macro() }}\nfrom {{ source('sales', 'orders') }}", None, "no_such_macro"),
        ("select customer, total\nfrm {{ source('sales', 'orders') }}", 2, "syntax error"),
        ("select * from {{ source('sales', 'ordres') }}", None, "sales.ordres"),
    ],
)
def test_broken_sql_is_told_with_its_place(shop: Shop, sql: str, line: int | None, says: str):
    """A model that cannot be compiled or run is an error with the model's file, its line where that can be told, and a hint."""
    shop.model("totals", sql)
    error = error_of(shop)
    assert says in error.what
    assert error.place.startswith("dbt/models/reports/totals/reports__totals.sql")
    assert line is None or error.place.endswith(f"(line {line})")
    assert ("dbt_sources" in error.hint) == ("ordres" in sql)


def test_a_disabled_model_is_told(shop: Shop):
    """A port's model that dbt leaves out is an error, not an empty port."""
    shop.model("totals", "{{ config(enabled=false) }}" + TOTALS)
    shop.model("totals_best", "select customer from {{ source('sales', 'orders') }}")
    shop.write("models/reports/totals/totals.yml", "models: []")
    assert "does not know this model" in error_of(shop).what


def test_a_model_reads_only_what_is_declared(shop: Shop):
    """A port that is no input port, another product's model and Python are refused before anything runs."""
    shop.product("sales.customers", columns={"name": "string"})
    shop.model("totals_best", "select name as customer from {{ source('sales', 'customers') }}")
    write_sources(load(shop.root))
    assert "sales.customers, which is no input port of reports.totals" in error_of(shop).what
    shop.write("models/elsewhere/strange.sql", "select 'x' as customer")
    shop.model("totals_best", "select customer from {{ ref('strange') }}")
    assert "strange of another folder" in error_of(shop).what
    shop.model("totals_best", BEST)
    shop.write("models/reports/totals/frames.py", "def model(dbt, session):\n    return dbt.ref('reports__totals')\n")
    assert "Python models" in error_of(shop).what
