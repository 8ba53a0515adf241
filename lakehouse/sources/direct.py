"""CSV files that the engine reads by itself, in the same pass that writes them: no row goes through Python.

Rows that cannot be read are left out and only counted. When there are some, the files are read again, by `rows.py`, to say which:
who delivers clean files does not pay for it. Next: `csv.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from lakehouse.declare.contract import Contract
from lakehouse.errors import MeshError
from lakehouse.sources import Rejected
from lakehouse.sources.csv import CsvFile, clean_rows, faultless_rows
from lakehouse.sources.rows import Rows, unasked
from lakehouse.types import quote

if TYPE_CHECKING:
    import duckdb


class Direct:
    """`lakehouse.sources.Reader` of files that are read where `relation` is."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, contract: Contract, files: Sequence[CsvFile], rows: Rows) -> None:
        self._connection, self._files, self._rows = connection, files, rows
        mark = uuid4().hex
        self._counter, self._rejects = f"unread_{mark}", f"rejects_{mark}"
        connection.execute(f"CREATE TEMP SEQUENCE {self._counter}")
        columns = ", ".join(quote(c.name) for c in contract.columns)
        parts = [f"SELECT {columns} FROM ({clean_rows(file, self._counter, self._rejects)})" for file in files]
        self.relation = f"({' UNION ALL '.join(parts)})"
        self.faultless = f"({' UNION ALL '.join(map(faultless_rows, files))})"

    @property
    def failure(self) -> MeshError | None:
        """Asked when the engine has failed: the second reader says it in our words, if the files are to blame."""
        with suppress(MeshError):
            self._rows.rejected()
        return self._rows.failure

    def rejected(self) -> Sequence[Rejected]:
        return self._rows.rejected() if self._left_out() else ()

    def warnings(self) -> Sequence[str]:
        return unasked({name for file in self._files for name in file.matched.extra})

    def _left_out(self) -> bool:
        """Whether a row was not read, or nothing was read yet."""
        asked = (
            f"SELECT (SELECT max(last_value) FROM duckdb_sequences() WHERE sequence_name = '{self._counter}') IS NOT NULL"
            f" OR EXISTS (FROM {self._rejects})"
        )
        with suppress(_no_such_table()):
            ((left_out,),) = self._connection.execute(asked).fetchall()
            return bool(left_out)
        return True


def _no_such_table() -> type[Exception]:
    import duckdb

    return duckdb.CatalogException
