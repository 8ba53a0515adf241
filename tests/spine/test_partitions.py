"""Write mode overwrite_partitions: a delivery is the truth about the partitions it touches."""

from __future__ import annotations

import uuid
from datetime import date
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from pyiceberg.transforms import BucketTransform, MonthTransform
from pyiceberg.types import DateType, StringType

from lakehouse.address import Address
from lakehouse.declare.contract import Column, Contract, Place
from lakehouse.declare.product import Write
from lakehouse.giveup import give_up_batch
from lakehouse.partitions import learn_buckets, partition_value
from lakehouse.testing import Property
from lakehouse.types import ColumnType, Decimal, Primitive
from orchestration.story import Request, run_product
from tests.spine.tried import Tried

READINGS: dict[str, Property] = {"day": "date", "sensor": "integer", "value": {"logicalType": "number", "required": True}}


def day(name: str, *values: float | None) -> list[dict[str, object]]:
    return [{"day": name, "sensor": n, "value": v} for n, v in enumerate(values)]


def declared(here: Tried, *quality: dict[str, object]) -> None:
    here.product(
        "weather.readings",
        columns=READINGS,
        key=["day", "sensor"],
        partitions={"day": "identity"},
        write="overwrite_partitions",
        source={"delivery": "{date}.csv"},
        quality=quality,
    )


@pytest.fixture
def readings(here: Tried) -> Tried:
    declared(here)
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


def test_rows_that_name_no_partition_go_with_their_file(here: Tried):
    """Without a day, or with one that cannot be cast, a row belongs to no partition: only a correction of its own file replaces it."""
    columns: dict[str, Property] = {**READINGS, "day": {"logicalType": "date", "required": True}}
    landed: dict[str, Property] = {**READINGS, "day": "string"}
    partitions = {"day": "identity"}
    here.product("weather.readings", columns=columns, landed=landed, partitions=partitions, write="overwrite_partitions")
    line = {"sensor": 0, "value": 1}
    for number, odd in ((1, None), (2, "yesterday"), (3, None)):
        days = [f"2026-01-0{number}", odd]
        here.deliver("weather.readings", f"{number}.csv", [{"day": day, **line} for day in days])
    assert here.results("weather.readings") == ["published"] * 3
    assert sorted((r.file, r.rule, r.partition) for r in here.quarantined("weather.readings")) == [
        ("1.csv", "day_required", None), ("2.csv", "type", None), ("3.csv", "day_required", None),
    ]  # fmt: skip
    here.deliver("weather.readings", "1.csv", [{"day": "2026-01-01", "sensor": 0, "value": 2}])
    assert here.results("weather.readings") == ["published"]
    assert {r.file for r in here.quarantined("weather.readings")} == {"2.csv", "3.csv"}


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


def test_giving_up_a_second_try_leaves_what_was_published(readings: Tried):
    """A partition that is computed again and blocked shows what it showed; its batch is published still once that try is given up."""
    declared(readings, {"name": "none", "metric": "rowCount", "mustBeLessThan": 1})
    before = values(readings)
    again = readings.run("weather.readings", first="2026-01-02", last="2026-01-02", force=True)
    assert [o.result for o in again] == ["blocked"]
    assert "rejected" in readings.batches("weather.readings").values()
    with readings.open() as mesh:
        product = mesh.product(Address("weather", "readings"))
        stood = give_up_batch(mesh, product, again[0].batch.id, reason="as it was", run_id=str(uuid.uuid4()))
    assert (stood.state, stood.staged, stood.discarded) == ("published", None, 0)
    assert set(readings.batches("weather.readings").values()) == {"published"}
    assert values(readings) == before
    assert readings.verified() == []


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


BUCKETED: dict[str, Property] = {"id": "integer", "name": "string", "day": "date", "n": {"logicalType": "integer", "required": True}}


@pytest.mark.parametrize("write", ["append", "upsert", "overwrite_partitions"])
def test_buckets_are_those_of_iceberg(here: Tried, write: Write):
    """A plain reader finds each row in the bucket that Iceberg's own hash says, beside other transforms, and NULL in none."""
    here.product("lab.things", columns=BUCKETED, key=["id"], partitions={"name": "bucket[4]", "day": "month"}, write=write)
    rows = [{"id": i, "name": f"thing {i}" if i % 5 else None, "day": f"2026-0{1 + i % 3}-02", "n": i} for i in range(40)]
    with here.open() as mesh:
        for number, part in enumerate((rows[:20], [*rows[20:], {"id": 99, "name": "thing 99", "day": "2026-01-02", "n": None}])):
            here.deliver("lab.things", f"{number}.csv", part)
            list(run_product(mesh, mesh.product(Address("lab", "things")), Request(run_id=str(uuid.uuid4()))))
        table = mesh.catalog.load_table(("lab", "things"))
        bucket, month = BucketTransform(4).transform(StringType()), MonthTransform().transform(DateType())
        for task in table.scan().plan_files():
            for row in pq.read_table(Path(task.file.file_path.removeprefix("file://"))).to_pylist():
                assert (task.file.partition[0], task.file.partition[1]) == (
                    bucket(row["name"]),
                    month((row["day"] - date(1970, 1, 1)).days),
                )
        found = table.scan(row_filter="name == 'thing 21'").to_arrow().to_pylist()
        assert [r["id"] for r in found] == [21]
        assert len(list(table.scan(row_filter="name == 'thing 21'").plan_files())) < len(list(table.scan().plan_files()))
    wanted = rows if write != "overwrite_partitions" else None
    assert wanted is None or sorted(r[0] for r in here.rows("lab.things")) == [r["id"] for r in wanted]
    assert here.verified() == []


HASHES: list[tuple[ColumnType, str, int]] = [
    (Primitive("int"), "34", 2017239379),
    (Primitive("long"), "34", 2017239379),
    (Decimal(9, 2), "14.20", -500754589),
    (Primitive("date"), "'2017-11-16'", -653330422),
    (Primitive("time"), "'22:31:08'", -662762989),
    (Primitive("timestamp"), "'2017-11-16 22:31:08'", -2047944441),
    (Primitive("timestamptz"), "'2017-11-16 14:31:08-08'", -2047944441),
    (Primitive("string"), "'iceberg'", 1210000089),
    (Primitive("uuid"), "'f79c3e09-677c-4bbd-a479-3f349cb785e7'", 1488055340),
    (Primitive("binary"), r"'\x00\x01\x02\x03'", -188683207),
]
"""From the appendix of Iceberg's specification."""


@pytest.mark.parametrize(("kind", "value", "hashed"), HASHES, ids=str)
def test_every_type_has_the_bucket_of_the_specification(kind: ColumnType, value: str, hashed: int):
    """The engine computes the standard's hash of each type that can be bucketed, and NULL of NULL."""
    column = Column(name="c", type=kind, partition="bucket[1000]", place=Place(file="x.odcs.yaml"))
    contract = Contract(address=Address("lab", "x"), version="1.0.0", columns=(column,), place=Place(file="x.odcs.yaml"))
    with duckdb.connect() as connection:
        learn_buckets(connection, [contract])
        sql = partition_value("bucket[1000]", "c", kind)
        found = connection.execute(f"select {sql} from (values ({value}::{kind.duckdb}), (null)) t(c)").fetchall()
    assert found == [((hashed & 0x7FFFFFFF) % 1000,), (None,)]
