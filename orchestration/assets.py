"""A product as one Dagster multi-asset: its ports are published together, whatever was selected.

What happens inside is `story.py`; here it is told to Dagster. Next: `events.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

import dagster as dg

from lakehouse.batches import Wanted
from lakehouse.declare.product import OutputPort, Product
from lakehouse.errors import MeshError, Unavailable
from lakehouse.mesh import Mesh
from lakehouse.store import Publication
from orchestration import events
from orchestration.keys import Opened, key_of
from orchestration.specs import SpecWriter
from orchestration.story import Made, Outcome, Request, run_product


@dataclass(slots=True)
class Heard:
    """What a caller in the same process hears of a run: how far it is, each batch's outcome, or what stopped it as a whole."""

    outcomes: list[Outcome] = field(default_factory=list)
    error: MeshError | None = None
    watch: Callable[[int, int], None] = lambda _number, _due: None


def product_asset(product: Product, write: SpecWriter, opened: Opened, heard: Heard | None = None) -> dg.AssetsDefinition:
    """The multi-asset of a product. `opened` gives the mesh for a run, `heard` is told what became of it."""
    daily = write.partitions(product) is not None

    @dg.multi_asset(
        name=f"{product.address.domain}__{product.address.port}",
        specs=write.ports(product),
        check_specs=write.checks(product),
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run() if daily else None,
    )
    def run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        told = heard or Heard()
        with opened() as mesh:
            for outcome in taken(mesh, product, request_of(context.run, _days(context)), told):
                context.log.info(_sentence(outcome))
            yield from _report(context, mesh, product, told.outcomes, daily=daily)
        fail_when_stopped(told.outcomes)

    return run


def tags_of(wanted: Wanted, *, dry: bool = False) -> dict[str, str]:
    """What a run was asked for, as tags of the run."""
    found = {
        "mesh/batch": wanted.batch,
        "mesh/first": wanted.first,
        "mesh/last": wanted.last,
        "mesh/force": "true" if wanted.force else None,
        "mesh/dry": "true" if dry else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def request_of(run: dg.DagsterRun, days: dg.PartitionKeyRange | None = None) -> Request:
    """What a run was asked for, by its tags or its partitions."""
    wanted = Wanted(
        batch=run.tags.get("mesh/batch"),
        first=days.start if days else run.tags.get("mesh/first"),
        last=days.end if days else run.tags.get("mesh/last"),
        force="mesh/force" in run.tags,
    )
    return Request(run_id=run.run_id, job=run.job_name, wanted=wanted, dry="mesh/dry" in run.tags)


def _days(context: dg.AssetExecutionContext) -> dg.PartitionKeyRange | None:
    return context.partition_key_range if context.has_partition_key_range or context.has_partition_key else None


def taken(mesh: Mesh, product: Product, request: Request, heard: Heard, made: Made | None = None) -> Iterator[Outcome]:
    """The run's outcomes. What stops a run as a whole is worth another try only when the world was in the way."""
    try:
        for outcome in run_product(mesh, product, replace(request, watch=heard.watch), made):
            heard.outcomes.append(outcome)
            yield outcome
    except MeshError as error:
        heard.error = error
        raise dg.Failure(str(error), allow_retries=isinstance(error, Unavailable)) from error


def _report(context: dg.AssetExecutionContext, mesh: Mesh, product: Product, outcomes: Sequence[Outcome], *, daily: bool) -> Iterator[Any]:
    """Results of the selected checks, then what was published or that nothing was."""
    yield from events.check_results([o.report for o in outcomes if o.report], [*context.selected_asset_check_keys])
    published = [o for o in outcomes if o.result == "published"]
    stopped = any(o.result in ("blocked", "failed") for o in outcomes)
    for port in product.outputs:
        if key_of(port.address) not in context.selected_asset_keys:
            continue
        for event in events.by_day(port, published) if daily else ():
            context.log_event(event)
        # a result of a run of days would count for each of them, with a delivery or without
        if published and not _days(context):
            yield events.materialized(port, published)
        elif not published and not stopped:
            current = mesh.store.current(product.address)
            if current and not _days(context) and events.is_news(context.instance, port, current):
                for event in _late(context.instance, mesh, port, current) if daily else ():
                    context.log_event(event)
                yield events.standing(port, current)
            else:
                context.log_event(events.unchanged(product, port, current))


def _late(instance: dg.DagsterInstance, mesh: Mesh, port: OutputPort, current: Publication) -> Iterator[dg.AssetMaterialization]:
    """The days that changed since the publication that Dagster heard of last; after a rollback, also those that it withdrew."""
    heard, product = events.heard_last(instance, port), current.product
    untold = [*takewhile(lambda p: p.id != heard, mesh.store.publications(product))]
    published, back = {b.id for p in untold for b in p.batches}, any(p.kind == "rollback" for p in untold)
    batches = [b for b in mesh.store.batches(product) if b.id in published or (back and b.state == "withdrawn")]
    for day in sorted({b.partition for b in batches if b.partition}):
        yield events.standing_day(port, current, day)


def fail_when_stopped(outcomes: Sequence[Outcome]) -> None:
    """Fail for what was not published; what was published stays so."""
    stopped = [o for o in outcomes if o.result in ("blocked", "failed")]
    if stopped:
        metadata = {o.batch.name or o.batch.id: _sentence(o) for o in stopped}
        raise dg.Failure("\n".join(metadata.values()), metadata=metadata, allow_retries=False)


def _sentence(outcome: Outcome) -> str:
    name = outcome.batch.name or outcome.batch.id
    if outcome.error:
        return f"{name}: {outcome.result}: {outcome.error}"
    rules = [r for p in outcome.report.ports for r in p.rules if r.blocks] if outcome.report else []
    return f"{name}: {outcome.result}" + "".join(f"; {r.rule}: {r.message}" for r in rules)
