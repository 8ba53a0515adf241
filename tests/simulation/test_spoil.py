"""Are the bad days bad in exactly the way they claim?"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from simulation import Spoiled, spoil
from simulation.arrivals import read_table


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Spoiled:
    return spoil(tmp_path_factory.mktemp("landing"))


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def _carriers() -> set[str]:
    return {line.split(",")[0] for line in read_table("airlines.csv").decode().splitlines()[1:]}


def test_the_blocked_day_has_an_unknown_carrier_and_one_flight_twice(bad: Spoiled) -> None:
    """One row names a carrier that is in no register, one flight is sent twice; every row can be read."""
    rows = _rows(bad.blocked)
    flights = Counter((row["carrier"], row["flight"], row["origin"]) for row in rows)
    assert [row["carrier"] for row in rows if row["carrier"] not in _carriers()] == ["ZZ"]
    assert [times for times in flights.values() if times > 1] == [2]
    assert all(row["dep_time"].isdigit() or row["dep_time"] == "NA" for row in rows)


def test_the_other_day_has_one_row_that_cannot_be_read(bad: Spoiled) -> None:
    """One departure time is no number; flights are unique and carriers known."""
    rows = _rows(bad.quarantined)
    assert [row["dep_time"] for row in rows if not row["dep_time"].isdigit() and row["dep_time"] != "NA"] == ["0:13"]
    assert len(rows) == len({(row["carrier"], row["flight"], row["origin"]) for row in rows})
    assert {row["carrier"] for row in rows} <= _carriers()


@pytest.mark.parametrize(("which", "day"), [("blocked", "1"), ("quarantined", "2")])
def test_a_bad_day_bears_its_own_date(bad: Spoiled, which: str, day: str) -> None:
    """The rows belong to the day of the file's name, so that only the named defects are wrong with them."""
    assert {("2014", "1", day)} == {(row["year"], row["month"], row["day"]) for row in _rows(getattr(bad, which))}


def test_spoiling_again_gives_the_same_files(bad: Spoiled) -> None:
    """The bad days are the same every time."""
    before = bad.blocked.read_bytes(), bad.quarantined.read_bytes()
    spoil(bad.blocked.parents[1])
    assert before == (bad.blocked.read_bytes(), bad.quarantined.read_bytes())
