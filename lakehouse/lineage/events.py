"""What does OpenLineage hear of a run? START, then COMPLETE or FAIL.

Rule results are told where the specification puts them, on an input: the gate reads the staged port back, so a judged port is
an input of its own run (in the terminal event). Next: `graph.py`; `lakehouse/outbox.py` delivers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lakehouse.columns import ColumnSource
from lakehouse.lineage import facets
from lakehouse.lineage.facets import Facet
from lakehouse.lineage.identity import Identity, Name, identity
from lakehouse.lineage.records import InputDataset, OutputDataset, RunRecord

Event = dict[str, object]

_METHODS = {"name": "by name: the function was not read", "declared": "as the contract declares it", "sqlglot": "by sqlglot, from the SQL"}


def events(record: RunRecord) -> tuple[Event, Event]:
    """START and the terminal event of a run, ready for JSON."""
    inputs = [_input(record, dataset) for dataset in record.inputs]
    started = _event(record, "START", inputs, [_announced(record, dataset) for dataset in record.outputs])
    judged = [_judged(record, dataset) for dataset in record.outputs if dataset.rules]
    ended = _event(record, record.outcome.upper(), [*inputs, *judged], [_output(record, dataset) for dataset in record.outputs])
    return started, ended


def _event(record: RunRecord, kind: str, inputs: list[Facet], outputs: list[Facet]) -> Event:
    return {
        "eventType": kind,
        "eventTime": facets.instant(record.started if kind == "START" else record.ended),
        "producer": facets.PRODUCER,
        "schemaURL": facets.RUN_EVENT,
        "run": {"runId": str(record.run_id), "facets": dict(_run_facets(record, kind))},
        "job": {"namespace": record.namespace, "name": str(record.product), "facets": dict(_job_facets(record))},
        "inputs": inputs,
        "outputs": outputs,
    }


def _run_facets(record: RunRecord, kind: str) -> Iterator[tuple[str, Facet]]:
    yield "processing_engine", facets.processing_engine(record.version)
    if record.parent:
        yield "parent", facets.parent(record.namespace, record.parent)
    if record.nominal:
        yield "nominalTime", facets.nominal_time(record.nominal)
    if kind == "FAIL":
        yield "errorMessage", facets.error_message(record.error or "the run failed")


def _job_facets(record: RunRecord) -> Iterator[tuple[str, Facet]]:
    yield "jobType", facets.job_type()
    if record.owners:
        yield "ownership", facets.job_ownership(record.owners)
    if record.description:
        yield "documentation", facets.job_documentation(record.description)
    if record.code:
        yield "sourceCodeLocation", facets.source_code_location(record.code)
    if record.sql:
        yield "sql", facets.sql(record.sql)


def _input(record: RunRecord, dataset: InputDataset) -> Facet:
    found = identity(dataset.address, dataset.location, record.catalog.uri)
    statistics = (dataset.rows, dataset.bytes, dataset.files)
    known = {"inputStatistics": facets.input_statistics(*statistics)} if any(s is not None for s in statistics) else {}
    return {**_named(found.primary), "facets": dict(_input_facets(record, dataset, found)), "inputFacets": known}


def _input_facets(record: RunRecord, dataset: InputDataset, found: Identity) -> Iterator[tuple[str, Facet]]:
    if found.symlink:
        yield from _table_facets(record, found.symlink)
    if dataset.fields:
        yield "schema", facets.schema(dataset.fields)
    if dataset.snapshot_id is not None:
        yield "version", facets.version(dataset.snapshot_id, dataset.publication)


def _table_facets(record: RunRecord, symlink: Name) -> Iterator[tuple[str, Facet]]:
    yield "symlinks", facets.symlinks(symlink)
    yield "catalog", facets.catalog(record.catalog)
    yield "storage", facets.storage()


def _announced(record: RunRecord, dataset: OutputDataset) -> Facet:
    """An output as START can know it: what it is, not yet what became of it."""
    found = _output_identity(record, dataset)
    return {**_named(found.primary), "facets": dict(_standing_facets(record, dataset, found))}


def _output(record: RunRecord, dataset: OutputDataset) -> Facet:
    found = _output_identity(record, dataset)
    told = {**dict(_standing_facets(record, dataset, found)), **dict(_outcome_facets(record, dataset))}
    known = record.outcome == "complete" and dataset.rows is not None
    written = {"outputStatistics": facets.output_statistics(dataset.rows or 0, dataset.bytes, dataset.files)} if known else {}
    return {**_named(found.primary), "facets": told, "outputFacets": written}


def _judged(record: RunRecord, dataset: OutputDataset) -> Facet:
    """An output as the gate read it back."""
    found = _output_identity(record, dataset)
    told = dict(_table_facets(record, found.symlink)) if found.symlink else {}
    if dataset.snapshot_id is not None:
        told["version"] = facets.version(dataset.snapshot_id)
    return {**_named(found.primary), "facets": told, "inputFacets": {"dataQualityAssertions": facets.assertions(dataset.rules)}}


def _standing_facets(record: RunRecord, dataset: OutputDataset, found: Identity) -> Iterator[tuple[str, Facet]]:
    if found.symlink:
        yield from _table_facets(record, found.symlink)
    yield "schema", facets.schema(dataset.fields)
    if record.owners:
        yield "ownership", facets.ownership(record.owners)
    if dataset.description:
        yield "documentation", facets.documentation(dataset.description)


def _outcome_facets(record: RunRecord, dataset: OutputDataset) -> Iterator[tuple[str, Facet]]:
    if columns := _columns(dataset, _dataset_names(record)):
        yield "columnLineage", facets.column_lineage(columns)
    if record.outcome == "fail":
        return
    if dataset.snapshot_id is not None:
        yield "version", facets.version(dataset.snapshot_id)
    if dataset.lifecycle:
        yield "lifecycleStateChange", facets.lifecycle(dataset.lifecycle)


def _columns(dataset: OutputDataset, names: Mapping[str, Name]) -> dict[str, list[Facet]]:
    """A sibling that this run left alone is none of its data sets, so what came from it is not told again."""
    told = {column: [_source(s, names[s.dataset]) for s in found if s.dataset in names] for column, found in dataset.columns.items()}
    return {column: found for column, found in told.items() if found}


def _source(source: ColumnSource, dataset: Name) -> Facet:
    said = _METHODS[source.method] + ("" if source.certain else "; several inputs have a column of this name")
    return facets.input_field(dataset, source.column, source.change, said)


def _dataset_names(record: RunRecord) -> dict[str, Name]:
    """What `ColumnSource.dataset` may name: the inputs, and the run's own outputs for a sibling's columns."""
    inputs = {d.name: identity(d.address, d.location, record.catalog.uri).primary for d in record.inputs}
    return {**inputs, **{d.name: _output_identity(record, d).primary for d in record.outputs}}


def _output_identity(record: RunRecord, dataset: OutputDataset) -> Identity:
    return identity(dataset.address, dataset.location, record.catalog.uri)


def _named(name: Name) -> Facet:
    return {"namespace": name.namespace, "name": name.name}
