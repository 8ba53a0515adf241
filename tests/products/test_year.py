"""What do the products make of the year? Its known figures, found again in what the transforms return."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import duckdb
import pytest
import yaml

from lakehouse.declare import load
from tests.products.conftest import ROOT

Count = Callable[[str], int]

_ROWS = {
    "operations.flights": 336_776,
    "operations.flights_daily": 11_864,
    "operations.airlines": 16,
    "fleet.aircraft": 3_322,
    "network.airports": 1_458,
    "network.routes": 224,
    "weather.observations": 26_115,
    "punctuality.delays": 336_776,
    "punctuality.carrier_ranking": 16,
}


@pytest.mark.parametrize(("address", "rows"), _ROWS.items())
def test_no_row_is_lost_or_made_up(count: Count, address: str, rows: int) -> None:
    """Source-aligned products have a row per row that arrived, and a flight stays one flight through the joins."""
    assert count(f"select count(*) from {address}") == rows


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("operations.flights", "flight_date, carrier, flight_number, origin"),
        ("operations.flights_daily", "flight_date, carrier, origin"),
        ("weather.observations", "airport, observed_at"),
        ("fleet.aircraft", "tail_number"),
        ("network.airports", "airport"),
        ("network.routes", "origin, destination"),
        ("punctuality.delays", "flight_date, carrier, flight_number, origin"),
        ("punctuality.carrier_ranking", "carrier"),
    ],
)
def test_keys_are_keys(count: Count, address: str, key: str) -> None:
    """No two rows have the same key, and none of its columns is empty."""
    assert count(f"select count(distinct ({key})) from {address}") == _ROWS[address]
    assert count(f"select count(*) from {address} where {' or '.join(f'{c} is null' for c in key.split(', '))}") == 0


def test_a_flight_s_number_alone_is_no_key(count: Count) -> None:
    """24 flights of the year share day, carrier and number with another: the airport belongs to the key."""
    assert _ROWS["operations.flights"] - count("select count(distinct (flight_date, carrier, flight_number)) from operations.flights") == 24


def test_a_local_day_is_not_a_day_of_utc(count: Count) -> None:
    """38,444 flights leave on another day in UTC, and all of them keep their civil date."""
    assert count("select count(*) from operations.flights where scheduled_departure_at::date <> flight_date") == 38_444
    assert count("select count(*) from operations.flights where scheduled_departure_local::date <> flight_date") == 0


def test_cancelled_flights_are_reported(count: Count) -> None:
    """8,255 flights never departed; they have no departure, and the daily reports count each of them."""
    assert count("select count(*) from operations.flights where is_cancelled and departed_at is null") == 8_255
    assert count("select count(*) from operations.flights where is_cancelled <> (departed_at is null)") == 0
    assert count("select sum(cancelled) from operations.flights_daily") == 8_255


def test_instants_agree_with_the_source_s_clock(count: Count) -> None:
    """Every departure, turned back into a clock time in New York, is the time that the source wrote."""
    written = """select count(*) from operations.flights join landed.flights s
        on flight_date = make_date(year, month, day) and flight_number = flight
          and s.carrier = flights.carrier and s.origin = flights.origin
        where departed_at is not null
          and strftime(departed_at at time zone 'America/New_York', '%H%M')::int <> dep_time % 2400"""
    assert count(written) == 0


def test_midnight_is_a_time(count: Count) -> None:
    """The 150 arrivals that the source writes as 2400 are at midnight; no clock time is lost."""
    assert count("select count(*) from operations.flights where arrival_local = time '00:00:00'") == 150
    assert count("select count(arrival_local) from operations.flights") == count("select count(arr_time) from landed.flights")


def test_the_doubled_hour_is_two_hours(count: Count) -> None:
    """The hour from one to two on 3 November comes twice at each airport, and both observations stay."""
    doubled = "select count(*) from weather.observations where observed_local = timestamp '2013-11-03 01:00:00'"
    assert count(doubled) == 6
    assert count(f"select count(distinct observed_at) from ({doubled.replace('count(*)', '*')})") == 2
    assert count("select count(*) - count(distinct (airport, observed_local)) from weather.observations") == 3


def test_a_night_flight_meets_the_weather_of_its_own_hour(count: Count) -> None:
    """An observation beside a flight is never of another hour than the scheduled one."""
    assert count("select count(*) from punctuality.delays where observed_at <> date_trunc('hour', scheduled_departure_at)") == 0


def test_flights_without_weather_or_aircraft_stay(count: Count) -> None:
    """1,556 flights have no weather; 52,606 no aircraft, of which 50,094 name one that is not in the register."""
    assert count("select count(*) from punctuality.delays where observed_at is null") == 1_556
    assert count("select count(*) from punctuality.delays where manufacturer is null") == 52_606
    assert count("select count(*) from punctuality.delays where manufacturer is null and tail_number is not null") == 50_094


def test_the_impossible_wind_is_passed_on_to_the_gate(year: duckdb.DuckDBPyConnection) -> None:
    """A transform does not hide what the contract has to refuse: one wind of 1,048 miles per hour."""
    found = year.execute("select airport, observed_at, round(wind_speed_mph) from weather.observations where wind_speed_mph > 253")
    assert found.fetchall() == [("EWR", datetime(2013, 2, 12, 8, tzinfo=UTC), 1048)]


def test_a_maker_has_one_spelling(year: duckdb.DuckDBPyConnection) -> None:
    """Airbus and McDonnell Douglas are each one maker, with the aircraft of all their spellings."""
    makers = dict(year.execute("select manufacturer, count(*) from fleet.aircraft group by all having count(*) > 10").fetchall())
    assert makers == {"BOEING": 1630, "AIRBUS": 736, "BOMBARDIER INC": 368, "EMBRAER": 299, "MCDONNELL DOUGLAS": 237}


def test_the_ranking_is_of_all_flights(year: duckdb.DuckDBPyConnection, count: Count) -> None:
    """The airlines' flights add up to the year's, and the most punctual of the larger ones is US Airways."""
    assert count("select sum(scheduled) from punctuality.carrier_ranking") == 336_776
    assert count("select count(rank) from punctuality.carrier_ranking") == 11
    best = year.execute("select carrier_name, on_time_percent from punctuality.carrier_ranking where rank = 1")
    assert best.fetchall() == [("US Airways Inc.", 85.0)]


def test_products_have_exactly_the_columns_of_their_contracts(year: duckdb.DuckDBPyConnection) -> None:
    """A transform returns the columns that the contract promises, in its order."""
    for contract in ROOT.glob("domains/*/*/*.odcs.yaml"):
        declared = yaml.safe_load(contract.read_text())
        if contract.name != "landed.odcs.yaml":
            promised = [column["name"] for column in declared["schema"][0]["properties"]]
            assert year.table(declared["id"]).columns == promised, declared["id"]


def test_the_mesh_s_declarations_have_no_problem() -> None:
    """Everything under domains/ is declared right, without so much as a warning."""
    assert load(ROOT).problems == ()
