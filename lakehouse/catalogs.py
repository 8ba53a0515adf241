"""Settings -> the Iceberg catalog and the store, on one engine.

A profile is one entry in `CATALOGS`; embedded is sqlite and a local folder. Next: `commit.py`.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyiceberg.catalog.sql import SqlCatalog
from sqlalchemy.exc import DatabaseError, IntegrityError

from lakehouse.errors import Unavailable
from lakehouse.settings import Settings
from lakehouse.store import Store, open_engine

__all__ = ["SqlCatalog", "ensure_namespace", "open_catalog"]

CATALOG_NAME = "mesh"


def _embedded(settings: Settings) -> tuple[SqlCatalog, Store]:
    try:
        settings.warehouse.mkdir(parents=True, exist_ok=True)
        with _alone(settings.home / "opening.lock"):
            return _open(settings)
    except (OSError, DatabaseError) as error:
        raise Unavailable(
            f"{settings.home} cannot hold the mesh's state: {error}", hint="--home or MESH_HOME names another folder"
        ) from error


def _open(settings: Settings) -> tuple[SqlCatalog, Store]:
    engine = open_engine(settings.database)
    catalog = SqlCatalog(
        CATALOG_NAME,
        uri=f"sqlite:///{settings.database}",
        warehouse=f"file://{settings.warehouse}",
        init_catalog_tables="true",
    )
    # pyiceberg builds an engine of its own; ours begins write transactions at once and shares the file with the store
    catalog.engine.dispose()
    catalog.engine = engine
    return catalog, Store(engine)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Make the tables one process at a time: two that open a new mesh together would both find them missing."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


CATALOGS: dict[str, Callable[[Settings], tuple[SqlCatalog, Store]]] = {"embedded": _embedded}


def open_catalog(settings: Settings) -> tuple[SqlCatalog, Store]:
    """The catalog and store of the settings' profile."""
    if settings.profile not in CATALOGS:
        raise Unavailable(f"profile {settings.profile!r} is not built yet", hint="MESH_PROFILE=embedded")
    return CATALOGS[settings.profile](settings)


def ensure_namespace(catalog: SqlCatalog, domain: str) -> None:
    """Give the domain its namespace row, which a first publish needs."""
    with suppress(IntegrityError):  # somebody else made it meanwhile
        catalog.create_namespace_if_not_exists(domain)
