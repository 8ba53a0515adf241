"""Assets that this domain writes as Dagster assets: what they return goes through their contract's gate."""

import dagster as dg
import polars as pl


@dg.asset(
    key=["network", "routes"],
    ins={"flights": dg.AssetIn(["operations", "flights"], input_manager_key="mesh")},
    io_manager_key="mesh",
)
def routes(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Bring all flights between two airports together."""
    return flights.group_by("origin", "destination").agg(
        distance_mi=pl.col("distance_mi").mode().min(),
        scheduled=pl.len(),
        carriers=pl.col("carrier").n_unique(),
        first_date=pl.col("flight_date").min(),
        last_date=pl.col("flight_date").max(),
    )
