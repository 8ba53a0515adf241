"""An opened mesh: its declarations, store, catalog and clock in one hand.

Next: `pins.py`, `publish.py`, `read.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Self

import duckdb

from lakehouse.address import Address
from lakehouse.catalogs import MeshCatalog, open_catalog
from lakehouse.declare import Declarations
from lakehouse.declare.product import Product
from lakehouse.declared import load
from lakehouse.errors import WrongUse
from lakehouse.faults import Faults
from lakehouse.manifests import Manifests
from lakehouse.partitions import learn_buckets
from lakehouse.settings import Settings
from lakehouse.store import Store


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Mesh:
    """A mesh at work. `now` gives aware UTC datetimes; logic takes its answer as an argument."""

    settings: Settings
    declarations: Declarations
    catalog: MeshCatalog
    store: Store
    manifests: Manifests
    now: Callable[[], datetime] = utc_now
    faults: Faults = field(default_factory=Faults)
    _duckdb: duckdb.DuckDBPyConnection | None = field(default=None, init=False)
    _opening: Lock = field(default_factory=Lock, init=False)

    @classmethod
    def open(cls, settings: Settings, declarations: Declarations | None = None, now: Callable[[], datetime] = utc_now) -> Self:
        """Open the mesh of `settings`; declarations are read from its root unless they are given."""
        catalog, store = open_catalog(settings)
        io = catalog._load_file_io(location=catalog.properties["warehouse"])
        return cls(
            settings=settings,
            declarations=declarations or load(settings.root),
            catalog=catalog,
            store=store,
            manifests=Manifests(io),
            now=now,
            faults=Faults.parse(settings.fault),
        )

    def close(self) -> None:
        if self._duckdb is not None:
            self._duckdb.close()
        self.store.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def product(self, address: Address) -> Product:
        """The product whose main port is `address`, or WrongUse."""
        found = self.declarations.products.get(address)
        if found is None:
            raise WrongUse(
                f"no product {address} in this mesh", hint="mesh show lists the products; mesh check says what is wrong with one"
            )
        return found

    def place_of(self, address: Address) -> Path:
        """Where a table is made that is not there yet."""
        return self.settings.warehouse / address.domain / address.port

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A connection to the mesh's one DuckDB: in UTC, within the settings' limits, spilling below the mesh's home."""
        with self._opening:  # a connection that is busy with one thread's call refuses another's
            if self._duckdb is None:
                self._duckdb = _open_duckdb(self.settings)
                learn_buckets(self._duckdb, (o.contract for p in self.declarations.products.values() for o in p.outputs))
            cursor = self._duckdb.cursor()
        # DuckDB would draw its progress on stdout, into the answer
        cursor.execute("set enable_progress_bar = false")
        return cursor


def _open_duckdb(settings: Settings) -> duckdb.DuckDBPyConnection:
    engine = settings.engine
    spill = settings.home / "spill"
    opened = duckdb.connect(config={"memory_limit": engine.memory_limit, "threads": engine.threads, "temp_directory": str(spill)})
    opened.execute("set global TimeZone = 'UTC'")
    # with this optimizer try_cast raises where it should give NULL when the raw column is otherwise unused
    opened.execute("set global disabled_optimizers = 'type_pushdown'")
    return opened
