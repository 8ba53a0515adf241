"""How does OpenLineage spell a fact? One function per facet, in the exact version that its `_schemaURL` names.

They are plain dictionaries: the generated classes take half a second to import, and a publication takes 30 ms.
Next: `events.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from lakehouse.gate import RuleResult
from lakehouse.lineage.identity import Name, without_password
from lakehouse.lineage.records import Catalog, CodeLocation, Field, Lifecycle, NominalTime, ParentRun

Facet = dict[str, object]

PRODUCER = "https://github.com/lakemesh/lakemesh"
SPEC = "https://openlineage.io/spec"
RUN_EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_VERSIONS = {
    "CatalogDatasetFacet": "1-1-0",
    "ColumnLineageDatasetFacet": "1-2-0",
    "DataQualityAssertionsDatasetFacet": "1-1-0",
    "DatasetVersionDatasetFacet": "1-0-1",
    "DocumentationDatasetFacet": "1-1-0",
    "DocumentationJobFacet": "1-1-0",
    "ErrorMessageRunFacet": "1-0-1",
    "InputStatisticsInputDatasetFacet": "1-0-0",
    "JobTypeJobFacet": "2-0-4",
    "LifecycleStateChangeDatasetFacet": "1-0-1",
    "NominalTimeRunFacet": "1-0-1",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
    "OwnershipDatasetFacet": "1-0-1",
    "OwnershipJobFacet": "1-0-1",
    "ParentRunFacet": "1-2-0",
    "ProcessingEngineRunFacet": "1-1-1",
    "SQLJobFacet": "1-1-0",
    "SchemaDatasetFacet": "1-2-0",
    "SourceCodeLocationJobFacet": "1-1-0",
    "StorageDatasetFacet": "1-0-1",
    "SymlinksDatasetFacet": "1-0-1",
}


def instant(at: datetime) -> str:
    """RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _facet(kind: str, **body: object) -> Facet:
    return {"_producer": PRODUCER, "_schemaURL": f"{SPEC}/facets/{_VERSIONS[kind]}/{kind}.json#/$defs/{kind}", **_known(body)}


def _known(body: Mapping[str, object]) -> Facet:
    return {key: value for key, value in body.items() if value is not None}


# the run


def parent(namespace: str, run: ParentRun) -> Facet:
    root = run.root or run
    return _facet("ParentRunFacet", **_run(namespace, run), root=_run(namespace, root))


def _run(namespace: str, run: ParentRun) -> Facet:
    return {"run": {"runId": str(run.run_id)}, "job": {"namespace": namespace, "name": run.job}}


def nominal_time(time: NominalTime) -> Facet:
    end = instant(time.end) if time.end else None
    return _facet("NominalTimeRunFacet", nominalStartTime=instant(time.start), nominalEndTime=end)


def processing_engine(version: str) -> Facet:
    return _facet("ProcessingEngineRunFacet", name="lakemesh", version=version, openlineageAdapterVersion=version)


def error_message(message: str) -> Facet:
    return _facet("ErrorMessageRunFacet", message=message, programmingLanguage="PYTHON")


# the job


def job_type() -> Facet:
    return _facet("JobTypeJobFacet", processingType="BATCH", integration="LAKEMESH", jobType="JOB")


def job_ownership(owners: Sequence[str]) -> Facet:
    return _facet("OwnershipJobFacet", owners=_owners(owners))


def job_documentation(description: str) -> Facet:
    return _facet("DocumentationJobFacet", description=description)


def source_code_location(code: CodeLocation) -> Facet:
    return _facet("SourceCodeLocationJobFacet", type=code.kind, url=code.url, repoUrl=code.repository, path=code.path, version=code.version)


def sql(query: str) -> Facet:
    return _facet("SQLJobFacet", query=query, dialect="duckdb")


# a data set


def schema(fields: Sequence[Field]) -> Facet:
    return _facet("SchemaDatasetFacet", fields=_fields(fields))


def _fields(fields: Sequence[Field]) -> list[Facet]:
    return [_field(field, position) for position, field in enumerate(fields, start=1)]


def _field(field: Field, position: int) -> Facet:
    nested = _fields(field.fields) or None
    return _known(
        {"name": field.name, "type": field.type, "description": field.description or None, "ordinal_position": position, "fields": nested}
    )


def version(snapshot_id: int, publication: str | None = None) -> Facet:
    """The snapshot; the facet is open, so the publication that it belongs to goes with it."""
    return _facet("DatasetVersionDatasetFacet", datasetVersion=str(snapshot_id), publication=publication)


def symlinks(name: Name) -> Facet:
    return _facet("SymlinksDatasetFacet", identifiers=[{"namespace": name.namespace, "name": name.name, "type": "TABLE"}])


def catalog(of: Catalog) -> Facet:
    return _facet(
        "CatalogDatasetFacet",
        framework="iceberg",
        type=of.kind,
        name=of.name,
        metadataUri=without_password(of.uri),
        warehouseUri=of.warehouse,
        source="lakemesh",
    )


def storage() -> Facet:
    return _facet("StorageDatasetFacet", storageLayer="iceberg", fileFormat="parquet")


def ownership(owners: Sequence[str]) -> Facet:
    return _facet("OwnershipDatasetFacet", owners=_owners(owners))


def _owners(owners: Sequence[str]) -> list[Facet]:
    return [{"name": owner} for owner in owners]


def documentation(description: str) -> Facet:
    return _facet("DocumentationDatasetFacet", description=description)


def lifecycle(change: Lifecycle) -> Facet:
    return _facet("LifecycleStateChangeDatasetFacet", lifecycleStateChange=change)


def column_lineage(columns: Mapping[str, Sequence[Facet]]) -> Facet:
    """`columns` maps an output column to its `input_field`s."""
    return _facet("ColumnLineageDatasetFacet", fields={name: {"inputFields": list(found)} for name, found in columns.items()})


def input_field(dataset: Name, column: str, change: str, description: str) -> Facet:
    transformation = {"type": "DIRECT", "subtype": change, "description": description, "masking": False}
    return {"namespace": dataset.namespace, "name": dataset.name, "field": column, "transformations": [transformation]}


def output_statistics(rows: int | None, size: int | None, files: int | None) -> Facet:
    return _facet("OutputStatisticsOutputDatasetFacet", rowCount=rows, size=size, fileCount=files)


def input_statistics(rows: int | None, size: int | None, files: int | None) -> Facet:
    return _facet("InputStatisticsInputDatasetFacet", rowCount=rows, size=size, fileCount=files)


def assertions(rules: Sequence[RuleResult]) -> Facet:
    return _facet("DataQualityAssertionsDatasetFacet", assertions=[_assertion(rule) for rule in rules])


def _assertion(rule: RuleResult) -> Facet:
    return _known(
        {
            "assertion": f"{rule.kind}_rule",
            "name": rule.rule,
            "success": rule.outcome == "passed",
            "column": rule.column,
            "severity": rule.severity,
            "description": rule.message or None,
            "expected": rule.expected or None,
            "actual": None if rule.failing is None else f"{rule.failing:.15g}",
            "params": {"scope": rule.scope, "outcome": rule.outcome},
        }
    )
