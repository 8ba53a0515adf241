"""The Dagster code location of this domain."""

from lakemesh import build_definitions

defs = build_definitions(__file__)
