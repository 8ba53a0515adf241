"""Run products now, in this process and recorded in Dagster: a Dagster run for each product, one after another.

A dry run leaves no trace, so it goes around Dagster. Next: `assets.py`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from lakehouse.batches import Wanted
from lakehouse.declare.product import Product
from lakehouse.errors import MeshError
from lakehouse.mesh import Mesh
from lakehouse.store import Publication
from orchestration.assets import product_asset, tags_of
from orchestration.instance import open_instance
from orchestration.specs import SpecWriter
from orchestration.story import Outcome, Request, run_product

Verdict = Literal["published", "unchanged", "blocked", "failed", "skipped"]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


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


def run(
    mesh: Mesh, products: Sequence[Product], wanted: Wanted, *, dry: bool = False, told: Callable[[Product], None] = lambda _: None
) -> list[ProductRun]:
    """Run products one after another, each in a run of its own; one whose input was stopped before it published is skipped."""
    done: list[ProductRun] = []
    with _instance(mesh, dry=dry) as instance:
        for product in products:
            told(product)
            if _waits(mesh, product, done):
                done.append(ProductRun(run_id=str(uuid.uuid4()), product=product, skipped=True))
            else:
                done.append(_run(mesh, product, wanted, instance))
    return done


def _instance(mesh: Mesh, *, dry: bool) -> AbstractContextManager[dg.DagsterInstance | None]:
    return nullcontext() if dry else open_instance(mesh.settings.dagster_home)


def _waits(mesh: Mesh, product: Product, done: Sequence[ProductRun]) -> bool:
    """Whether an input was to be made in this call, was stopped, and has published nothing in it."""
    stopped = {r.product.address for r in done if r.exit_code and not r.publications}
    return any(mesh.declarations.producer(i.address).address in stopped for i in product.inputs if i.address)


def _run(mesh: Mesh, product: Product, wanted: Wanted, instance: dg.DagsterInstance | None) -> ProductRun:
    run_id, started = str(uuid.uuid4()), time.monotonic()
    outcomes: list[Outcome] = []
    error: MeshError | None = None
    try:
        if instance is None:
            outcomes.extend(run_product(mesh, product, Request(run_id=run_id, wanted=wanted, dry=True)))
        else:
            _recorded(mesh, product, wanted, instance, run_id, outcomes.append)
    except MeshError as stopped:
        error = stopped
    return ProductRun(run_id=run_id, product=product, outcomes=tuple(outcomes), seconds=round(time.monotonic() - started, 3), error=error)


def _recorded(
    mesh: Mesh, product: Product, wanted: Wanted, instance: dg.DagsterInstance, run_id: str, heard: Callable[[Outcome], None]
) -> None:
    """A run of one product in Dagster; raises the MeshError that stopped it as a whole."""
    asset = product_asset(product, SpecWriter(mesh.declarations), lambda: nullcontext(mesh), heard)
    job = dg.Definitions(assets=[asset]).resolve_implicit_global_asset_job_def()
    try:
        job.execute_in_process(instance=instance, run_id=run_id, tags=tags_of(wanted), run_config=QUIET)
    except dg.Failure as failure:
        if isinstance(failure.__cause__, MeshError):
            raise failure.__cause__ from None
