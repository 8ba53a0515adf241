"""Write mode overwrite_partitions: a delivery is the truth about the partitions it touches."""

from __future__ import annotations

import pytest

from lakehouse.testing import Property
from tests.spine.tried import Tried

READINGS: dict[str, Property] = {"day": "date", "sensor": "integer", "value": {"logicalType": "number", "required": True}}


def day(name: str, *values: float | None) -> list[dict[str, object]]:
    return [{"day": name, "sensor": n, "value": v} for n, v in enumerate(values)]


@pytest.fixture
def readings(here: Tried) -> Tried:
    here.product(
        "weather.readings",
        columns=READINGS,
        key=["day", "sensor"],
        partitions={"day": "identity"},
        write="overwrite_partitions",
        source={"delivery": "{date}.csv"},
    )
    here.deliver("weather.readings", "2026-01-01.csv", day("2026-01-01", 1, 2))
    here.deliver("weather.readings", "2026-01-02.csv", day("2026-01-02", 3, 4))
    here.run("weather.readings")
    return here


def values(here: Tried) -> list[tuple[int, float]]:
    return [(r[0].day, r[2]) for r in here.rows("weather.readings")]


def test_a_correction_replaces_its_partition_and_no_other(readings: Tried):
    """New content under a known path is a restatement: its partition is replaced, the others stay."""
    readings.deliver("weather.readings", "2026-01-01.csv", day("2026-01-01", 10))
    (restated,) = readings.run("weather.readings")
    assert restated.publication is not None
    assert restated.publication.kind == "restatement"
    assert values(readings) == [(1, 10), (2, 3), (2, 4)]


def test_the_first_content_under_its_old_name_is_a_correction_too(readings: Tried):
    """A file that goes back to what it was has been seen: nothing is published for content that was published before."""
    first = (readings.landing("weather.readings") / "2026-01-01.csv").read_text()
    readings.deliver("weather.readings", "2026-01-01.csv", day("2026-01-01", 10))
    readings.run("weather.readings")
    readings.deliver("weather.readings", "2026-01-01.csv", first)
    readings.run("weather.readings")
    assert values(readings) == [(1, 1), (1, 2), (2, 3), (2, 4)]


def test_a_partition_named_by_force_is_taken_again(readings: Tried):
    """Same content is nothing to do, unless the partition is named by force."""
    assert readings.results("weather.readings") == []
    assert readings.results("weather.readings", first="2026-01-02", last="2026-01-02", force=True) == ["published"]
    assert values(readings) == [(1, 1), (1, 2), (2, 3), (2, 4)]


def test_the_quarantine_of_a_replaced_partition_is_replaced(readings: Tried):
    """Rows set aside from a partition go when the partition is delivered anew; those of other partitions stay."""
    readings.deliver("weather.readings", "2026-01-03.csv", day("2026-01-03", 1, None))
    readings.deliver("weather.readings", "2026-01-04.csv", day("2026-01-04", 1, None))
    readings.run("weather.readings")
    assert [r.partition for r in readings.quarantined("weather.readings")] == ["2026-01-03", "2026-01-04"]
    readings.deliver("weather.readings", "2026-01-03.csv", day("2026-01-03", 1, 2))
    readings.run("weather.readings")
    assert [r.partition for r in readings.quarantined("weather.readings")] == ["2026-01-04"]


def test_a_partition_of_which_every_row_is_set_aside_is_not_emptied_in_silence(readings: Tried):
    """A correction whose rows all break a rule is quarantined without losing what was published, and once only."""
    readings.deliver("weather.readings", "2026-01-01.csv", day("2026-01-01", None, None))
    readings.run("weather.readings")
    assert values(readings) == [(1, 1), (1, 2), (2, 3), (2, 4)]
    assert len(readings.quarantined("weather.readings")) == 2
    readings.deliver("weather.readings", "2026-01-01.csv", day("2026-01-01", None, None, None))
    readings.run("weather.readings")
    assert len(readings.quarantined("weather.readings")) == 3


def test_a_delivery_without_rows_replaces_nothing_and_says_so(readings: Tried):
    """A corrected file that is empty cannot name its partition: what was published stays, and the run warns of it."""
    readings.deliver("weather.readings", "2026-01-01.csv", "day,sensor,value\n")
    (done,) = readings.run("weather.readings")
    assert (done.result, len(done.warnings)) == ("published", 1)
    assert "weather.readings: no row says which partitions to replace" in done.warnings[0]
    assert values(readings) == [(1, 1), (1, 2), (2, 3), (2, 4)]


def test_a_row_that_cannot_be_read_is_replaced_with_its_file(readings: Tried):
    """A source row that could not be parsed is set aside with file and line, and goes when a correction of the file comes."""
    readings.deliver("weather.readings", "2026-01-03.csv", "day,sensor,value\n2026-01-03,0,1\n2026-01-03,one,2\n")
    readings.run("weather.readings")
    (aside,) = readings.quarantined("weather.readings")
    assert (aside.origin, aside.line, aside.row) == ("source", 3, "2026-01-03,one,2")
    readings.deliver("weather.readings", "2026-01-03.csv", day("2026-01-03", 1, 2))
    readings.run("weather.readings")
    assert readings.quarantined("weather.readings") == []


def test_a_delivery_that_touches_many_partitions_replaces_them_all(readings: Tried):
    """Whatever partitions the rows lie in are replaced, whatever the file is called."""
    readings.deliver("weather.readings", "2026-01-09.csv", [*day("2026-01-01", 7), *day("2026-01-05", 8)])
    readings.run("weather.readings")
    assert values(readings) == [(1, 7), (2, 3), (2, 4), (5, 8)]


@pytest.mark.parametrize(
    ("column", "transform", "kind"),
    [
        ("at", "year", "timestamp"),
        ("at", "month", "timestamp"),
        ("at", "day", "timestamp"),
        ("at", "hour", "timestamp"),
        ("day", "month", "date"),
        ("name", "truncate[2]", "string"),
        ("number", "truncate[10]", "integer"),
        ("name", "identity", "string"),
    ],
)
def test_every_transform_replaces_exactly_its_partitions(here: Tried, column: str, transform: str, kind: str):
    """Rows of the touched partitions are replaced and all others kept, for each partition transform."""
    same, other = {
        "year": ("2026-01-01T00:00:00Z", "2027-12-31T23:59:59Z"),
        "month": ("2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z"),
        "day": ("2026-01-01T23:59:59Z", "2026-01-02T00:00:00Z"),
        "hour": ("2026-01-01T00:59:59Z", "2026-01-01T01:00:00Z"),
        "truncate[2]": ("abx", "acx"),
        "truncate[10]": ("-1", "0"),
        "identity": ("ab", "ab "),
    }[transform]
    first = {"year": "2026-12-31T23:00:00Z", "month": "2026-01-01T00:00:00Z", "day": "2026-01-01T00:00:00Z"}
    start = {**first, "hour": "2026-01-01T00:00:00Z", "truncate[2]": "aby", "truncate[10]": "-10", "identity": "ab"}[transform]
    if kind == "date":
        start, same, other = (v[:10] for v in (start, same, other))
    here.product("lab.samples", columns={column: kind, "run": "string"}, partitions={column: transform}, write="overwrite_partitions")
    here.deliver("lab.samples", "1.csv", [{column: start, "run": "old"}, {column: other, "run": "kept"}])
    here.deliver("lab.samples", "2.csv", [{column: same, "run": "new"}])
    assert here.results("lab.samples") == ["published", "published"]
    assert sorted(r[1] for r in here.rows("lab.samples")) == ["kept", "new"]


def test_rows_without_a_partition_value_are_a_partition(here: Tried):
    """NULL is a partition of its own, replaced like any other."""
    here.product("lab.samples", columns={"day": "date", "n": "integer"}, partitions={"day": "identity"}, write="overwrite_partitions")
    here.deliver("lab.samples", "1.csv", [{"day": None, "n": 1}, {"day": "2026-01-01", "n": 2}])
    here.deliver("lab.samples", "2.csv", [{"day": None, "n": 3}])
    here.run("lab.samples")
    assert sorted(r[1] for r in here.rows("lab.samples")) == [2, 3]
