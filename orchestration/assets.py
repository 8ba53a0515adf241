"""A product as one Dagster multi-asset: its ports are published together, whatever was selected.

What happens inside is `story.py`; here it is told to Dagster. Next: `events.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg

from lakehouse.batches import Wanted
from lakehouse.declare.product import Product
from lakehouse.errors import MeshError, Unavailable
from lakehouse.mesh import Mesh
from orchestration import events
from orchestration.keys import Opened, key_of
from orchestration.specs import SpecWriter
from orchestration.story import Outcome, Request, run_product

Heard = Callable[[Outcome], None]


def product_asset(product: Product, write: SpecWriter, opened: Opened, heard: Heard = lambda _: None) -> dg.AssetsDefinition:
    """The multi-asset of a product. `opened` gives the mesh for a run, `heard` is told of each batch's outcome."""
    daily = write.partitions(product) is not None

    @dg.multi_asset(
        name=f"{product.address.domain}__{product.address.port}",
        specs=write.ports(product),
        check_specs=write.checks(product),
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run() if daily else None,
    )
    def run(context: dg.AssetExecutionContext) -> Iterator[Any]:
        with opened() as mesh:
            outcomes = []
            for outcome in _taken(mesh, product, _request(context)):
                heard(outcome)
                context.log.info(_sentence(outcome))
                outcomes.append(outcome)
            yield from _report(context, mesh, product, outcomes, daily=daily)
        _fail_when_stopped(outcomes)

    return run


def tags_of(wanted: Wanted) -> dict[str, str]:
    """What a run was asked to take, as tags of the run."""
    found = {
        "mesh/batch": wanted.batch,
        "mesh/first": wanted.first,
        "mesh/last": wanted.last,
        "mesh/force": "true" if wanted.force else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _request(context: dg.AssetExecutionContext) -> Request:
    tags = context.run.tags
    days = _days(context)
    wanted = Wanted(
        batch=tags.get("mesh/batch"),
        first=days.start if days else tags.get("mesh/first"),
        last=days.end if days else tags.get("mesh/last"),
        force="mesh/force" in tags,
    )
    return Request(run_id=context.run.run_id, job=context.job_name, wanted=wanted)


def _days(context: dg.AssetExecutionContext) -> dg.PartitionKeyRange | None:
    return context.partition_key_range if context.has_partition_key_range or context.has_partition_key else None


def _taken(mesh: Mesh, product: Product, request: Request) -> Iterator[Outcome]:
    """The run's outcomes. What stops a run as a whole is worth another try only when the world was in the way."""
    try:
        yield from run_product(mesh, product, request)
    except MeshError as error:
        raise dg.Failure(str(error), allow_retries=isinstance(error, Unavailable)) from error


def _report(context: dg.AssetExecutionContext, mesh: Mesh, product: Product, outcomes: Sequence[Outcome], *, daily: bool) -> Iterator[Any]:
    """Results of the selected checks, then what was published or that nothing was."""
    yield from events.check_results(outcomes, [*context.selected_asset_check_keys])
    published = [o for o in outcomes if o.result == "published"]
    stopped = any(o.result in ("blocked", "failed") for o in outcomes)
    for port in product.outputs:
        if key_of(port.address) not in context.selected_asset_keys:
            continue
        for event in events.by_day(mesh, port, published) if daily else ():
            context.log_event(event)
        # a result of a run of days would count for each of them, with a delivery or without
        if published and not _days(context):
            yield events.materialized(mesh, port, published)
        elif not published and not stopped:
            context.log_event(events.unchanged(product, port, mesh.store.current(product.address)))


def _fail_when_stopped(outcomes: Sequence[Outcome]) -> None:
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
