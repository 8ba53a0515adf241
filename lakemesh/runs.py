"""What a call says about each product that it ran: the JSON of `mesh run`, and lines for a person.

Next: `orchestration/runs.py`, which ran them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lakemesh import failures
from lakemesh.render import line, number

if TYPE_CHECKING:
    from lakehouse.address import Address
    from lakehouse.gate import PortReport, RuleResult
    from orchestration.runs import ProductRun
    from orchestration.story import Outcome


def document(runs: Iterable[ProductRun]) -> dict[str, object]:
    """The answer of `run`, `rollback` and `quarantine replay` in JSON."""
    return {"runs": [_document(r) for r in runs]}


def _document(run: ProductRun) -> dict[str, object]:
    ports = [p for o in run.outcomes for p in _ports(o)]
    return {
        "run_id": run.run_id,
        "address": str(run.product.address),
        "outcome": run.verdict,
        "publications": [p.id for p in run.publications],
        "batches": [{"id": o.batch.id, "name": o.batch.name, "outcome": o.result} for o in run.outcomes],
        "rows": sum(s.rows for p in run.publications for s in p.ports if s.address == run.product.address),
        "quarantined": sum(p.quarantined for p in _main_ports(run) if not p.blocked),
        "ports": ports,
        "seconds": run.seconds,
        "warnings": [w for o in run.outcomes for w in o.warnings],
        "error": failures.document(run.reason) if run.reason else None,
    }


def _ports(outcome: Outcome) -> list[dict[str, object]]:
    states = {s.address: s for s in outcome.publication.ports} if outcome.publication else {}
    return [
        {
            "address": str(p.address),
            "batch": outcome.batch.id,
            "snapshot_id": states[p.address].snapshot_id if p.address in states else None,
            "rows": p.rows,
            "total_rows": p.total_rows,
            "quarantined": p.quarantined,
            "rules": rules(p),
        }
        for p in (outcome.report.ports if outcome.report else ())
    ]


def rules(port: PortReport) -> list[dict[str, object]]:
    return [
        {
            "rule": r.rule,
            "severity": r.severity,
            "scope": r.scope,
            "outcome": r.outcome,
            "failing": r.failing,
            "total": r.total,
            "expected": r.expected,
            "message": r.message,
        }
        for r in port.rules
    ]


def show(runs: Iterable[ProductRun], *, dry: bool = False) -> None:
    """A line for each product, and below it what kept a batch from being published."""
    for run in runs:
        line(f"{run.product.address}: {_sentence(run, dry=dry)} ({run.seconds:.1f} s)")
        for outcome in run.outcomes:
            _show_trouble(outcome)
        _show_remarks(run.outcomes)
        if run.error:
            line(_indented(str(run.error)))


def _sentence(run: ProductRun, *, dry: bool) -> str:
    if run.skipped == "unpublished":
        return "skipped, an input is not published yet"
    if run.verdict in ("unchanged", "skipped") or not run.outcomes:
        return run.verdict
    verdict = "would be published" if dry and run.verdict == "published" else run.verdict
    main = [p for p in _main_ports(run) if dry or not p.blocked]
    aside = sum(p.quarantined for p in main)
    batches = len(run.outcomes)
    counted = f"{number(sum(p.rows for p in main), 'row')} in {batches:,} batch{'es' if batches != 1 else ''}"
    return f"{verdict}, {counted}" + (f", {aside:,} set aside" if aside else "")


def _main_ports(run: ProductRun) -> list[PortReport]:
    reports = [o.report for o in run.outcomes if o.report]
    return [p for r in reports for p in r.ports if p.address == run.product.address]


def _show_trouble(outcome: Outcome) -> None:
    if outcome.result in ("blocked", "failed"):
        line(f"  {outcome.result}: {outcome.batch.name} (batch {outcome.batch.id})")
    if outcome.error:
        line(_indented(str(outcome.error)))
    for warning in outcome.warnings:
        line(f"  warning: {warning}")
    for port in outcome.report.ports if outcome.report else ():
        for rule in port.rules:
            if rule.blocks:
                line(f"  {port.address} {rule.rule}: {rule.message} (expected {rule.expected})")


def _show_remarks(outcomes: Iterable[Outcome]) -> None:
    """What did not block: a line for each rule, however many batches it spoke up in."""
    said: dict[tuple[str, Address, str], list[RuleResult]] = {}
    for port in [p for o in outcomes if o.report for p in o.report.ports]:
        for rule in port.rules:
            if rule.outcome != "passed" and not rule.blocks:
                kind = "set aside" if rule.kind == "row" else rule.severity
                said.setdefault((kind, port.address, rule.rule), []).append(rule)
    for (kind, address, name), found in said.items():
        line(f"  {kind}: {address} {name}: {_summed(found)}")


def _summed(found: Sequence[RuleResult]) -> str:
    if len(found) == 1 or any(r.total is None or r.failing is None for r in found):
        return found[0].message + (f" (and in {len(found) - 1:,} more batches)" if len(found) > 1 else "")
    failing, total = sum(r.failing or 0 for r in found), sum(r.total or 0 for r in found)
    return f"{failing:,.0f} of {total:,} rows in {len(found):,} batches"


def _indented(words: str) -> str:
    return "\n".join(f"  {one}" for one in words.splitlines())
