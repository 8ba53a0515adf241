"""What starts a product? Its promised schedule, or an input that was published (`arrivals.py`: or a file that arrives).

What is published has passed its gate, so nothing here asks for checks. Next: `arrivals.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import dagster as dg

from lakehouse.address import Address
from lakehouse.declare.contract import Contract, ServiceLevel
from lakehouse.declare.product import Domain, Product
from orchestration.keys import key_of, keys_of

LIVE = ("active", "deprecated")
"""Only these are started by themselves; proposed and draft products run when somebody asks, retired ones have ended."""
_UNITS: Mapping[timedelta, tuple[str, ...]] = {
    timedelta(seconds=1): ("s", "sec", "second", "seconds"),
    timedelta(minutes=1): ("min", "minute", "minutes"),
    timedelta(hours=1): ("h", "hr", "hour", "hours"),
    timedelta(days=1): ("d", "day", "days"),
    timedelta(weeks=1): ("w", "week", "weeks"),
    timedelta(days=31): ("mo", "month", "months"),
    timedelta(days=366): ("y", "yr", "year", "years"),
}


def condition(product: Product, partitioned: Sequence[Address]) -> dg.AutomationCondition[Any] | None:
    """Derived products follow their inputs, each of which must be there; of `partitioned` ones, days without a delivery may miss."""
    if product.sources or not product.inputs or product.status not in LIVE:
        return None
    eager = dg.AutomationCondition.eager()
    if not partitioned:
        return eager
    gaps = dg.AssetSelection.assets(*map(key_of, partitioned))
    return eager.replace("any_deps_missing", dg.AutomationCondition.any_deps_missing().ignore(gaps).with_label("any_deps_missing"))


def freshness(contract: Contract) -> dg.FreshnessPolicy | None:
    """A port is late when it was not published for its promised frequency and latency together."""
    found = {s.property: length for s in contract.service_levels if (length := duration(s))}
    window = found.get("frequency", timedelta()) + found.get("latency", timedelta())
    return dg.FreshnessPolicy.time_window(fail_window=window) if "frequency" in found and window >= timedelta(minutes=1) else None


def duration(level: ServiceLevel) -> timedelta | None:
    """A promise's length; None when it has none."""
    unit = next((length for length, spellings in _UNITS.items() if level.unit in spellings), None)
    if unit is None or isinstance(level.value, bool) or not isinstance(level.value, int | float):
        return None
    with suppress(OverflowError):  # longer than any calendar is no promise that can be watched
        return unit * level.value
    return None


def schedules(domain: Domain, products: Sequence[Product]) -> Iterator[dg.ScheduleDefinition]:
    """A schedule for each product with sources that promises one, in the domain's zone."""
    for product in products:
        cron = next((s.schedule for s in product.main.contract.service_levels if s.property == "frequency" and s.schedule), None)
        if cron and product.sources and product.status in LIVE:
            yield dg.ScheduleDefinition(
                name=f"{product.address.port}_by_schedule",
                target=dg.AssetSelection.assets(*keys_of(product)),
                cron_schedule=cron,
                execution_timezone=domain.timezone,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description=f"{product.address} as its contract promises.",
            )


def following() -> dg.AutomationConditionSensorDefinition:
    """Evaluates the conditions of derived products."""
    return dg.AutomationConditionSensorDefinition(
        "inputs_published", target=dg.AssetSelection.all(), default_status=dg.DefaultSensorStatus.RUNNING
    )
