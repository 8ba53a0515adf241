"""Parquet: a column has the contract's type, or its values are taken where nothing of them is lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal as Number
from typing import Any

import pytest

from lakehouse.errors import BatchRefused
from lakehouse.types import Decimal, ListOf, Primitive, StructOf


def write(landing: Any, query: str, name: str = "f.parquet") -> None:
    landing.connection.execute(f"COPY ({query}) TO '{landing.root / name}' (FORMAT parquet)")


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        ("(VALUES (5::BIGINT), (3000000000), (NULL)) t(v)", "int", [5, ..., None]),
        ("(VALUES (5::INTEGER)) t(v)", "long", [5]),
        ("(VALUES (5.0::DOUBLE), (5.5), ('nan'::DOUBLE)) t(v)", "int", [5, ..., ...]),
        ("(VALUES (1.5::DOUBLE), (1.239)) t(v)", Decimal(10, 2), [Number("1.50"), ...]),
        ("(VALUES (1.50::DECIMAL(12,4)), (1.2345)) t(v)", Decimal(10, 2), [Number("1.50"), ...]),
        ("(VALUES ('5'), ('5.5'), ('x')) t(v)", "int", [5, ..., ...]),
        ("(VALUES (5)) t(v)", "string", ["5"]),
        ("(VALUES (TIMESTAMP '2013-01-02 10:00:00')) t(v)", "timestamptz", [datetime(2013, 1, 2, 10, tzinfo=UTC)]),
        ("(VALUES ([1::BIGINT, 2]), ([3000000000])) t(v)", ListOf(Primitive("int")), [[1, 2], ...]),
        ("(VALUES ({'a': 1, 'b': 'x'}), ({'a': 2, 'b': NULL})) t(v)", StructOf((("a", Primitive("int")),)), [..., {"a": 2}]),
    ],
    ids=str,
)
def test_casts(landing: Any, there: str, wanted: Any, expected: list[Any]) -> None:
    """A value that survives the way there and back is taken, any other rejects its row, at the row's number."""
    write(landing, f"SELECT row_number() OVER () - 1 AS k, v FROM {there}")
    found = landing.read({"k": "long", "v": wanted}, form="parquet")
    values = dict(found.rows)
    assert [values.get(n, ...) for n in range(len(expected))] == expected
    assert found.where == [("f.parquet", n + 1, "v") for n, value in enumerate(expected) if value is ...]


def test_rejected_row_is_kept_whole(landing: Any) -> None:
    """A rejected row is kept as JSON, columns nobody asked for included, which also warn."""
    write(landing, "SELECT * FROM (VALUES ('q', 1.5::DOUBLE, 'z'), ('r', 2, 'z')) t(a, line, zz)")
    found = landing.read({"a": "string", "line": "int"}, form="parquet")
    assert found.rows == [("r", 2)]
    assert json.loads(found.rejected[0].raw) == {"a": "q", "line": 1.5, "zz": "z"}
    assert found.rejected[0].reason == "'1.5' is not a value of type int"
    assert found.warnings == ("column 'zz' is in the files but not in the contract",)


def test_several_files(landing: Any) -> None:
    """Each file may order its columns as it likes; a physical name is the name in the file."""
    write(landing, "SELECT 1 AS a, 'x' AS \"The B\"", "1.parquet")
    write(landing, "SELECT 'y' AS \"The B\", 2 AS a", "2.parquet")
    found = landing.read({"a": "int", "b": "string"}, form="parquet", physical={"b": "The B"})
    assert found.rows == [(1, "x"), (2, "y")]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 1 AS a", "column 'b' is missing"),
        ("SELECT 1 AS a, {'x': 1} AS b", r"column 'b' is a STRUCT.* in the file and a timestamp in the contract"),
        ("SELECT 1 AS a, now() AS b", "column 'b' is a TIMESTAMP WITH TIME ZONE in the file and a timestamp in the contract"),
    ],
)
def test_refused(landing: Any, query: str, message: str) -> None:
    """A missing column, or one that can never have the contract's type, refuses the delivery."""
    write(landing, query)
    with pytest.raises(BatchRefused, match=f"f.parquet: {message}"):
        landing.read({"a": "int", "b": "timestamp"}, form="parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
def test_no_parquet(landing: Any, content: bytes) -> None:
    """A file that is no Parquet, or half of one, refuses the delivery by name."""
    landing.put("f.parquet", content)
    with pytest.raises(BatchRefused, match=r"f.parquet: the file cannot be read"):
        landing.read({"a": "int"}, form="parquet")
