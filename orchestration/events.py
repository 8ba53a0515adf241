"""What a run tells Dagster: a check result per rule, a materialization per publication or partition, or that nothing was new.

Next: `assets.py` sends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import dagster as dg

from lakehouse.address import Address
from lakehouse.declare.product import OutputPort, Product
from lakehouse.gate import GateReport, RuleResult
from lakehouse.store import Publication
from orchestration.keys import key_of
from orchestration.specs import DBT_TESTS
from orchestration.story import Outcome

DATA_VERSION = "dagster/data_version"
SAMPLES = 5


def check_results(reports: Sequence[GateReport], declared: Sequence[dg.AssetCheckKey]) -> Iterator[dg.AssetCheckResult]:
    """One result for each declared rule of each port that was judged, over all batches of the run."""
    judged = [(p.address, r) for report in reports for p in report.ports for r in p.rules]
    for address in dict.fromkeys(a for a, _ in judged):
        found = [r for a, r in judged if a == address]
        names = {c.name for c in declared if c.asset_key == key_of(address)}
        for name in sorted(names):
            results = [r for r in found if r.rule == name or (name == DBT_TESTS and r.rule not in names)]
            yield _check_result(address, name, results)


def _check_result(address: Address, name: str, results: Sequence[RuleResult]) -> dg.AssetCheckResult:
    """Passed when the rule held in every batch. A row rule that set rows aside has failed, but blocks nothing."""
    failed = [r for r in results if r.outcome != "passed"]
    severe = any(r.blocks for r in failed)
    return dg.AssetCheckResult(
        asset_key=key_of(address),
        check_name=name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        description=_said([*dict.fromkeys(r.message for r in failed if r.message)]) or None,
        metadata=_measured(results, failed),
    )


def _said(messages: Sequence[str]) -> str:
    """The first few of what the batches of a run say: a year of days may say something of each."""
    more = [f"and {len(messages) - SAMPLES} more"] if len(messages) > SAMPLES else []
    return "; ".join([*messages[:SAMPLES], *more])


def _measured(results: Sequence[RuleResult], failed: Sequence[RuleResult]) -> dict[str, Any]:
    found: dict[str, Any] = {"failing": sum(r.failing or 0 for r in results), "total": sum(r.total or 0 for r in results)}
    told = failed or results
    if told:
        found |= {"expected": told[0].expected, "scope": told[0].scope, "severity": told[0].severity}
    sample = [dict(row) for r in failed for row in r.sample][:SAMPLES]
    return found | ({"sample": dg.JsonMetadataValue(sample)} if sample else {})


def materialized(port: OutputPort, outcomes: Sequence[Outcome]) -> dg.MaterializeResult[Any]:
    """What was published of a port by a run, as it stands after the last of its publications."""
    version = dg.DataVersion(_publication(outcomes).id)
    return dg.MaterializeResult(asset_key=key_of(port.address), metadata=metadata(port, outcomes), data_version=version)


def by_day(port: OutputPort, outcomes: Sequence[Outcome]) -> Iterator[dg.AssetMaterialization]:
    """A materialization for each day that was published."""

    def day(outcome: Outcome) -> str:
        return outcome.batch.partition or ""

    for partition, group in groupby(sorted(outcomes, key=day), key=day):
        last = [*group]
        if partition:
            yield dg.AssetMaterialization(
                key_of(port.address), metadata=metadata(port, last), partition=partition, tags={DATA_VERSION: _publication(last).id}
            )


def heard_last(instance: dg.DagsterInstance, port: OutputPort) -> str | None:
    """The publication of a port that Dagster heard of last."""
    event = instance.get_latest_materialization_event(key_of(port.address))
    told = event.asset_materialization.tags if event and event.asset_materialization else None
    return (told or {}).get(DATA_VERSION)


def is_news(instance: dg.DagsterInstance, port: OutputPort, current: Publication) -> bool:
    """Whether Dagster never heard of what is current: a run died after it, or a replay or rollback made it.

    What retention leaves is nothing that consumers should run for.
    """
    there = any(state.address == port.address for state in current.ports)
    return there and current.kind != "retention" and heard_last(instance, port) != current.id


def standing(port: OutputPort, current: Publication) -> dg.MaterializeResult[Any]:
    """What is current of a port, told late: its consumers wait for it."""
    return dg.MaterializeResult(asset_key=key_of(port.address), metadata=_state(port, current), data_version=dg.DataVersion(current.id))


def standing_day(port: OutputPort, current: Publication, day: str) -> dg.AssetMaterialization:
    """The same for a day: consumers of days wait for these."""
    return dg.AssetMaterialization(key_of(port.address), metadata=_state(port, current), partition=day, tags={DATA_VERSION: current.id})


def unchanged(product: Product, port: OutputPort, current: Publication | None) -> dg.AssetObservation:
    """Nothing was new: what is current stays so."""
    return dg.AssetObservation(
        key_of(port.address),
        description="nothing to do: inputs, code and contract are those of the current publication",
        metadata={"publication": current.id} if current else None,
        tags={DATA_VERSION: current.id} if current else None,
    )


def _publication(outcomes: Sequence[Outcome]) -> Publication:
    """What the last of these outcomes published."""
    found = outcomes[-1].publication
    if found is None:
        raise ValueError("only what was published is materialized")
    return found


def metadata(port: OutputPort, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What a publication is, and what these outcomes brought to it."""
    reports = [p for o in outcomes if o.report for p in o.report.ports if p.address == port.address]
    return {
        **_state(port, _publication(outcomes)),
        "rows": sum(p.rows for p in reports),
        "quarantined": sum(p.quarantined for p in reports),
        "batches": [o.batch.name for o in outcomes],
    }


def _state(port: OutputPort, publication: Publication) -> dict[str, Any]:
    state = publication.port(port.address)
    return {
        "dagster/row_count": state.total_rows,
        "dagster/uri": state.metadata_location,
        "publication": publication.id,
        "snapshot_id": str(state.snapshot_id),
        "contract_version": state.contract_version,
    }
