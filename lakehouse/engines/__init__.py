"""How rows become the frame that a transform's annotation asks for, and how what it returns becomes SQL again.

One module per library, loaded when an annotation or a frame needs it: `arrow.py`, `polars.py`, `pandas.py`, `duckdb.py`.
Streaming forms hold a few batches in memory, materialising forms (a Table, a DataFrame) all rows, within a stated limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast
from uuid import uuid4

from lakehouse.errors import TransformFailed, WrongUse

if TYPE_CHECKING:
    import duckdb

STREAMING = {
    "pyarrow": "pyarrow.RecordBatchReader",
    "polars": "polars.LazyFrame",
    "pandas": "pyarrow.RecordBatchReader",
    "duckdb": "duckdb.DuckDBPyRelation",
}
ANNOTATIONS: Mapping[str, str] = {
    "pyarrow.RecordBatchReader": "arrow",
    "pyarrow.Table": "arrow",
    "polars.LazyFrame": "polars",
    "polars.DataFrame": "polars",
    "pandas.DataFrame": "pandas",
    "duckdb.DuckDBPyRelation": "duckdb",
}
_MODULES: Mapping[str, str] = {"pyarrow": "arrow", "polars": "polars", "pandas": "pandas", "duckdb": "duckdb", "_duckdb": "duckdb"}


@dataclass(frozen=True, slots=True)
class Attached:
    """A frame on a connection: `sql` is a table expression; `keep` must live until it has been read."""

    sql: str
    keep: object


class Library(Protocol):
    """What each library's module offers."""

    def frame(self, annotation: str, connection: duckdb.DuckDBPyConnection, relation: str, limit_rows: int) -> object:
        """The rows of `relation` in the annotated form."""
        ...

    def attach(self, frame: object, connection: duckdb.DuckDBPyConnection) -> Attached | None:
        """The frame as a relation on `connection`; None when it is none of the library's frames."""
        ...


def reading_connection(annotation: str, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The connection on which an input of this annotation is to be opened and read.

    A RecordBatchReader occupies its connection until it is exhausted, so each gets a cursor of its own and `connection` stays
    free for writing. All others share `connection`, so that relations can be joined. Views are seen only where they were made.
    """
    if annotation != "pyarrow.RecordBatchReader":
        return connection
    cursor = connection.cursor()
    cursor.execute("SET TimeZone='UTC'")
    return cursor


def to_frame(annotation: str, connection: duckdb.DuckDBPyConnection, relation: str, *, limit_rows: int) -> object:
    """The rows of a table expression on `connection` in the annotated form; WrongUse when no library has it.

    Raises TransformFailed when a materialising form would hold more than `limit_rows` rows.
    """
    if annotation not in ANNOTATIONS:
        raise WrongUse(f"a parameter cannot be a {annotation}", hint=f"use one of {', '.join(ANNOTATIONS)}")
    return _library(ANNOTATIONS[annotation]).frame(annotation, connection, relation, limit_rows)


def to_relation(frame: object, connection: duckdb.DuckDBPyConnection, *, function: str = "the transform") -> Attached:
    """What a transform returned, as a table expression on `connection`; TransformFailed when it is no frame."""
    kind = type(frame)
    library = _MODULES.get(kind.__module__.partition(".")[0])
    attached = _library(library).attach(frame, connection) if library else None
    if attached is None:
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        raise TransformFailed(f"{function} returned a {name}, which is no frame", hint=f"return one of {', '.join(ANNOTATIONS)}")
    return attached


def within(rows: int, limit_rows: int, annotation: str) -> None:
    """Refuse to hold more than `limit_rows` rows."""
    if rows > limit_rows:
        streaming = STREAMING[annotation.partition(".")[0]]
        raise TransformFailed(
            f"more than {limit_rows} rows, which is the most that a {annotation} may hold",
            hint=f"annotate the parameter {streaming}, which streams, or raise [engine] materialise_rows in mesh.toml",
        )


def view_name() -> str:
    """A name for a frame's view that no other has."""
    return f"frame_{uuid4().hex}"


def _library(name: str) -> Library:
    return cast("Library", import_module(f"lakehouse.engines.{name}"))
