"""Every annotation keeps the same promises: this one suite runs over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from lakehouse.engines import ANNOTATIONS, reading_connection, to_frame, to_relation
from lakehouse.errors import TransformFailed, WrongUse

ALL = sorted(ANNOTATIONS)
MATERIALISING = ("pandas.DataFrame", "polars.DataFrame", "pyarrow.Table")
KINDS = """(SELECT i, CASE WHEN i % 3 = 0 THEN NULL ELSE i::INTEGER END AS whole, (i / 7)::DECIMAL(12, 2) AS amount,
  (i / 7)::DOUBLE AS ratio, i % 2 = 0 AS even, DATE '2013-01-01' + i::INTEGER AS day, 'text ' || i AS text, ''::VARCHAR AS empty,
  TIMESTAMPTZ '2013-03-10 06:59:59.123456+00' + to_hours(i) AS instant, TIMESTAMP '2013-03-10 02:30:00' + to_hours(i) AS at_local,
  [i, NULL, i + 1] AS list, {'a': i, 'b': CASE WHEN i = 1 THEN NULL ELSE 'x' END} AS struct, 'ab'::BLOB AS bytes,
  NULL::DATE AS never FROM range(5) t(i))"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone='UTC'; SET threads=2")
        yield opened


@pytest.mark.parametrize("annotation", ALL)
def test_same_rows_in_and_out(annotation: str, connection: duckdb.DuckDBPyConnection) -> None:
    """Nulls, decimals, dates, instants, lists and structs come back as they went in, with their types."""
    frame = to_frame(annotation, reading_connection(annotation, connection), KINDS, limit_rows=100)
    attached = to_relation(frame, connection)
    expected = connection.sql(f"SELECT * FROM {KINDS}")
    types = dict(zip(expected.columns, map(str, expected.types), strict=True))
    actual = connection.sql(f"SELECT * FROM {attached.sql}")
    assert dict(zip(actual.columns, map(str, actual.types), strict=True)) == types
    assert sorted(actual.fetchall(), key=str) == sorted(connection.sql(f"SELECT * FROM {KINDS}").fetchall(), key=str)


@pytest.mark.parametrize("annotation", ALL)
def test_no_rows_keep_their_columns(annotation: str, connection: duckdb.DuckDBPyConnection) -> None:
    """An empty input is an empty output with the same columns."""
    frame = to_frame(annotation, reading_connection(annotation, connection), f"(FROM {KINDS} WHERE false)", limit_rows=0)
    attached = to_relation(frame, connection)
    actual = connection.sql(f"SELECT * FROM {attached.sql}")
    assert actual.columns == connection.sql(f"SELECT * FROM {KINDS}").columns
    assert actual.fetchall() == []


@pytest.mark.parametrize("annotation", ALL)
def test_many_rows_are_written_while_they_are_read(annotation: str, connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """300,000 rows pass from reader to writer on one database without losing or doubling one."""
    rows = "(SELECT i, CASE WHEN i % 7 = 0 THEN NULL ELSE 'v' || i END AS v FROM range(300_000) t(i))"
    frame = to_frame(annotation, reading_connection(annotation, connection), rows, limit_rows=300_000)
    attached = to_relation(frame, connection)
    connection.execute(f"COPY (SELECT * FROM {attached.sql}) TO '{tmp_path}/out.parquet'")
    found = connection.execute(f"SELECT count(*), sum(i)::BIGINT, count(v) FROM '{tmp_path}/out.parquet'").fetchall()
    assert found == [(300_000, sum(range(300_000)), 257_142)]


@pytest.mark.parametrize("annotation", MATERIALISING)
def test_too_many_rows_are_refused(annotation: str, connection: duckdb.DuckDBPyConnection) -> None:
    """A materialising form refuses one row more than its limit and names the form that streams."""
    assert to_frame(annotation, connection, "range(10)", limit_rows=10) is not None
    with pytest.raises(TransformFailed, match=r"more than 9 rows.*\n.*(RecordBatchReader|LazyFrame)"):
        to_frame(annotation, connection, "range(10)", limit_rows=9)


@pytest.mark.parametrize("annotation", [a for a in ALL if a not in MATERIALISING])
def test_streaming_forms_have_no_limit(annotation: str, connection: duckdb.DuckDBPyConnection) -> None:
    """The limit on rows is for the forms that hold them."""
    frame = to_frame(annotation, reading_connection(annotation, connection), "range(10)", limit_rows=1)
    attached = to_relation(frame, connection)
    assert connection.sql(f"SELECT count(*) FROM {attached.sql}").fetchall() == [(10,)]


@pytest.mark.parametrize("annotation", ["pyspark.sql.DataFrame", "list", "numpy.ndarray"])
def test_unknown_annotation(annotation: str, connection: duckdb.DuckDBPyConnection) -> None:
    """A form that no library here has is refused with the forms there are."""
    with pytest.raises(WrongUse, match=r"hint: use one of .*polars.LazyFrame"):
        to_frame(annotation, connection, "range(1)", limit_rows=1)


@pytest.mark.parametrize("returned", [None, [1], {"a": [1]}, 3, "text", object()])
def test_no_frame(returned: object, connection: duckdb.DuckDBPyConnection) -> None:
    """What is no frame is refused by the function's name, with the forms there are."""
    with pytest.raises(TransformFailed, match=r"flights\(\) returned .*\n.*pyarrow.RecordBatchReader"):
        to_relation(returned, connection, function="flights()")


def test_a_series_is_no_frame(connection: duckdb.DuckDBPyConnection) -> None:
    """Other objects of a frame library are refused like any other object."""
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    for returned in (pd.Series([1]), pl.Series([1]), pa.array([1])):
        with pytest.raises(TransformFailed, match="no frame"):
            to_relation(returned, connection)


def test_pandas_index_is_not_lost(connection: duckdb.DuckDBPyConnection) -> None:
    """A DataFrame that keeps columns in its index is refused instead of losing them."""
    import pandas as pd

    grouped = pd.DataFrame({"k": [1, 1, 2], "v": [1, 2, 3]}).groupby("k").sum()
    with pytest.raises(TransformFailed, match=r"index holds columns: k\n.*reset_index"):
        to_relation(grouped, connection)
    attached = to_relation(grouped.reset_index(), connection)
    assert connection.sql(f"SELECT k, v FROM {attached.sql} ORDER BY k").fetchall() == [(1, 3), (2, 3)]


def test_pandas_mixed_types(connection: duckdb.DuckDBPyConnection) -> None:
    """A column that mixes types has no place in a table."""
    import pandas as pd

    with pytest.raises(TransformFailed, match="mixes types"):
        to_relation(pd.DataFrame({"a": [1, "x", b"y"]}), connection)


def test_lazy_plan_scans_twice(connection: duckdb.DuckDBPyConnection) -> None:
    """A LazyFrame may be joined with itself; its filters and columns reach the scan."""
    import polars as pl

    lazy = to_frame("polars.LazyFrame", connection, "(SELECT i, i % 10 AS k FROM range(1000) t(i))", limit_rows=1)
    assert isinstance(lazy, pl.LazyFrame)
    joined = lazy.join(lazy.group_by("k").agg(pl.len().alias("n")), on="k").filter(pl.col("i") < 500).select("i", "n")
    attached = to_relation(joined, connection)
    assert connection.sql(f"SELECT count(*), sum(n)::INT FROM {attached.sql}").fetchall() == [(500, 50_000)]
    assert lazy.head(3).collect().height == 3


def test_lazy_file_goes_with_its_plan(connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The rows that a LazyFrame keeps on disk are gone when no plan needs them any more."""
    import gc
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lazy = to_frame("polars.LazyFrame", connection, "range(10)", limit_rows=1)
    assert len(list(tmp_path.iterdir())) == 1
    attached = to_relation(lazy, connection)
    connection.sql(f"SELECT * FROM {attached.sql}").fetchall()
    connection.unregister(attached.sql)
    del lazy, attached
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_two_readers_at_once(connection: duckdb.DuckDBPyConnection) -> None:
    """Two RecordBatchReaders are read in turns, each on its own cursor."""
    import pyarrow as pa

    name = "pyarrow.RecordBatchReader"
    left, right = (to_frame(name, reading_connection(name, connection), "range(200_000)", limit_rows=1) for _ in range(2))
    assert isinstance(left, pa.RecordBatchReader)
    assert isinstance(right, pa.RecordBatchReader)
    pairs = [(a.num_rows, b.num_rows) for a, b in zip(left, right, strict=True)]
    assert sum(a for a, _ in pairs) == sum(b for _, b in pairs) == 200_000


def test_relations_join(connection: duckdb.DuckDBPyConnection) -> None:
    """Two relation inputs and a frame of another library can be joined in one query."""
    name = "duckdb.DuckDBPyRelation"
    left, right = (to_frame(name, reading_connection(name, connection), "range(5)", limit_rows=1) for _ in range(2))
    assert isinstance(left, duckdb.DuckDBPyRelation)
    assert isinstance(right, duckdb.DuckDBPyRelation)
    attached = to_relation(left.set_alias("l").join(right.set_alias("r"), "l.range = r.range").project("l.range AS n"), connection)
    assert connection.sql(f"SELECT count(*) FROM {attached.sql}").fetchall() == [(5,)]


def test_relation_of_another_cursor(connection: duckdb.DuckDBPyConnection) -> None:
    """A relation made on another cursor is taken as a stream of rows."""
    other = connection.cursor()
    attached = to_relation(other.sql("SELECT * FROM range(7)"), connection)
    assert connection.sql(f"SELECT count(*) FROM {attached.sql}").fetchall() == [(7,)]
