"""What did a flight have to fly in, and with what? Every flight stays, whether its weather and aircraft are known or not."""

from __future__ import annotations

import polars as pl

_ON_TIME_MIN = 15


def delays(flights: pl.LazyFrame, observations: pl.LazyFrame, aircraft: pl.LazyFrame) -> pl.LazyFrame:
    """Put beside each flight the weather of its scheduled hour, which is unique in UTC only, and its aircraft."""
    return (
        flights.with_columns(scheduled_hour=pl.col("scheduled_departure_at").dt.truncate("1h"))
        .join(_weather(observations), left_on=["origin", "scheduled_hour"], right_on=["airport", "observed_hour"], how="left")
        .join(aircraft, on="tail_number", how="left")
        .select(
            "flight_date",
            "carrier",
            "flight_number",
            "origin",
            "destination",
            "scheduled_departure_at",
            "is_cancelled",
            "departure_delay_min",
            "arrival_delay_min",
            pl.col("departure_delay_min").le(_ON_TIME_MIN).fill_null(value=False).alias("is_on_time"),
            "observed_at",
            "temperature_f",
            "wind_speed_mph",
            "precipitation_in",
            "visibility_mi",
            "tail_number",
            "manufacturer",
            "model",
            "seats",
            (pl.col("flight_date").dt.year() - pl.col("built_year")).alias("aircraft_age_years"),
        )
    )


def _weather(observations: pl.LazyFrame) -> pl.LazyFrame:
    """A join keeps only one side's key: a copy of it lets the flight show whether it found an hour."""
    return observations.with_columns(observed_hour="observed_at")
