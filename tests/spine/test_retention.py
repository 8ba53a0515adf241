"""Retention: what a contract lets go goes, never earlier than promised, and nothing else is touched."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from lakehouse.address import Address
from lakehouse.maintain import maintain
from lakehouse.testing import Property
from tests.spine.tried import Tried

EVENTS: dict[str, Property] = {"id": "integer", "day": "date", "at": "timestamp"}
MOMENTS = ["2026-01-01T11:30:00Z", "2025-12-31T23:00:00Z", "2025-12-31T11:00:00Z", "2025-07-01T12:30:00Z", "2025-06-30T00:00:00Z", None]
"""The clock of a tried mesh stands at noon of 2026-01-01."""


def events(here: Tried, value: float, unit: str, element: str, **declared: object) -> Tried:
    promise = {"property": "retention", "value": value, "unit": unit, "element": element}
    here.product("log.events", columns=EVENTS, contract={"slaProperties": [promise]}, **declared)  # type: ignore[arg-type]
    rows = [{"id": n, "day": moment[:10] if moment else None, "at": moment} for n, moment in enumerate(MOMENTS)]
    here.deliver("log.events", "1.csv", rows)
    here.run("log.events")
    return here


def kept(here: Tried) -> list[int]:
    """The ids that are left after upkeep."""
    with here.open() as mesh:
        maintain(mesh, mesh.product(Address("log", "events")), "upkeep")
    return [row[0] for row in here.rows("log.events")]


@pytest.mark.parametrize(
    ("value", "unit", "element", "left"),
    [
        (1, "h", "at", [0, 5]),
        (90, "min", "at", [0, 5]),
        (1, "d", "at", [0, 1, 5]),
        (1.5, "d", "at", [0, 1, 2, 5]),
        (1, "d", "day", [0, 1, 2, 5]),
        (0.5, "y", "at", [0, 1, 2, 3, 5]),
        (5.5, "mo", "day", [0, 1, 2, 3, 5]),
        (20, "y", "day", [0, 1, 2, 3, 4, 5]),
        (9_999, "y", "day", [0, 1, 2, 3, 4, 5]),
        (1e300, "w", "at", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_rows_stay_as_long_as_promised(here: Tried, value: float, unit: str, element: str, left: list[int]):
    """Every unit and every number of them, also half a year and more years than there are; rows without a time stay."""
    assert kept(events(here, value, unit, element)) == left


def test_what_goes_is_told(here: Tried):
    """Lineage hears of the snapshot without the old rows, and of no run where nothing went."""
    assert kept(events(here, 1, "h", "at")) == kept(here) == [0, 5]
    with here.open() as mesh:
        told = [json.loads(body) for _, _, body in mesh.store.waiting("lineage")]
        current = mesh.store.current(Address("log", "events"))
    assert current is not None
    assert [e["run"]["facets"]["parent"]["job"]["name"] for e in told[2:]] == ["retention", "retention"]
    (port,) = told[-1]["outputs"]
    assert port["facets"]["version"]["datasetVersion"] == str(current.ports[0].snapshot_id)


def test_a_civil_date_is_as_old_as_it_is_where_its_domain_is(here: Tried):
    """At one in the morning of UTC it is still the evening before in New York: the day before that is one day old."""
    events(here, 1, "d", "day")
    declared = here.root / "domains" / "log" / "domain.yaml"
    declared.write_text(declared.read_text(encoding="utf-8").replace("timezone: UTC", "timezone: America/New_York"), encoding="utf-8")
    here.clock.forward(timedelta(hours=13))
    assert kept(here) == [0, 1, 2, 5]


def test_rows_without_a_time_are_not_published_again_every_night(here: Tried):
    """A partition of rows that never age is left alone: upkeep without anything to do publishes nothing."""
    events(here, 1, "y", "day", partitions={"day": "identity"}, write="overwrite_partitions")
    before = publications(here)
    assert kept(here) == [0, 1, 2, 3, 4, 5]
    assert publications(here) == before


def publications(here: Tried) -> list[tuple[str, datetime]]:
    with here.open() as mesh:
        return [(p.id, p.at) for p in mesh.store.publications(Address("log", "events"))]


def test_rows_set_aside_go_when_their_time_is_over(here: Tried):
    """The quarantine keeps a row as long as the port would, from when it was set aside; then it counts as discarded."""
    events(here, 1, "mo", "day")
    here.deliver("log.events", "2.csv", "id,day,at\n7,no day,NA\n")
    here.run("log.events")
    assert kept(here)
    assert len(here.quarantined("log.events")) == 1
    here.clock.forward(timedelta(days=32))
    kept(here)
    assert here.quarantined("log.events") == []
    with here.open() as mesh:
        counted = {b.name: (b.quarantined, b.discarded) for b in mesh.store.batches(Address("log", "events"))}
    assert counted["2.csv"] == (0, 1)
