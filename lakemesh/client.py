"""A mesh in a notebook or a test: `lakemesh.connect()`, then `read`, `query` and `inputs`.

What is read goes through the same decision and the same engine as `mesh query`. Next: `lakehouse/ports/sql.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lakehouse.access import OPERATOR
from lakehouse.mesh import Mesh
from lakehouse.ports.admission import told
from lakehouse.ports.sql import Answer, moment, query
from lakehouse.settings import Settings
from lakemesh.asking import known, select
from lakemesh.notebook import Frames
from lakemesh.selection import port as port_of
from lakemesh.selection import product as product_of
from lakemesh.session import new_run_id

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa


def connect(root: Path | str | None = None, home: Path | str | None = None) -> Client:
    """Open the mesh at `root` (default as for the command) as its operator."""
    settings = Settings.find(Path(root) if root else None, Path(home) if home else None)
    return Client(Mesh.open(settings))


class Result:
    """Rows, not yet read. Each `to_` reads them; the files stay until the result is closed or forgotten."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def to_duckdb(self) -> duckdb.DuckDBPyRelation:
        """A relation on a connection of its own; it lives as long as this result."""
        return self._answer.relation

    def to_arrow(self) -> pa.Table:
        with told(self._answer.files):
            return self._answer.relation.to_arrow_table()

    def to_polars(self) -> pl.DataFrame:
        with told(self._answer.files):
            frame: pl.DataFrame = self._answer.relation.pl()
        return frame

    def to_pandas(self) -> pd.DataFrame:
        with told(self._answer.files):
            frame: pd.DataFrame = self._answer.relation.df()
        return frame

    def batches(self, rows: int = 100_000) -> Iterator[pa.RecordBatch]:
        """Arrow batches of at most `rows` rows, one after another: memory stays bounded."""
        with told(self._answer.files):
            yield from self._answer.relation.to_arrow_reader(rows)

    def close(self) -> None:
        self._answer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client:
    """An open mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    def read(
        self, address: str, columns: Sequence[str] | None = None, where: str | None = None, as_of: datetime | str | None = None
    ) -> Result:
        """A port's rows: `columns` (default all) where the SQL condition `where` holds, as they were shown at `as_of`."""
        port = port_of(self._mesh.declarations, address)
        return self.query(select(port.address, known(columns or (), port), where), as_of)

    def query(self, sql: str, as_of: datetime | str | None = None) -> Result:
        """SQL over ports by their addresses."""
        when = moment(as_of) if isinstance(as_of, str) else as_of
        return Result(query(self._mesh, OPERATOR, sql, run_id=new_run_id(), as_of=when))

    def inputs(self, product: str) -> Frames:
        """What a product's transform would be given now: input port -> frame in its annotated form, all at one pin."""
        return Frames(self._mesh, product_of(self._mesh.declarations, product))

    def close(self) -> None:
        self._mesh.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
