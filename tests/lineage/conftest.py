"""What the lineage tests share: the specification's own schemas as judge, and a run with everything in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema_rs import Draft202012, Draft202012Validator, Registry

from lakehouse.address import Address
from lakehouse.columns import ColumnSource
from lakehouse.declare import Declarations
from lakehouse.gate import RuleResult
from lakehouse.lineage import (
    Catalog,
    CodeLocation,
    Field,
    InputDataset,
    NominalTime,
    OutputDataset,
    ParentRun,
    RunRecord,
)
from lakehouse.mesh import Mesh
from lakehouse.settings import Settings

ROOT = Path(__file__).parents[2]
SPEC = Path(os.environ.get("OPENLINEAGE_SPEC") or ROOT.parent / "shared" / "openlineage-spec")
STARTED = datetime(2013, 6, 30, 5, 0, tzinfo=UTC)


class Specification:
    """OpenLineage's schemas; `problems` says where an event departs from them."""

    def __init__(self, folder: Path) -> None:
        self.schemas = {s["$id"]: s for s in (json.loads(f.read_text()) for f in sorted(folder.rglob("*.json")))}
        self._registry = Registry(list(self.schemas.items()), draft=Draft202012)

    def problems(self, event: dict[str, Any]) -> list[str]:
        found = self._problems(event["schemaURL"], event)
        for key, facet in facets(event):
            document = facet["_schemaURL"].partition("#")[0]
            if document not in self.schemas:
                found.append(f"{key}: no such schema {document}")
                continue
            if key not in self.schemas[document]["properties"]:
                found.append(f"{key} is not what {document} calls this facet")
            found += self._problems(facet["_schemaURL"], facet)
        return found

    def _problems(self, url: str, value: object) -> list[str]:
        judge = Draft202012Validator({"$ref": url}, registry=self._registry, validate_formats=True)
        return [f"{url}: {'.'.join(map(str, e.instance_path))}: {e.message}" for e in judge.iter_errors(value)]

    def home_of(self, facet: dict[str, Any]) -> str:
        """The name of the class that the facet extends: where in an event it belongs."""
        document, _, pointer = facet["_schemaURL"].partition("#/$defs/")
        base = self.schemas[document]["$defs"][pointer]["allOf"][0]["$ref"]
        return str(base).rpartition("/")[2]


def facets(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every facet of an event with its key."""
    for holder in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
        for group in ("facets", "inputFacets", "outputFacets"):
            yield from holder.get(group, {}).items()


@pytest.fixture(scope="session")
def specification() -> Specification:
    if not (SPEC / "OpenLineage.json").is_file():
        pytest.skip(f"the OpenLineage schemas are not at {SPEC}; OPENLINEAGE_SPEC names another folder")
    return Specification(SPEC)


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """OpenLineage's client writes what it understood back into the environment; other tests must not inherit it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mesh]:
    """An empty mesh on disk, where nobody said where lineage goes."""
    for name in list(os.environ):
        if name.startswith("OPENLINEAGE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mesh.toml").touch()
    with open_mesh(tmp_path) as opened:
        yield opened


def open_mesh(root: Path) -> Mesh:
    nothing = Declarations(root=root, domains={}, products={}, problems=())
    return Mesh.open(Settings(root=root, home=root / ".mesh"), nothing)


@pytest.fixture
def record() -> RunRecord:
    """A published run of two ports, the second computed from the first, with every optional fact known."""
    fine = RuleResult(rule="key", kind="gate", severity="error", scope="port", outcome="passed", failing=0, total=842, column="flight")
    late = RuleResult(
        rule="late", kind="gate", severity="warning", scope="batch", outcome="failed", failing=3, expected="mustBe 0", message="3 of 842"
    )
    landed = InputDataset(name="landed", location="/landing/flights/2013-06-30.csv", rows=842, bytes=90_000, files=1)
    weather = InputDataset(
        name="weather",
        address=Address("weather", "observations"),
        location="file:///mesh/warehouse/weather/observations",
        snapshot_id=7_001,
        publication="p-weather",
        fields=(Field(name="wind", type="double"),),
    )
    flights = OutputDataset(
        address=Address("operations", "flights"),
        location="file:///mesh/warehouse/operations/flights",
        snapshot_id=8_001,
        fields=(
            Field(name="flight", type="int", description="The number of the flight."),
            Field(name="at", type="struct<x:int>", fields=(Field(name="x", type="int"),)),
        ),
        description="Every scheduled departure.",
        rows=842,
        bytes=40_000,
        files=1,
        lifecycle="CREATE",
        rules=(fine, late),
        columns={"flight": (ColumnSource(dataset="landed", column="flight", method="name", change="TRANSFORMATION"),)},
    )
    daily = replace(
        flights,
        address=Address("operations", "flights_daily"),
        location="file:///mesh/warehouse/operations/flights_daily",
        snapshot_id=8_002,
        rules=(),
        columns={"departed": (ColumnSource(dataset="flights", column="flight", method="sqlglot", change="AGGREGATION"),)},
    )
    return RunRecord(
        namespace="mesh",
        product=Address("operations", "flights"),
        run_id=UUID(int=3),
        started=STARTED,
        ended=STARTED + timedelta(seconds=2),
        outcome="complete",
        parent=ParentRun(run_id=UUID(int=2), job="operations", root=ParentRun(run_id=UUID(int=1), job="backfill")),
        nominal=NominalTime(start=STARTED, end=STARTED + timedelta(days=1)),
        inputs=(landed, weather),
        outputs=(flights, daily),
        catalog=Catalog(name="mesh", uri="sqlite:////mesh/mesh.db", warehouse="file:///mesh/warehouse"),
        owners=("ops", "ops@example.com"),
        description="Who flew, and when.",
        code=CodeLocation(url="https://git.example.com/mesh", path="domains/operations/flights", version="0123abc"),
        sql="select 1",
        version="1.0.0",
    )
