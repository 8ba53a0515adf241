"""What starts a product? Its promised frequency, a file that arrives, or an input that was published.

What is published has passed its gate, so nothing here asks for checks. Next: `build.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dagster as dg

from lakehouse.declare import Declarations
from lakehouse.declare.contract import Contract, ServiceLevel
from lakehouse.declare.product import Product

_DAYS = {"s": 1 / 86400, "min": 1 / 1440, "h": 1 / 24, "d": 1.0, "w": 7.0, "mo": 31.0, "y": 366.0}
_UNITS = {
    "s": ("s", "sec", "second", "seconds"),
    "min": ("min", "minute", "minutes"),
    "h": ("h", "hr", "hour", "hours"),
    "d": ("d", "day", "days"),
    "w": ("w", "week", "weeks"),
    "mo": ("mo", "month", "months"),
    "y": ("y", "yr", "year", "years"),
}


def condition(declarations: Declarations, product: Product) -> dg.AutomationCondition[Any] | None:
    """Derived products follow their inputs."""
    return None if product.sources or not product.inputs else dg.AutomationCondition.eager()


def freshness(contract: Contract) -> dg.FreshnessPolicy | None:
    """A port is late when it was not published for its promised frequency and latency together."""
    found = {s.property: length for s in contract.service_levels if (length := duration(s))}
    if "frequency" not in found:
        return None
    fail = found["frequency"] + found.get("latency", timedelta())
    if fail < timedelta(minutes=1):
        return None
    return dg.FreshnessPolicy.time_window(fail_window=fail)


def duration(level: ServiceLevel) -> timedelta | None:
    """A promise's length; None when it has none."""
    unit = next((name for name, spellings in _UNITS.items() if level.unit in spellings), None)
    if unit is None or isinstance(level.value, bool) or not isinstance(level.value, int | float):
        return None
    return timedelta(days=_DAYS[unit] * level.value)
