"""The utility plane: tables, contracts, gates, ports, policy and retention. It knows no Dagster, dbt or web framework."""
