"""One sqlite engine for catalog and store: WAL, deferred reads, immediate writes.

pysqlite must not emit BEGIN itself, or a read transaction could not become a write without a lock error.
Next: `tables.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from lakehouse.errors import Unavailable

BUSY_SECONDS = 30


def open_engine(database: Path) -> Engine:
    """The engine on a sqlite file, which is made when it is not there."""
    engine = create_engine(f"sqlite:///{database}", poolclass=QueuePool, pool_size=2, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(dbapi: Any, _record: object) -> None:
    dbapi.isolation_level = None
    try:
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={BUSY_SECONDS * 1000}", "foreign_keys=ON"):
            dbapi.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        dbapi.close()  # the pool forgets a connection that could not be made ready
        raise


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("write") else "BEGIN DEFERRED")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view of the store."""
    with _said(), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One short write transaction; commits on leaving, rolls back on any error."""
    with _said(), engine.connect().execution_options(write=True) as connection, connection.begin():
        yield connection


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise Unavailable(f"the mesh store: {error.orig}", hint="is the disk full, or another program holding mesh.db?") from error
