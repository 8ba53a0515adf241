"""A run told as OpenLineage events."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from lakehouse.address import Address
from lakehouse.lineage import CodeLocation, Name, RunRecord, events, identity
from tests.lineage.conftest import Specification, facets


def told(record: RunRecord) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two events as a receiver reads them."""
    start, end = json.loads(json.dumps(events(record), allow_nan=False))
    return start, end


def failed(record: RunRecord) -> RunRecord:
    unpublished = tuple(replace(o, snapshot_id=None, lifecycle=None) for o in record.outputs)
    return replace(record, outcome="fail", error="key: 3 rows twice", outputs=unpublished)


def bare(record: RunRecord) -> RunRecord:
    """Nothing known but what must be."""
    output = replace(record.outputs[1], description="", rows=None, bytes=None, files=None, lifecycle=None, columns={})
    source = replace(record.inputs[0], rows=None, bytes=None, files=None)
    gone = {"parent": None, "nominal": None, "code": None, "sql": None}
    return replace(record, inputs=(source,), outputs=(output,), owners=(), description="", **gone)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [lambda r: r, failed, bare])
def test_every_event_and_facet_keeps_the_specification(record: RunRecord, specification: Specification, change: Any) -> None:
    """Published, failed or bare: each event, and each facet by its own schema, is valid."""
    for event in told(change(record)):
        assert specification.problems(event) == []


def test_the_judge_sees_a_broken_event(record: RunRecord, specification: Specification) -> None:
    """A missing field, a wrong version and a bad run id are found: the test above is not empty."""
    _, end = told(record)
    del end["outputs"][0]["facets"]["version"]["datasetVersion"]
    end["job"]["facets"]["sql"]["_schemaURL"] = end["job"]["facets"]["sql"]["_schemaURL"].replace("1-1-0", "9-9-9")
    end["run"]["runId"] = "run-7"
    found = "\n".join(specification.problems(end))
    assert "datasetVersion" in found
    assert "9-9-9" in found
    assert "run-7" in found


def test_each_facet_stands_where_its_schema_puts_it(record: RunRecord, specification: Specification) -> None:
    """Input facets stand on inputs, output facets on outputs: also the quality assertions."""
    homes = {"facets": "DatasetFacet", "inputFacets": "InputDatasetFacet", "outputFacets": "OutputDatasetFacet"}
    _, end = told(record)
    for dataset in (*end["inputs"], *end["outputs"]):
        for group, home in homes.items():
            for facet in dataset.get(group, {}).values():
                assert specification.home_of(facet) == home
    assert {specification.home_of(f) for f in end["run"]["facets"].values()} == {"RunFacet"}
    assert {specification.home_of(f) for f in end["job"]["facets"].values()} == {"JobFacet"}


def test_one_start_and_one_end_of_one_run(record: RunRecord) -> None:
    """START and the terminal event share run, job and parent, and stand in time."""
    for outcome, kind in (("complete", "COMPLETE"), ("fail", "FAIL")):
        start, end = told(replace(record, outcome=outcome))  # type: ignore[arg-type]
        assert (start["eventType"], end["eventType"]) == ("START", kind)
        assert (start["eventTime"], end["eventTime"]) == ("2013-06-30T05:00:00.000Z", "2013-06-30T05:00:02.000Z")
        assert start["run"]["runId"] == end["run"]["runId"]
        assert start["job"] == end["job"]
        assert start["run"]["facets"]["parent"]["root"]["job"]["name"] == "backfill"


def test_what_was_read_and_written_are_the_snapshots(record: RunRecord) -> None:
    """Inputs carry their pins and outputs the snapshots they became; START cannot know the latter."""
    start, end = told(record)
    weather = next(i for i in end["inputs"] if i["name"].endswith("observations"))
    assert weather["facets"]["version"]["datasetVersion"] == "7001"
    assert weather["facets"]["version"]["publication"] == "p-weather"
    assert [o["facets"]["version"]["datasetVersion"] for o in end["outputs"]] == ["8001", "8002"]
    assert all("version" not in o["facets"] for o in start["outputs"])
    assert end["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 842
    assert end["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"] == 842


def test_a_failed_run_claims_no_publication(record: RunRecord) -> None:
    """FAIL says why, shows what the gate found, and has neither version, statistics nor lifecycle."""
    _, end = told(failed(record))
    assert end["run"]["facets"]["errorMessage"]["message"] == "key: 3 rows twice"
    assert any("dataQualityAssertions" in i["inputFacets"] for i in end["inputs"])
    assert {key for key, _ in facets(end)} & {"outputStatistics", "lifecycleStateChange"} == set()
    assert all("version" not in o["facets"] for o in end["outputs"])


def test_rules_are_assertions_on_the_port_that_the_gate_read(record: RunRecord) -> None:
    """Each rule's verdict, severity, promise and number reach the receiver, under the port's own name."""
    _, end = told(record)
    (judged,) = [i for i in end["inputs"] if "dataQualityAssertions" in i.get("inputFacets", {})]
    assert (judged["namespace"], judged["name"]) == (end["outputs"][0]["namespace"], end["outputs"][0]["name"])
    first, second = judged["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (first["name"], first["success"], first["column"], first["actual"]) == ("key", True, "flight", "0")
    assert (second["name"], second["success"], second["severity"], second["expected"]) == ("late", False, "warning", "mustBe 0")


def test_column_lineage_names_data_sets_of_the_run_and_its_method(record: RunRecord) -> None:
    """Every input field is a field of an input or a sibling output, with how it was found."""
    _, end = told(record)
    known = {(d["namespace"], d["name"]) for d in (*end["inputs"], *end["outputs"])}
    flights, daily = (o["facets"]["columnLineage"]["fields"] for o in end["outputs"])
    (by_name,), (by_sql,) = flights["flight"]["inputFields"], daily["departed"]["inputFields"]
    assert {(f["namespace"], f["name"]) for f in (by_name, by_sql)} <= known
    assert by_name["transformations"][0]["description"].startswith("by name")
    assert by_sql["transformations"][0]["subtype"] == "AGGREGATION"
    assert by_sql["name"] == end["outputs"][0]["name"]


def test_nothing_is_told_of_a_sibling_that_did_not_run(record: RunRecord) -> None:
    """A run of the second port alone tells no column of a port that is not among its data sets."""
    _, end = told(replace(record, outputs=record.outputs[1:]))
    assert "columnLineage" not in end["outputs"][0]["facets"]


def test_the_location_is_the_name_and_the_address_its_symlink() -> None:
    """As Spark's listener has it, whatever way the location is written."""
    flights, sqlite = Address("operations", "flights"), "sqlite:////mesh/mesh.db"
    for location in ("file:///w/operations/flights", "file:/w/operations/flights", "/w/operations/flights/"):
        found = identity(flights, location, sqlite)
        assert found.primary == Name("file", "/w/operations/flights")
        assert found.symlink == Name(sqlite, "operations.flights")
    for location in ("s3://bucket/w/flights", "s3a://bucket/w/flights/"):
        assert identity(flights, location, sqlite).primary == Name("s3://bucket", "w/flights")
    assert identity(None, "/landing/a.csv", sqlite).symlink is None


def test_no_password_is_told(record: RunRecord) -> None:
    """A catalog's user and password stay out of every event."""
    secret = replace(record.catalog, uri="postgresql+psycopg://mesh:hush@db.example.com:5432/mesh")
    text = json.dumps(events(replace(record, catalog=secret)))
    assert "hush" not in text
    assert "postgresql+psycopg://db.example.com:5432/mesh" in text


def test_hostile_text_stays_text(record: RunRecord) -> None:
    """Quotes, newlines and lone control characters in descriptions and messages survive the journey."""
    hostile = 'a"b\n\x00<script>\u2028'
    start, end = told(replace(failed(record), description=hostile, error=hostile))
    assert start["job"]["facets"]["documentation"]["description"] == hostile
    assert end["run"]["facets"]["errorMessage"]["message"] == hostile


def test_a_local_repository_has_a_location(record: RunRecord, specification: Specification) -> None:
    """Code that is in no hosted repository is named by a file URI."""
    code = CodeLocation(url="file:///mesh", path="domains/operations/flights", version="f" * 64)
    for event in told(replace(record, code=code)):
        assert specification.problems(event) == []


def test_telling_needs_no_client() -> None:
    """Building events imports neither OpenLineage's client nor sqlglot: a cold run does not pay for them."""
    code = (
        "import sys, lakehouse.lineage; print(sorted({'openlineage', 'sqlglot', 'duckdb', 'sqlalchemy', 'pyiceberg'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
