"""Which flight was it, and when? Instants in UTC, units in the names; no row is added and none is dropped."""

from __future__ import annotations

import duckdb
import polars as pl


def flights(landed: pl.LazyFrame) -> pl.LazyFrame:
    """Give every scheduled departure its civil date and its instants."""
    scheduled_at = pl.col("time_hour") + pl.duration(minutes="minute")
    return landed.select(
        flight_date=_civil_date(),
        carrier="carrier",
        flight_number="flight",
        origin="origin",
        destination="dest",
        tail_number="tailnum",
        scheduled_departure_at=scheduled_at,
        scheduled_departure_local=_civil_date().dt.combine(_clock_time("sched_dep_time")),
        departed_at=scheduled_at + pl.duration(minutes="dep_delay"),
        departure_delay_min="dep_delay",
        scheduled_arrival_local=_clock_time("sched_arr_time"),
        arrival_local=_clock_time("arr_time"),
        arrival_delay_min="arr_delay",
        air_time_min="air_time",
        distance_mi="distance",
        is_cancelled=pl.col("dep_time").is_null(),
    )


def flights_daily(flights: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Count each day's flights and their delays, by carrier and airport."""
    return flights.aggregate(
        """
        flight_date, carrier, origin,
        count(*) as scheduled,
        count(*) filter (not is_cancelled) as departed,
        count(*) filter (is_cancelled) as cancelled,
        count(*) filter (departure_delay_min > 15) as departed_late,
        avg(departure_delay_min) as departure_delay_mean_min,
        quantile_cont(departure_delay_min, 0.9) as departure_delay_p90_min,
        avg(arrival_delay_min) as arrival_delay_mean_min
        """,
        "flight_date, carrier, origin",
    )


def _civil_date() -> pl.Expr:
    return pl.format("{}-{}-{}", "year", "month", "day").str.to_date("%Y-%m-%d", strict=False)


def _clock_time(column: str) -> pl.Expr:
    """Hours times a hundred plus minutes; the source writes the midnight that ends a day as 2400."""
    return (pl.col(column) % 2400).cast(pl.String).str.zfill(4).str.to_time("%H%M", strict=False)
