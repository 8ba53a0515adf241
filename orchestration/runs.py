"""Run products now, in this process and recorded in Dagster: a Dagster run for each product, one after another.

A dry run leaves no trace, so it goes around Dagster. Next: `assets.py`.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from lakehouse.batches import Wanted
from lakehouse.declare.product import Product
from lakehouse.errors import MeshError, TransformFailed
from lakehouse.mesh import Mesh
from lakehouse.store import Publication
from orchestration.assets import Heard, product_asset, tags_of
from orchestration.instance import open_instance
from orchestration.keys import keys_of
from orchestration.specs import SpecWriter
from orchestration.story import Outcome, Request, run_product

Watch = Callable[[Product, int, int], None]
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
    skipped: Literal["", "stopped", "unpublished"] = ""

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
        answered = self.verdict in ("published", "unchanged") or self.skipped == "unpublished"
        return max((e.exit_code for e in errors), default=0) or int(not answered)

    @property
    def publications(self) -> tuple[Publication, ...]:
        return tuple(o.publication for o in self.outcomes if o.publication and o.result == "published")

    @property
    def reason(self) -> MeshError | None:
        return self.error or next((o.error for o in self.outcomes if o.error), None)


def run(
    mesh: Mesh, products: Sequence[Product], wanted: Wanted, *, dry: bool = False, watch: Watch = lambda _product, _number, _due: None
) -> list[ProductRun]:
    """Run products one after another, each in a run of its own; one whose input was stopped before it published is skipped.

    So is, in a dry run, one whose input would be published for the first time.
    `watch` hears of each product as it begins (0 of 0), and then of each batch: its number, and how many are due.
    """
    done: list[ProductRun] = []
    with _instance(mesh, dry=dry) as instance, redirect_stdout(sys.stderr):  # product code may print, and stdout is the answer
        for product in products:
            watch(product, 0, 0)
            if why := _waits(mesh, product, done, dry=dry):
                done.append(ProductRun(run_id=str(uuid.uuid4()), product=product, skipped=why))
            else:
                done.append(_run(mesh, product, wanted, instance, watch))
    return done


def _instance(mesh: Mesh, *, dry: bool) -> AbstractContextManager[dg.DagsterInstance | None]:
    return nullcontext() if dry else open_instance(mesh.settings.dagster_home)


def _waits(mesh: Mesh, product: Product, done: Sequence[ProductRun], *, dry: bool) -> Literal["", "stopped", "unpublished"]:
    """Whether an input was to be made in this call and was stopped before it published, or is only tried and not there yet."""
    producers = {mesh.declarations.producer(i.address).address for i in product.inputs if i.address}
    waiting = [r for r in done if r.product.address in producers and not r.publications]
    if any(r.exit_code for r in waiting):
        return "stopped"
    return "unpublished" if dry and any(mesh.store.current(r.product.address) is None for r in waiting) else ""


def _run(mesh: Mesh, product: Product, wanted: Wanted, instance: dg.DagsterInstance | None, watch: Watch) -> ProductRun:
    run_id, started = str(uuid.uuid4()), time.monotonic()
    heard = Heard(watch=lambda number, due: watch(product, number, due))
    if instance is None and not product.asset:
        _dry(mesh, product, Request(run_id=run_id, wanted=wanted, dry=True, watch=heard.watch), heard)
    else:
        _in_dagster(mesh, product, wanted, instance, run_id, heard)
    return ProductRun(
        run_id=run_id,
        product=product,
        outcomes=tuple(heard.outcomes),
        seconds=round(time.monotonic() - started, 3),
        error=heard.error,
    )


def _dry(mesh: Mesh, product: Product, request: Request, heard: Heard) -> None:
    try:
        heard.outcomes.extend(run_product(mesh, product, request))
    except MeshError as error:
        heard.error = error


def _in_dagster(mesh: Mesh, product: Product, wanted: Wanted, instance: dg.DagsterInstance | None, run_id: str, heard: Heard) -> None:
    """A run of one product; without an instance, a dry one that nobody remembers: a hand-written asset runs in Dagster only."""
    with nullcontext(instance) if instance else dg.DagsterInstance.ephemeral() as remembered:
        result = _job(mesh, product, heard).execute_in_process(
            instance=remembered,
            run_id=run_id,
            asset_selection=keys_of(product),
            tags=tags_of(wanted, dry=instance is None),
            run_config=QUIET,
            raise_on_error=False,
        )
    stopped = heard.error or any(o.result in ("blocked", "failed") for o in heard.outcomes)
    if not result.success and not stopped:
        heard.error = _crash(product, result)


def _job(mesh: Mesh, product: Product, heard: Heard) -> dg.JobDefinition:
    """A job that holds the product, and little else where it can."""

    def opened() -> AbstractContextManager[Mesh]:
        return nullcontext(mesh)

    if product.asset:
        from orchestration.build import domain_definitions

        return domain_definitions(
            mesh.declarations, mesh.settings, product.address.domain, opened, heard
        ).resolve_implicit_global_asset_job_def()
    asset = product_asset(product, SpecWriter(mesh.declarations, mesh.settings), opened, heard)
    return dg.Definitions(assets=[asset]).resolve_implicit_global_asset_job_def()


def _crash(product: Product, result: dg.ExecuteInProcessResult) -> MeshError:
    """What a run ended with that no part of the platform expected: code of a hand-written asset, as a rule."""
    errors = [e.step_failure_data.error for e in result.get_step_failure_events()]
    error = next((e for e in errors if e), None)
    cause = error.cause or error if error else None
    what = cause.message.strip() if cause else "the run failed"
    return TransformFailed(what, place=str(product.address), hint=f"Dagster has the whole story: run {result.run_id}")
