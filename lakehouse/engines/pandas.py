"""pandas: a DataFrame with Arrow types, so that an int with nulls stays an int and a date a date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from lakehouse.engines import Attached, arrow
from lakehouse.errors import TransformFailed

if TYPE_CHECKING:
    import duckdb


def frame(annotation: str, connection: duckdb.DuckDBPyConnection, relation: str, limit_rows: int) -> pd.DataFrame:
    found: pd.DataFrame = arrow.table(annotation, connection, relation, limit_rows).to_pandas(types_mapper=pd.ArrowDtype)
    return found


def attach(frame: object, connection: duckdb.DuckDBPyConnection) -> Attached | None:
    if not isinstance(frame, pd.DataFrame):
        return None
    if any(name is not None for name in frame.index.names):
        named = ", ".join(str(name) for name in frame.index.names)
        raise TransformFailed(f"the DataFrame's index holds columns: {named}", hint="return frame.reset_index()")
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TransformFailed(f"the DataFrame mixes types in a column: {error}", hint="give each column one type") from None
    return arrow.attach(table, connection)
