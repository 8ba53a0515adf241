"""What do the contracts make of the year's defects? Each figure is found by the rule that its owner wrote for it."""

from __future__ import annotations

import duckdb
import pytest

from lakehouse.checks.sql import SqlRunner
from lakehouse.declare import load
from lakehouse.gate import Check, RuleResult
from lakehouse.rules import gate_rules, row_rules
from tests.products.conftest import ROOT

PORTS = {str(port.address): port for _, port in load(ROOT).ports()}


def _set_aside(year: duckdb.DuckDBPyConnection, address: str) -> dict[str, int]:
    """How many rows break each row rule, of the rules that are broken at all."""
    rules = row_rules(PORTS[address].contract)
    counts = ", ".join(f"count(*) filter (not ({rule.predicate}))" for rule in rules)
    broken = year.execute(f"select {counts} from {address}").fetchone()
    assert broken is not None
    return {rule.name: rows for rule, rows in zip(rules, broken, strict=True) if rows}


def _judged(year: duckdb.DuckDBPyConnection, address: str) -> dict[str, RuleResult]:
    """Every gate rule over the whole year, as if it were one batch; no row has been set aside before."""
    rules = gate_rules(PORTS[address].contract, PORTS[address].write)
    checks = [Check(rule=rule, relation=address, target=str(rule.to) if rule.to else None) for rule in rules]
    return {result.rule: result for result in SqlRunner().run(year, checks)}


@pytest.mark.parametrize(
    ("address", "broken"),
    [
        ("operations.flights", {}),
        ("operations.flights_daily", {}),
        ("operations.airlines", {}),
        ("fleet.aircraft", {}),
        ("network.airports", {"in_the_country": 3}),
        ("weather.observations", {"wind_speed_mph_maximum": 1}),
        ("punctuality.delays", {}),
        ("punctuality.carrier_ranking", {}),
    ],
)
def test_impossible_values_are_set_aside_and_nothing_else(year: duckdb.DuckDBPyConnection, address: str, broken: dict[str, int]) -> None:
    """One wind that no wind can be, three airports where there is no land of the country: four rows of the year."""
    assert _set_aside(year, address) == broken


@pytest.mark.parametrize("address", PORTS)
def test_the_year_is_published(year: duckdb.DuckDBPyConnection, address: str) -> None:
    """Nothing of the real year blocks, and every rule is evaluated."""
    judged = _judged(year, address)
    assert [result.rule for result in judged.values() if result.blocks or result.outcome == "not_evaluated"] == []


@pytest.mark.parametrize(
    ("address", "rule", "failing"),
    [
        ("operations.flights", "tail_number_in_fleet_aircraft", 50_094),
        ("operations.flights", "destination_in_network_airports", 7_602),
    ],
)
def test_what_is_true_but_unmatched_warns(year: duckdb.DuckDBPyConnection, address: str, rule: str, failing: int) -> None:
    """Aircraft that are not in the register and airports that are not listed are marked; their flights are published."""
    result = _judged(year, address)[rule]
    assert (result.outcome, result.severity, result.failing) == ("failed", "warning", failing)


@pytest.mark.parametrize(
    ("address", "rule", "failing"),
    [
        ("operations.flights", "storm_day", 8_255),
        ("punctuality.delays", "weather_known", 1_556),
        ("punctuality.delays", "aircraft_mostly_known", 52_606),
    ],
)
def test_what_is_expected_is_counted(year: duckdb.DuckDBPyConnection, address: str, rule: str, failing: int) -> None:
    """Cancelled flights and flights without weather or aircraft are counted, and over the year there are few enough."""
    result = _judged(year, address)[rule]
    assert (result.outcome, result.failing) == ("passed", failing)


def test_the_storm_is_marked(year: duckdb.DuckDBPyConnection) -> None:
    """On 8 and 9 February 2013 more than a quarter of the flights stayed on the ground: a warning on these two days only."""
    [rule] = [r for r in gate_rules(PORTS["operations.flights"].contract, "append") if r.name == "storm_day"]
    days = [day for (day,) in year.execute("select distinct flight_date from operations.flights order by 1").fetchall()]
    checks = [Check(rule=rule, relation=f"(from operations.flights where flight_date = date '{day}')") for day in days]
    outcomes = [SqlRunner().run(year, [check])[0].outcome for check in checks]
    assert [str(day) for day, outcome in zip(days, outcomes, strict=True) if outcome == "failed"] == ["2013-02-08", "2013-02-09"]
