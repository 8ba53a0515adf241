"""Do the bad days meet the rules that were written for them? Files, contract, transform and gate together, publishing nothing."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from lakehouse.address import Address
from lakehouse.checks.sql import SqlRunner
from lakehouse.declare import load
from lakehouse.gate import Check
from lakehouse.rules import gate_rules, row_rules
from lakehouse.sources import Rejected, open_source
from simulation import Spoiled, spoil
from tests.products.conftest import ROOT, transform

FLIGHTS = load(ROOT).products[Address("operations", "flights")]


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Spoiled:
    return spoil(tmp_path_factory.mktemp("mesh") / "landing")


def _delivered(year: duckdb.DuckDBPyConnection, file: Path) -> list[Rejected]:
    """Read one delivery by its contract into the table `delivered`; the rows that could not be read."""
    source = open_source(FLIGHTS.input("landed"), file.parents[2])
    landed = source.open(year, [delivery for delivery in source.deliveries() if delivery.name == file.name])
    rows = transform("operations/flights").flights(year.sql(f"from {landed.relation}").pl().lazy())
    year.from_arrow(rows.collect().to_arrow()).to_view("delivered", replace=True)
    return list(landed.rejected())


def _blocking(year: duckdb.DuckDBPyConnection) -> dict[str, float | None]:
    rules = gate_rules(FLIGHTS.main.contract, "append")
    checks = [
        Check(rule=rule, relation="delivered", others="operations.flights", target=str(rule.to) if rule.to else None) for rule in rules
    ]
    with year.cursor() as own:
        return {result.rule: result.failing for result in SqlRunner().run(own, checks) if result.blocks}


def test_the_bad_day_is_blocked_by_the_key_and_the_unknown_carrier(year: duckdb.DuckDBPyConnection, bad: Spoiled) -> None:
    """Every row can be read and looks right by itself; the doubled flight and the carrier of no register block."""
    assert _delivered(year, bad.blocked) == []
    assert set(_blocking(year)) == {"primary_key", "carrier_in_operations_airlines"}


def test_the_other_day_loses_one_row_and_is_published(year: duckdb.DuckDBPyConnection, bad: Spoiled) -> None:
    """The departure at 0:13 is set aside with its line and its text; all other flights pass every rule."""
    [rejected] = _delivered(year, bad.quarantined)
    assert (rejected.line, rejected.column) == (2, "dep_time")
    assert ",0:13," in rejected.raw
    assert _blocking(year) == {}
    for rule in row_rules(FLIGHTS.main.contract):
        assert year.execute(f"select count(*) from delivered where not ({rule.predicate})").fetchone() == (0,), rule.name
