"""A small mesh to break: two domains, four products, every kind of declaration."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.declare import Declarations, load
from lakehouse.errors import Problem

FILES = {
    "mesh.toml": "",
    "domains/operations/domain.yaml": """\
purpose: Runs the flights.
team: {name: ops, members: [{username: ops@example.com}]}
timezone: America/New_York
""",
    "domains/operations/flights/product.odps.yaml": """\
apiVersion: v1.1.0
kind: DataProduct
id: operations.flights
version: 1.0.0
status: active
type: sourceAligned
description: {purpose: Every scheduled departure.}
inputPorts:
  - name: landed
    customProperties:
      - property: lakemesh
        vendor: lakemesh
        value:
          source: {files: {path: landing/flights, format: csv, dialect: {nulls: ["NA"]}}}
          delivery: "{date}.csv"
outputPorts:
  - name: flights
    version: 1.0.0
    contractId: operations.flights
    customProperties: [{property: lakemesh, vendor: lakemesh, value: {write: append}}]
  - name: flights_daily
    version: 1.0.0
    contractId: operations.flights_daily
    customProperties: [{property: lakemesh, vendor: lakemesh, value: {write: overwrite_partitions}}]
""",
    "domains/operations/flights/landed.odcs.yaml": """\
apiVersion: v3.2.0
kind: DataContract
id: operations.landed
version: 1.0.0
schema:
  - name: landed
    properties:
      - {name: carrier, logicalType: string, classification: public}
      - {name: dep_time, logicalType: integer, physicalType: int, classification: public}
""",
    "domains/operations/flights/flights.odcs.yaml": """\
apiVersion: v3.2.0
kind: DataContract
id: operations.flights
version: 1.0.0
status: active
slaProperties:
  - {property: frequency, value: 1, unit: d, schedule: "0 6 * * *"}
  - {property: retention, value: 20, unit: y, element: flights.flight_date}
schema:
  - name: flights
    properties:
      - name: flight_date
        logicalType: date
        partitioned: true
        primaryKey: true
        classification: public
      - name: carrier
        logicalType: string
        required: true
        classification: public
        logicalTypeOptions: {maxLength: 2}
        relationships:
          - to: airlines.carrier
            customProperties: [{property: lakemesh, vendor: lakemesh, value: {severity: warning}}]
        quality:
          - {metric: nullValues, mustBe: 0}
      - name: departure_local
        logicalType: timestamp
        logicalTypeOptions: {timezone: false}
        classification: public
      - name: fare
        logicalType: number
        physicalType: decimal(12,2)
        classification: confidential
    quality:
      - {metric: rowCount, mustBeGreaterThan: 0, severity: warning}
""",
    "domains/operations/flights/flights_daily.odcs.yaml": """\
apiVersion: v3.2.0
kind: DataContract
id: operations.flights_daily
version: 1.0.0
schema:
  - name: flights_daily
    properties:
      - {name: flight_date, logicalType: date, partitioned: true, primaryKey: true, classification: public}
      - {name: scheduled, logicalType: integer, classification: public}
""",
    "domains/operations/flights/transform.py": """\
from __future__ import annotations

import duckdb
import pyarrow as pa


def flights(landed: pa.RecordBatchReader) -> pa.RecordBatchReader:
    return landed


def flights_daily(flights: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    return flights
""",
    "domains/operations/airlines/product.odps.yaml": """\
apiVersion: v1.1.0
kind: DataProduct
id: operations.airlines
version: 1.0.0
status: active
inputPorts:
  - name: landed
    customProperties:
      - property: lakemesh
        vendor: lakemesh
        value: {source: {files: {path: landing/airlines, format: csv}}}
outputPorts:
  - name: airlines
    customProperties: [{property: lakemesh, vendor: lakemesh, value: {write: overwrite}}]
""",
    "domains/operations/airlines/airlines.odcs.yaml": """\
apiVersion: v3.2.0
kind: DataContract
id: operations.airlines
version: 1.0.0
schema:
  - name: airlines
    properties:
      - {name: carrier, logicalType: string, primaryKey: true, classification: public}
""",
    "domains/punctuality/domain.yaml": "purpose: Tells who is late.\nteam: {name: punctuality}\n",
    "domains/punctuality/delays/product.odps.yaml": """\
apiVersion: v1.1.0
kind: DataProduct
id: punctuality.delays
version: 1.0.0
status: active
inputPorts:
  - {name: flights, contractId: operations.flights, version: "1"}
outputPorts:
  - name: delays
    customProperties: [{property: lakemesh, vendor: lakemesh, value: {write: overwrite}}]
""",
    "domains/punctuality/delays/delays.odcs.yaml": """\
apiVersion: v3.2.0
kind: DataContract
id: punctuality.delays
version: 1.0.0
schema:
  - name: delays
    properties:
      - {name: carrier, logicalType: string, classification: public}
""",
    "domains/punctuality/delays/transform.py": """\
import polars as pl


def delays(flights: pl.LazyFrame) -> pl.LazyFrame:
    return flights
""",
    "domains/punctuality/ranking/product.odps.yaml": """\
apiVersion: v1.1.0
kind: DataProduct
id: punctuality.ranking
version: 1.0.0
status: draft
inputPorts:
  - {name: delays, contractId: punctuality.delays, version: "1"}
outputPorts:
  - name: ranking
    customProperties: [{property: lakemesh, vendor: lakemesh, value: {write: overwrite}}]
""",
    "domains/punctuality/ranking/ranking.odcs.yaml": """\
apiVersion: v3.2.0
kind: DataContract
id: punctuality.ranking
version: 1.0.0
schema:
  - name: ranking
    properties:
      - {name: carrier, logicalType: string, classification: public}
""",
    "dbt/models/punctuality/ranking/punctuality__ranking.sql": "select carrier from {{ source('punctuality', 'delays') }}\n",
}


class Mesh:
    """A mesh on disk that a test edits and loads again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace the first `old` in a file; it must be there."""
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new, 1))

    def load(self) -> Declarations:
        return load(self.root)

    def problems(self) -> tuple[Problem, ...]:
        return self.load().problems


@pytest.fixture
def mesh(tmp_path: Path) -> Mesh:
    return Mesh(tmp_path)
