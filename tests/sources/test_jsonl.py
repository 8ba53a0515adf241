"""JSON lines: nothing is coerced, and every line that is no row is kept with its number and its text."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal as Number
from typing import Any

import duckdb
import pytest

from lakehouse.errors import BatchRefused
from lakehouse.types import Decimal, ListOf, MapOf, Primitive, StructOf

INT, STRING = Primitive("int"), Primitive("string")
NESTED = StructOf((("x", INT), ("tags", ListOf(STRING))))


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("int", {"5": 5, "null": None, "-2147483648": -(2**31)}, ["5.0", '"5"', "true", "2147483648", "1e2", "[]"]),
        ("long", {"9223372036854775807": 2**63 - 1}, ["9223372036854775808"]),
        ("double", {"1.5": 1.5, "2": 2.0, "1e3": 1000.0}, ['"1.5"', "true", "NaN", "Infinity"]),
        (
            Decimal(10, 2),
            {"1.25": Number("1.25"), '"1.50"': Number("1.50"), "7": Number(7), "1e2": Number(100)},
            ["1.239", "123456789.1", '"x"', '"NaN"', "true"],
        ),
        (
            Decimal(38, 10),
            {"1234567890123456789012345678.1234567891": Number("1234567890123456789012345678.1234567891")},
            ["12345678901234567890123456789", "1e999999", "0.00000000001"],
        ),
        ("boolean", {"true": True, "false": False}, ["1", '"true"']),
        ("string", {'"a"': "a", '""': "", '"\\u00e9"': "é"}, ["1", "{}", '"\\ud800"']),
        ("date", {'"2013-01-02"': date(2013, 1, 2)}, ['"2013-02-30"', '"2013-1-2"', '"20130102"', '"2013-01-02T00:00"', "1"]),
        (
            "timestamp",
            {
                '"2013-01-02T10:00:00.5"': datetime.fromisoformat("2013-01-02T10:00:00.500000"),
                '"2013-01-02"': datetime.fromisoformat("2013-01-02T00:00:00"),
                '"2013-01-02T10:00:00.500000000"': datetime.fromisoformat("2013-01-02T10:00:00.500000"),
            },
            ['"2013-01-02T10:00:00Z"', '"noon"', '"2013-01-02T10:00:00.1234567"'],
        ),
        (
            "timestamptz",
            {
                '"2013-01-02T10:00:00-05:00"': datetime(2013, 1, 2, 15, tzinfo=UTC),
                '"2013-01-02 10:00:00"': datetime(2013, 1, 2, 10, tzinfo=UTC),
            },
            ['"2013-01-02T25:00:00Z"', "1357120800", '"2013-01-02T10:00:00.1234567Z"'],
        ),
        ("binary", {'"YWI="': b"ab"}, ['"?"']),
        ("uuid", {'"550e8400-e29b-41d4-a716-446655440000"': "550e8400-e29b-41d4-a716-446655440000"}, ['"550e"']),
        (ListOf(INT), {"[1,null]": [1, None], "[]": []}, ['[1,"x"]', "[1.5]", '{"a":1}']),
        (NESTED, {'{"x":1,"tags":["a"]}': {"x": 1, "tags": ["a"]}, '{"y":1}': {"x": None, "tags": None}}, ['{"x":"1"}', "[1]", "1"]),
        (MapOf(STRING, INT), {'{"k":1}': {"k": 1}, "{}": {}}, ['{"k":"1"}', "[]"]),
        (MapOf(INT, STRING), {'{"5":"a"}': {5: "a"}}, ['{"k":"a"}']),
    ],
    ids=str,
)
def test_values(landing: Any, kind: Any, good: dict[str, Any], bad: list[str]) -> None:
    """A value is of the contract's type or its row is rejected: no number from a text, no int from a fraction, at any depth."""
    texts = [*good, *bad]
    landing.put("v.jsonl", "".join(f'{{"k":{n},"v":{text}}}\n' for n, text in enumerate(texts)))
    found = landing.read({"k": "int", "v": kind}, form="jsonl")
    values = {n: str(v) if kind == "uuid" else v for n, v in found.rows}
    assert [values.get(n, ...) for n in range(len(texts))] == [*good.values(), *[...] * len(bad)]
    assert [r.line for r in found.rejected] == list(range(len(good) + 1, len(texts) + 1))


def test_lines_that_are_no_objects(landing: Any) -> None:
    """Broken lines are kept as they are, blank ones are none, and the rows between are read; zipped or not."""
    lines = [b'{"a":1}', b"", b"[1]", b"{broken", b'{"a":2,}', b'{"a":"\xff"}', b"[" * 100_000, b'"x"', b'{"a":"z"}', b'\r{"a":3}\r']
    landing.put("b.jsonl", b"\xef\xbb\xbf" + b"\n".join(lines))
    landing.put("b2.jsonl.gz", gzip.compress(b"\n".join(lines)))
    found = landing.read({"a": "int"}, form="jsonl")
    assert found.rows == [(1,), (3,)] * 2
    expected = [(3, None), (4, None), (5, None), (6, None), (7, None), (8, None), (9, "a")]
    assert found.where == [(file, *place) for file in ("b.jsonl", "b2.jsonl.gz") for place in expected]
    assert [r.raw for r in found.rejected[:4]] == ["[1]", "{broken", '{"a":2,}', '{"a":"\\xff"}']
    assert found.rejected[6].reason == "'\"z\"' is not a value of type int"


def test_keys(landing: Any) -> None:
    """A key may be missing in a row and in a file, and extra keys warn."""
    landing.put("1.jsonl", '{"a":1}\n{"a":2,"z":1}\n')
    landing.put("2.jsonl", '{"B":"x"}\n')
    found = landing.read({"a": "int", "b": "string"}, form="jsonl", physical={"b": "B"})
    assert found.rows == [(1, None), (2, None), (None, "x")]
    assert found.warnings == ("column 'z' is in the files but not in the contract",)


def test_missing_everywhere(landing: Any) -> None:
    """A column that no object of the delivery has refuses the delivery and names the likely cause."""
    landing.put("1.jsonl", '{"a":1,"Name":"x"}\n')
    source = landing.source({"a": "int", "name": "string"}, form="jsonl")
    landed = source.open(landing.connection, source.deliveries())
    with pytest.raises(duckdb.Error):
        landing.connection.execute(f"SELECT * FROM {landed.relation}").fetchall()
    assert isinstance(landed.failure, BatchRefused)
    assert "column 'name' is missing\n  hint: did the column become 'Name'?" in str(landed.failure)


def test_empty(landing: Any) -> None:
    """A file without lines is an empty delivery."""
    landing.put("e.jsonl", "")
    assert landing.read({"a": "int"}, form="jsonl").rows == []


def test_order_and_many_batches(landing: Any) -> None:
    """Rows keep their order over batches, and a bad one far down is found at its line."""
    rows = [json.dumps({"a": n}) for n in range(150_000)]
    rows[140_000] = '{"a":"x"}'
    landing.put("m.jsonl", "\n".join(rows))
    found = landing.read({"a": "int"}, form="jsonl")
    assert [row[0] for row in found.rows] == [n for n in range(150_000) if n != 140_000]
    assert found.where == [("m.jsonl", 140_001, "a")]
