"""What may go: rows past their contract's retention, as a publication that triggers nothing downstream.

Whole files go where the element's bounds allow it (a partition column's always do); others are rewritten without the old rows.
Next: `maintain.py` for files and history.
"""

from __future__ import annotations

import calendar
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from pyiceberg.manifest import DataFile

from lakehouse.declare.contract import Contract, ServiceLevel
from lakehouse.declare.product import OutputPort, Product
from lakehouse.gate import GateReport
from lakehouse.giveup import give_up
from lakehouse.manifests import column_bounds, stored
from lakehouse.mesh import Mesh
from lakehouse.publish import Circumstances, publish, staging
from lakehouse.quarantine import rows as quarantined
from lakehouse.scan import paths, scan
from lakehouse.stage import Stage
from lakehouse.staged import StagedPort
from lakehouse.store import Publication
from lakehouse.telling import tell_change
from lakehouse.types import literal, quote
from lakehouse.write import split

_MONTHS = {"y": 12, "yr": 12, "year": 12, "years": 12, "mo": 1, "month": 1, "months": 1}
_DAY = 86_400
_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), _DAY),
    **dict.fromkeys(("w", "week", "weeks"), 7 * _DAY),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Rows of `column` before `before` may go."""

    column: str
    before: date | datetime


def expiry(contract: Contract, now: datetime) -> Expiry | None:
    """What the contract's retention says at `now`, whose zone is that of civil dates; None without an element and a unit of time."""
    promise = _promise(contract)
    cutoff = _before(promise, now) if promise else None
    if promise is None or promise.element is None or cutoff is None:
        return None
    column = promise.element.rpartition(".")[2]
    is_date = str(contract.column(column).type) == "date"
    return Expiry(column=column, before=cutoff.date() if is_date else cutoff)


def _promise(contract: Contract) -> ServiceLevel | None:
    return next((s for s in contract.service_levels if s.property == "retention" and s.element), None)


def _before(promise: ServiceLevel, now: datetime) -> datetime | None:
    """When the promised time ago was, never later: part of a month counts as a whole one. None before the calendar begins."""
    amount, unit = float(str(promise.value)), promise.unit or "d"
    try:
        if unit in _SECONDS:
            return now - timedelta(seconds=amount * _SECONDS[unit])
        year, month = divmod(now.year * 12 + now.month - 1 - math.ceil(amount * _MONTHS[unit]), 12)
        return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))
    except (OverflowError, ValueError):
        return None


def retain(mesh: Mesh, product: Product, run_id: str) -> Publication | None:
    """Publish the product without the rows that are past their time; None when there are none. The caller holds the lease."""
    current = mesh.store.current(product.address)
    if current is None:
        return None
    started = mesh.now()
    zone = ZoneInfo(mesh.declarations.domains[product.address.domain].timezone)
    with mesh.connection() as connection, staging(Stage(mesh, product, run_id, connection, batch="retention")) as stage:
        for port in product.outputs:
            due = expiry(port.contract, mesh.now().astimezone(zone))
            if due is not None:
                _take_away(stage, port, due)
        if not any(p.table.changed for p in stage.ports.values()):
            return None
        facts = Circumstances.like(current, "retention", mesh.now())
        return publish(stage, GateReport(ports=(), runner="none"), facts, tell_change(stage, "retention", started, facts))


def give_old_up(mesh: Mesh, product: Product, run_id: str) -> int:
    """Let rows that were set aside go as long after that as their port's rows are kept; how many. The caller holds the lease."""
    gone = 0
    for port in product.outputs:
        promise = _promise(port.contract)
        cutoff = _before(promise, mesh.now()) if promise else None
        if cutoff is not None:
            old = [row for row in quarantined(mesh, port.address) if row.at < cutoff]
            gone += give_up(mesh, product, port.address, old, run_id)
    return gone


def _take_away(stage: Stage, port: OutputPort, due: Expiry) -> None:
    staged = stage.opened(port)
    old = [f for f in staged.live if _reaches(staged, f, due)]
    whole = [f for f in old if _ends_before(staged, f, due)]
    mixed = [f for f in old if f not in whole]
    kept = _without_old_rows(stage, staged, mixed, due)
    staged.table.put(kept, [*whole, *mixed] if kept or whole or mixed else [], {"lakemesh.run": stage.run_id})
    stage.ports[port.name] = staged


def _without_old_rows(stage: Stage, staged: StagedPort, mixed: list[DataFile], due: Expiry) -> tuple[DataFile, ...]:
    if not mixed:
        return ()
    relation = scan(paths(mixed), staged.table.schema)
    moment = literal(due.before.isoformat())
    kind = "timestamptz" if isinstance(due.before, datetime) else "date"
    young = f"(select * from {relation} where {quote(due.column)} >= {moment}::{kind} or {quote(due.column)} is null)"
    return split(stage.connection, young, staged.table, (), run_id=stage.run_id, port=str(staged.address)).accepted


def _reaches(staged: StagedPort, file: DataFile, due: Expiry) -> bool:
    """Whether a file may hold a row that is too old; one without any value does not."""
    bounds = column_bounds(file, staged.table.schema, due.column)
    if bounds is None and _nulls(staged, file, due) == file.record_count:
        return False
    return bounds is None or bounds[0] < stored(_instant(due.before))


def _ends_before(staged: StagedPort, file: DataFile, due: Expiry) -> bool:
    """Whether every row of a file is too old; a row without a value never is."""
    bounds = column_bounds(file, staged.table.schema, due.column)
    return bounds is not None and bounds[1] < stored(_instant(due.before)) and not _nulls(staged, file, due)


def _nulls(staged: StagedPort, file: DataFile, due: Expiry) -> int | None:
    """How many rows of a file have no value to age by, if it says."""
    return (file.null_value_counts or {}).get(staged.table.schema.find_field(due.column).field_id)


def _instant(moment: date | datetime) -> date | datetime:
    return moment.astimezone(UTC) if isinstance(moment, datetime) else moment
