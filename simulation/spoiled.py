"""What does a bad day look like? Two files for January 2014, made from the last day of the real year.

`2014-01-01.csv` must be blocked: it names a carrier that nobody knows and sends a flight twice.
`2014-01-02.csv` must be published without one row: a departure time that is no number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from simulation.arrivals import deliver, read_table

Row = dict[str, str]

_LAST_DAY = date(2013, 12, 31)
_BLOCKED_DAY = date(2014, 1, 1)
_QUARANTINED_DAY = date(2014, 1, 2)
_UNKNOWN_CARRIER = "ZZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoiled:
    """The files of the bad days: one that may not be published, one of which a single row may not."""

    blocked: Path
    quarantined: Path


def spoil(into: Path) -> Spoiled:
    """Let both bad files arrive in `into`, the landing folder."""
    files = Spoiled(blocked=into / "flights" / f"{_BLOCKED_DAY}.csv", quarantined=into / "flights" / f"{_QUARANTINED_DAY}.csv")
    schedule = _flights_of(_LAST_DAY)
    deliver(files.blocked, _csv(_unacceptable([_moved(row, _BLOCKED_DAY) for row in schedule])))
    deliver(files.quarantined, _csv(_unreadable([_moved(row, _QUARANTINED_DAY) for row in schedule])))
    return files


def _unacceptable(rows: Sequence[Row]) -> list[Row]:
    """The last flight under a carrier that is in no register, and the first flight once more."""
    return [*rows[:-1], {**rows[-1], "carrier": _UNKNOWN_CARRIER}, rows[0]]


def _unreadable(rows: Sequence[Row]) -> list[Row]:
    """The first departure written as a clock time where a number is expected."""
    hours, minutes = divmod(int(rows[0]["dep_time"]), 100)
    return [{**rows[0], "dep_time": f"{hours}:{minutes:02}"}, *rows[1:]]


def _flights_of(day: date) -> list[Row]:
    header, *lines = read_table("flights.csv").decode().splitlines()
    return list(csv.DictReader([header, *(line for line in lines if line.startswith(f"{day.year},{day.month},{day.day},"))]))


def _moved(row: Row, day: date) -> Row:
    """The same flight on another winter day: New York's distance from UTC is the same on both."""
    hour = datetime.fromisoformat(row["time_hour"]) + timedelta(days=(day - _LAST_DAY).days)
    return {
        **row,
        "year": str(day.year),
        "month": str(day.month),
        "day": str(day.day),
        "time_hour": hour.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
