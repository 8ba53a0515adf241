"""dbt by itself: an analyst's scratch database reads what is published and publishes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from lakehouse.address import Address
from lakemesh.describe import snippets
from tests.dbt.conftest import Shop

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.integration


def dbt(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """What a person types in the folder `dbt/`."""
    called = [str(Path(sys.executable).with_name("dbt")), *command, "--no-use-colors"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(called, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_an_analyst_builds_from_published_ports(shop: Shop):
    """`dbt build` and `dbt docs generate` work as they are, and what they made is seen by nobody else."""
    built = dbt(shop.root / "dbt", "build")
    assert built.returncode == 0, built.stdout
    with duckdb.connect(str(shop.root / "dbt/scratch.duckdb"), read_only=True) as scratch:
        assert sorted(scratch.execute("from reports__totals").fetchall()) == [("ann", 9), ("bob", 4)]
    documented = dbt(shop.root / "dbt", "docs", "generate")
    assert documented.returncode == 0, documented.stdout
    catalog = json.loads((shop.root / "dbt/target/catalog.json").read_text())
    assert "source.tiny.sales.orders" in catalog["sources"]
    with shop.open() as mesh:
        assert {p.address.domain for p in mesh.declarations.products.values() if mesh.store.current(p.address)} == {"sales"}


def test_an_analyst_reads_a_port_as_mesh_show_says(shop: Shop):
    """The dbt snippet of `mesh show` is a query that dbt understands."""
    with shop.open() as mesh:
        snippet = snippets(mesh, mesh.product(Address("sales", "orders")).main, None)["dbt"]
    shown = dbt(shop.root / "dbt", "show", "--inline", snippet)
    assert shown.returncode == 0, shown.stdout
    assert "ann" in shown.stdout


def test_the_profile_of_runs_is_refused_outside(shop: Shop):
    """Who starts dbt with the profile of `mesh run` is told so, in a sentence and without a traceback."""
    assert shop.results("reports.totals") == ["published"]
    refused = dbt(shop.root / "dbt", "run", "--profiles-dir", str(shop.root / ".mesh/dbt"), "--profile", "mesh")
    assert refused.returncode != 0
    assert "belongs to `mesh run`" in refused.stdout
    assert "hint: cd dbt && dbt build" in refused.stdout
    assert "Traceback" not in refused.stdout + refused.stderr


def test_a_model_cannot_store_by_itself(shop: Shop):
    """A model that names the plug-in as its store is refused: only the gate leads to a publication."""
    shop.model("totals_best", "{{ config(materialized='external', plugin='dbt_plugin') }} select 'x' as customer")
    refused = dbt(shop.root / "dbt", "run", "--select", "reports__totals_best")
    assert refused.returncode != 0
    assert "a model does not publish by itself" in refused.stdout
