"""When does a domain tidy up? Every night: old rows as its contracts promise, history, and files that nothing leads to.

Next: `lakehouse/maintain.py`.
"""

from collections.abc import Sequence

import dagster as dg

from lakehouse.declare.product import Domain, Product
from lakehouse.errors import MeshError
from lakehouse.maintain import maintain
from lakehouse.outbox import tidy
from orchestration.keys import Opened

_AT_NIGHT = "0 3 * * *"


def upkeep(domain: Domain, products: Sequence[Product], opened: Opened) -> dg.ScheduleDefinition:
    """The retention job of a domain, every night: what its contracts let go, history, and files that nothing leads to."""

    @dg.op(name="retain")
    def retain(context: dg.OpExecutionContext) -> None:
        failed: list[MeshError] = []
        with opened() as mesh:
            for product in products:
                try:
                    done = maintain(mesh, product, context.run_id)
                except MeshError as error:  # what one product cannot do is no reason for another's old rows to stay
                    failed.append(error)
                else:
                    context.log.info("%s: %d publications expired, %d files removed", product.address, len(done.expired), len(done.removed))
            tidy(mesh)
        if failed:
            raise dg.Failure("\n".join(map(str, failed)), allow_retries=False)

    @dg.job(name="retention", description="Applies what the contracts promise about retention, and tidies up.")
    def retention() -> None:
        retain()

    return dg.ScheduleDefinition(
        name="retention_at_night",
        job=retention,
        cron_schedule=_AT_NIGHT,
        execution_timezone=domain.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
