"""Settings -> the Iceberg catalog and the store, on one engine.

A profile is one entry in `CATALOGS`; embedded is sqlite and a local folder. Next: `commit.py`.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cachetools import LRUCache
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import Identifier
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError

from lakehouse.errors import Unavailable
from lakehouse.settings import Settings
from lakehouse.store import Store, open_engine
from lakehouse.store.engine import reading

__all__ = ["MeshCatalog", "ensure_namespace", "open_catalog"]

CATALOG_NAME = "mesh"
_KEPT_METADATA = 64
_POINTER = text(
    "select metadata_location from iceberg_tables where catalog_name = :catalog and table_namespace = :namespace"
    " and table_name = :name and coalesce(iceberg_type, 'TABLE') = 'TABLE'"
)


class MeshCatalog(SqlCatalog):
    """pyiceberg's SQL catalog on the store's engine. A metadata file never changes, so `known` keeps what was read or written of it."""

    known: LRUCache[str, TableMetadata]

    def load_table(self, identifier: str | Identifier) -> Table:
        """The table as its pointer says now; NoSuchTableError when it has none."""
        *namespace, name = self.identifier_to_tuple(identifier)
        with reading(self.engine) as connection:
            location = connection.execute(_POINTER, {"catalog": self.name, "namespace": ".".join(namespace), "name": name}).scalar()
        if location is None:
            raise NoSuchTableError(f"Table does not exist: {identifier}")
        metadata = self.known.get(location)
        if metadata is None:
            metadata = FromInputFile.table_metadata(self._load_file_io(location=location).new_input(location))
            self.known[location] = metadata
        io = self._load_file_io(metadata.properties, location)
        return Table((*namespace, name), metadata, location, io, self)


def _embedded(settings: Settings) -> tuple[MeshCatalog, Store]:
    try:
        settings.warehouse.mkdir(parents=True, exist_ok=True)
        with _alone(settings.home / "opening.lock"):
            return _open(settings)
    except (OSError, DatabaseError) as error:
        raise Unavailable(
            f"{settings.home} cannot hold the mesh's state: {getattr(error, 'orig', error)}",
            hint="--home or MESH_HOME names another folder",
        ) from error


def _open(settings: Settings) -> tuple[MeshCatalog, Store]:
    engine = open_engine(settings.database)
    store = Store(engine)  # first: a file that is no database is found by an engine of which nothing stays open
    catalog = MeshCatalog(
        CATALOG_NAME,
        uri=f"sqlite:///{settings.database}",
        warehouse=f"file://{settings.warehouse}",
        init_catalog_tables="true",
    )
    # pyiceberg builds an engine of its own; ours begins write transactions at once and shares the file with the store
    catalog.engine.dispose()
    catalog.engine = engine
    catalog.known = LRUCache(_KEPT_METADATA)
    return catalog, store


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Make the tables one process at a time: two that open a new mesh together would both find them missing."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


CATALOGS: dict[str, Callable[[Settings], tuple[MeshCatalog, Store]]] = {"embedded": _embedded}


def open_catalog(settings: Settings) -> tuple[MeshCatalog, Store]:
    """The catalog and store of the settings' profile."""
    if settings.profile not in CATALOGS:
        raise Unavailable(f"profile {settings.profile!r} is not built yet", hint="MESH_PROFILE=embedded")
    return CATALOGS[settings.profile](settings)


def ensure_namespace(catalog: MeshCatalog, domain: str) -> None:
    """Give the domain its namespace row, which a first publish needs."""
    with suppress(IntegrityError):  # somebody else made it meanwhile
        catalog.create_namespace_if_not_exists(domain)
