"""The list of dbt's sources is what the contracts say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lakehouse.declare import load
from lakehouse.errors import DeclarationError
from lakehouse.testing import MeshFolder, Property
from orchestration.dbt_sources import FILE, compile_sources, stale_sources, write_sources

ROOT = Path(__file__).parents[2]
COLUMNS: dict[str, Property] = {"id": "integer", "amount": {"logicalType": "number", "description": "In euro."}}


@pytest.fixture
def folder(tmp_path: Path) -> MeshFolder:
    made = MeshFolder(tmp_path)
    made.product("sales.orders", columns=COLUMNS, key=["id"])
    project = tmp_path / "dbt" / "dbt_project.yml"
    project.parent.mkdir()
    project.write_text("name: tiny\n")
    return made


def test_the_list_of_this_mesh_is_not_stale():
    """What is committed here is what the contracts here say."""
    assert stale_sources(load(ROOT)) == ()


def test_a_source_is_a_domain_and_a_table_is_a_port(folder: MeshFolder):
    """Ports with the contract's words and types, in one order whatever order they were declared in."""
    folder.product("sales.customers", columns={"name": "string"})
    folder.product("audit.checks", columns={"name": "string"})
    text = compile_sources(load(folder.root))
    assert compile_sources(load(folder.root)) == text
    found = {s["name"]: {t["name"]: t for t in s["tables"]} for s in yaml.safe_load(text)["sources"]}
    assert {name: list(tables) for name, tables in found.items()} == {"audit": ["checks"], "sales": ["customers", "orders"]}
    assert found["sales"]["orders"]["columns"] == [
        {"name": "id", "description": "", "data_type": "BIGINT"},
        {"name": "amount", "description": "In euro.", "data_type": "DOUBLE"},
    ]
    assert found["sales"]["orders"]["config"]["meta"]["product"] == "sales.orders"


def test_a_stale_list_is_told(folder: MeshFolder):
    """Missing, written, and stale after an edit of a contract."""
    assert [p.message for p in stale_sources(load(folder.root))] == ["dbt's list of sources is missing"]
    write_sources(load(folder.root))
    assert stale_sources(load(folder.root)) == ()
    folder.product("sales.orders", columns={**COLUMNS, "note": "string"}, key=["id"])
    (problem,) = stale_sources(load(folder.root))
    assert (problem.file, problem.severity) == (FILE, "warning")
    assert "dbt_sources" in problem.hint


def test_a_mesh_without_dbt_has_no_list(folder: MeshFolder):
    """Nobody is asked for a file that nobody reads."""
    (folder.root / "dbt" / "dbt_project.yml").unlink()
    assert stale_sources(load(folder.root)) == ()


def test_a_list_without_the_broken_ports_is_not_written(folder: MeshFolder):
    """A declaration with errors leaves the list as it was."""
    write_sources(load(folder.root))
    before = (folder.root / FILE).read_text()
    (folder.root / "domains/sales/orders/orders.odcs.yaml").write_text("kind: [")
    with pytest.raises(DeclarationError):
        write_sources(load(folder.root))
    assert (folder.root / FILE).read_text() == before
