"""What was the weather, and when? Instants in UTC beside New York's clocks, units in the names."""

from __future__ import annotations

import duckdb


def observations(landed: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Name each reading by its unit; an hour that is no hour becomes empty, and is then refused by the contract."""
    return landed.select(
        """
        origin as airport,
        time_hour as observed_at,
        try(make_timestamp(year, month, day, hour, 0, 0)) as observed_local,
        try(make_date(year, month, day)) as observation_date,
        temp as temperature_f,
        dewp as dew_point_f,
        humid as humidity_percent,
        wind_dir as wind_direction_deg,
        wind_speed as wind_speed_mph,
        wind_gust as wind_gust_mph,
        precip as precipitation_in,
        pressure as pressure_mb,
        visib as visibility_mi
        """
    )
