"""What a call says about each product that it ran, whoever ran it. Next: `commands/run.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lakehouse.declare.product import Product
from lakehouse.errors import MeshError, Unavailable
from lakehouse.gate import GateReport, PortReport
from lakehouse.mesh import Mesh
from lakehouse.store import Publication
from lakemesh import failures
from lakemesh.render import line, number
from orchestration.story import Outcome, Request, run_product

Verdict = Literal["published", "unchanged", "blocked", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductRun:
    """One product's run: an outcome for each batch, the worst of which is the run's."""

    run_id: str
    product: Product
    outcomes: tuple[Outcome, ...] = ()
    seconds: float = 0.0
    error: MeshError | None = None
    skipped: bool = False

    @property
    def verdict(self) -> Verdict:
        if self.skipped:
            return "skipped"
        if self.error:
            return "failed"
        results = {o.result for o in self.outcomes}
        worst: tuple[Verdict, ...] = ("failed", "blocked", "published")
        return next((w for w in worst if w in results), "unchanged")

    @property
    def exit_code(self) -> int:
        errors = [e for e in (self.error, *(o.error for o in self.outcomes)) if e]
        return max((e.exit_code for e in errors), default=0) or int(self.verdict not in ("published", "unchanged"))

    @property
    def publications(self) -> tuple[Publication, ...]:
        return tuple(o.publication for o in self.outcomes if o.publication and o.result == "published")

    @property
    def reason(self) -> MeshError | None:
        return self.error or next((o.error for o in self.outcomes if o.error), None)


def run(mesh: Mesh, products: Sequence[Product], request: Request, told: Callable[[Product], None]) -> list[ProductRun]:
    """Run products one after another; one whose input could not be published for the first time is skipped."""
    done: list[ProductRun] = []
    for product in products:
        told(product)
        done.append(_skip(product, request) if _waits(mesh, product, done) else _run(mesh, product, request))
    return done


def _run(mesh: Mesh, product: Product, request: Request) -> ProductRun:
    started = time.monotonic()
    outcomes: list[Outcome] = []
    error: MeshError | None = None
    try:
        outcomes.extend(run_product(mesh, product, request))
    except Unavailable as trouble:
        error = trouble
    except MeshError as trouble:
        error = trouble
    return ProductRun(
        run_id=request.run_id, product=product, outcomes=tuple(outcomes), seconds=round(time.monotonic() - started, 3), error=error
    )


def _skip(product: Product, request: Request) -> ProductRun:
    return ProductRun(run_id=request.run_id, product=product, skipped=True)


def _waits(mesh: Mesh, product: Product, done: Sequence[ProductRun]) -> bool:
    """Whether an input was to be made in this call, was not, and has no publication to read instead."""
    stopped = {r.product.address for r in done if r.exit_code and mesh.store.current(r.product.address) is None}
    return any(mesh.declarations.producer(i.address).address in stopped for i in product.inputs if i.address)


# what is said of it


def document(runs: Iterable[ProductRun]) -> dict[str, object]:
    """The answer of `run`, `rollback` and `quarantine replay` in JSON."""
    return {"runs": [_document(r) for r in runs]}


def _document(run: ProductRun) -> dict[str, object]:
    ports = [p for o in run.outcomes for p in _ports(o)]
    main = [p for p in ports if p["address"] == str(run.product.address)]
    return {
        "run_id": run.run_id,
        "address": str(run.product.address),
        "outcome": run.verdict,
        "publications": [p.id for p in run.publications],
        "batches": [{"id": o.batch.id, "name": o.batch.name, "outcome": o.result} for o in run.outcomes],
        "rows": sum(s.rows for p in run.publications for s in p.ports if s.address == run.product.address),
        "quarantined": sum(int(str(p["quarantined"])) for p in main),
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
            "rules": _rules(p),
        }
        for p in (outcome.report.ports if outcome.report else ())
    ]


def _rules(port: PortReport) -> list[dict[str, object]]:
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
        if run.error:
            line(_indented(str(run.error)))


def _sentence(run: ProductRun, *, dry: bool) -> str:
    counts = _document(run)
    rows = sum(int(str(p["rows"])) for p in counts["ports"] if p["address"] == counts["address"]) if dry else counts["rows"]  # type: ignore[attr-defined]
    verdict = "would be published" if dry and run.verdict == "published" else run.verdict
    if run.verdict in ("unchanged", "skipped"):
        return verdict
    aside = f", {int(str(counts['quarantined'])):,} set aside" if counts["quarantined"] else ""
    return f"{verdict}, {number(int(str(rows)), 'row')} in {len(run.outcomes):,} batch{'es' if len(run.outcomes) != 1 else ''}{aside}"


def _show_trouble(outcome: Outcome) -> None:
    if outcome.result in ("blocked", "failed"):
        line(f"  {outcome.result}: {outcome.batch.name} (batch {outcome.batch.id})")
    if outcome.error:
        line(_indented(str(outcome.error)))
    for warning in outcome.warnings:
        line(f"  warning: {warning}")
    if outcome.report:
        _show_rules(outcome.report)


def _show_rules(report: GateReport) -> None:
    for port in report.ports:
        for rule in port.rules:
            if rule.outcome != "passed" and rule.kind == "gate":
                line(f"  {rule.severity}: {port.address} {rule.rule}: {rule.message} (expected {rule.expected})")
            elif rule.outcome != "passed":
                line(f"  set aside: {port.address} {rule.rule}: {rule.failing:,.0f} of {rule.total or 0:,}")


def _indented(words: str) -> str:
    return "\n".join(f"  {one}" for one in words.splitlines())
