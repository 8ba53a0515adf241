"""What does dbt find in its database? The input ports at their pins, and of its own models those that are already staged.

dbt opens its database by itself and calls the plug-in then; what a run offers is laid out here for it. Next: `dbt_plugin.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakehouse.address import Address
from lakehouse.errors import TransformFailed
from lakehouse.types import quote

if TYPE_CHECKING:
    import duckdb

DATABASE = "ports"
"""The attached database that the ports stand in: what a model reads is never mixed with what it writes."""


@dataclass(slots=True, kw_only=True)
class Offer:
    """Table expressions that need nothing but files, and dbt's database once it has opened it."""

    ports: Mapping[Address, str]
    models: Mapping[str, str] = field(default_factory=dict)
    _opened: duckdb.DuckDBPyConnection | None = None

    def lay_out(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Views only: nothing is copied, and a model that reads two columns of a port reads two columns of its files."""
        lay_out(connection, self.ports)
        for name, rows in self.models.items():
            connection.execute(f"create view {quote(name)} as from {rows}")
        self._opened = connection.cursor()

    @property
    def opened(self) -> duckdb.DuckDBPyConnection:
        if self._opened is None:
            raise TransformFailed("dbt did not open its database", place="dbt/dbt_project.yml", hint="cd dbt && dbt debug")
        return self._opened


def lay_out(connection: duckdb.DuckDBPyConnection, ports: Mapping[Address, str]) -> None:
    """Put ports where sources are looked for: `ports.<domain>.<port>`."""
    connection.execute(f"attach if not exists ':memory:' as {DATABASE}")
    for address, rows in ports.items():
        schema = f"{DATABASE}.{quote(address.domain)}"
        connection.execute(f"create schema if not exists {schema}")
        connection.execute(f"create or replace view {schema}.{quote(address.port)} as from {rows}")


_offers: list[Offer] = []
_one_at_a_time = threading.RLock()


@contextmanager
def offering(offer: Offer) -> Iterator[None]:
    """Make `offer` what dbt finds. dbt keeps its state in module globals, so a process has one dbt run at a time."""
    with _one_at_a_time:
        _offers.append(offer)
        try:
            yield
        finally:
            _offers.pop()


def offered() -> Offer | None:
    """What the current run offers; None when dbt was not started by a run."""
    return _offers[-1] if _offers else None
