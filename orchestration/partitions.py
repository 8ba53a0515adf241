"""Which products are shown day by day? Those whose deliveries say their date and whose main port is kept by date.

A partition is a delivery's day, in the zone of the domain. Next: `assets.py`.
"""

from __future__ import annotations

from datetime import date, datetime

import dagster as dg

from lakehouse.declare import Declarations
from lakehouse.declare.product import InputPort, Product
from lakehouse.sources import open_source


def daily(declarations: Declarations, product: Product) -> dg.DailyPartitionsDefinition | None:
    """The days of a product: from its declared availability, else from its first delivery; None when it has none."""
    port = next((p for p in product.sources if p.delivery and "{date}" in p.delivery), None)
    if port is None or not any(str(c.type) == "date" and c.partition == "identity" for c in product.main.contract.partitions):
        return None
    start = _declared(product) or _earliest(declarations, port)
    if start is None:
        return None
    zone = declarations.domains[product.address.domain].timezone
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), timezone=zone)


def _declared(product: Product) -> date | None:
    levels = product.main.contract.service_levels
    return next((day for s in levels if s.property == "generalAvailability" and (day := _day(str(s.value)))), None)


def _earliest(declarations: Declarations, port: InputPort) -> date | None:
    deliveries = open_source(port, declarations.root).deliveries()
    return min((day for d in deliveries if d.partition and (day := _day(d.partition))), default=None)


def _day(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None
