"""The product that is killed: rows appended with a count per day beside them, and deliveries of which every row is known."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lakehouse.declare.product import Write
from lakehouse.testing import MeshFolder, Port
from tests.reliability.witness import Witness

EVENTS = "ops.events"
DAILY = "ops.events_daily"
TRANSFORM = """
    import duckdb

    def events(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return landed

    def events_daily(events: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return events.aggregate("day, count(*) as number", "day")
"""


def declare(root: Path, product: str = EVENTS, write: Write = "append") -> MeshFolder:
    """A product of two ports: `value` is required, ids are unique over the whole port."""
    folder = MeshFolder(root)
    name = product.partition(".")[2]
    folder.product(
        product,
        columns={"id": "integer", "day": "date", "value": {"logicalType": "number", "required": True}},
        key=["id"],
        partitions={"day": "identity"},
        write=write,
        siblings=[
            Port(
                name=f"{name}_daily",
                columns={"day": "date", "number": "integer"},
                key=["day"],
                partitions={"day": "identity"},
                write="overwrite_partitions",
            )
        ],
        transform=TRANSFORM.replace("events", name),
    )
    return folder


def deliver(folder: MeshFolder, number: int, product: str = EVENTS, *, blocked: bool = False) -> None:
    """File `number`: four good rows of two days and one without a value; or one that the gate blocks, its keys being doubled."""
    first = number * 10
    rows = [{"id": first + n, "day": f"2026-01-{1 + (number + n) % 3:02}", "value": n} for n in range(4)]
    rows += [{**rows[0]}] if blocked else [{"id": first + 9, "day": "2026-01-01", "value": None}]
    folder.deliver(product, f"{number:04}.csv", rows)


def correct(folder: MeshFolder, number: int, value: int, *, blocked: bool = False) -> None:
    """File `number`, which has a day of its own, with three rows of this value and one without; or one that the gate blocks."""
    rows: list[dict[str, object]] = [{"id": number * 10 + n, "day": f"2026-01-{1 + number:02}", "value": value} for n in range(3)]
    folder.deliver(EVENTS, f"{number:04}.csv", [*rows, rows[0] if blocked else {**rows[0], "id": number * 10 + 9, "value": None}])


def uncorrected(home: Path, values: dict[int, int], aside: int) -> list[str]:
    """How the two ports and the quarantine differ from files of which each shows this value."""
    witness = Witness(home)
    shown = Counter((r["id"], r["value"]) for r in witness.rows(EVENTS))
    expected = Counter((number * 10 + n, value) for number, value in values.items() for n in range(3))
    problems = [
        f"{what}: row {id} of value {value}"
        for what, rows in (("lost", expected - shown), ("too much", shown - expected))
        for id, value in rows
    ]
    counted = sorted(r["number"] for r in witness.rows(DAILY))
    kept = len(witness.rows(f"{EVENTS}__quarantine"))
    problems += [] if counted == [3] * len(values) else [f"the other port counts {counted}"]
    return problems if kept == aside else [*problems, f"{kept} rows are set aside, not {aside}"]


def losses(home: Path, good: set[int], product: str = EVENTS) -> list[str]:
    """How the two ports and the quarantine differ from what the files `good` said; blocked files are to show nothing."""
    witness, problems = Witness(home), []
    rows = witness.rows(product)
    ids = Counter(r["id"] for r in rows)
    expected = {number * 10 + n for number in good for n in range(4)}
    problems += [f"lost: row {i}" for i in sorted(expected - ids.keys())]
    problems += [f"unaudited: row {i}" for i in sorted(ids.keys() - expected)]
    problems += [f"doubled: row {i}, {n} times" for i, n in ids.items() if n != 1]
    days = Counter(r["day"] for r in rows)
    counted = {r["day"]: r["number"] for r in witness.rows(f"{product}_daily")}
    if days != Counter(counted):
        problems.append(f"the two ports differ: {dict(days)} and {counted}")
    aside = Counter(r["row"] for r in witness.rows(f"{product}__quarantine"))
    if len(aside) != len(good) or set(aside.values()) - {1}:
        problems.append(f"{sum(aside.values())} rows are set aside, not {len(good)}")
    return problems
