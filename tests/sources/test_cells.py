"""A text is exactly the value that it says, or no value of its type: cells of a CSV, read in both ways."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Context
from decimal import Decimal as Number
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.declare.product import Dialect
from lakehouse.types import ColumnType, Decimal, ListOf, MapOf, Primitive, StructOf


def one(landing, kind: ColumnType | str, texts: list[str], dialect: Dialect | None = None) -> list[Any]:
    """Each text as a value of `kind`, ... where it is rejected."""
    landing.put("v.csv", "k|v\n" + "".join(f"{n}|{text}\n" for n, text in enumerate(texts)))
    options = dialect or Dialect(delimiter="|")
    found = landing.read({"k": "int", "v": kind}, dialect=options)
    values = dict(found.rows)
    assert [line for _, line, _ in found.where] == [n + 2 for n in range(len(texts)) if n not in values]
    return [values.get(n, ...) for n in range(len(texts))]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            "int",
            {"5": 5, "-5": -5, "+5": 5, "007": 7, " 5": 5, "": None, "2147483647": 2147483647},
            ["5.0", "5.6", "1e3", "0x10", "1_000", "x", "2147483648", "true", "NA"],
        ),
        ("long", {"9223372036854775807": 2**63 - 1}, ["9223372036854775808", "1.5"]),
        (
            Decimal(10, 2),
            {
                "1.5": Number("1.50"),
                "-1.25": Number("-1.25"),
                ".5": Number("0.50"),
                "1.500": Number("1.50"),
                "7": Number(7),
                "1e2": Number(100),
            },
            ["1.239", "1e-3", "123456789.1", "1e-999", "0.000000000000000000001", "17.00000000000000000001", ".", "nan", "0x10"],
        ),
        (Decimal(18, 4), {"12345678901234.5678": Number("12345678901234.5678"), "0.0000": Number(0)}, ["1.00001", "123456789012345"]),
        ("double", {"1.5": 1.5, "1e3": 1000.0, "+5": 5.0, "0.000000": 0.0}, ["1,5", "x", "+-5", "1e400", "1e-400"]),
        ("boolean", {"true": True, "FALSE": False, "1": True, "no": False}, ["2", "maybe"]),
        (
            "date",
            {text: date(2013, 1, 2) for text in ("2013-01-02", "2013-1-2", "2013/01/02", " 2013-1-2 ")},
            [
                "2013-02-30",
                "2013-01-02 10:00",
                "02.01.2013",
                "infinity",
                "epoch",
                "  epoch   ",
                "20130102",
                "20133-1-02",
                "-013-01-02",
                "0000-02-03",
            ],
        ),
        (
            "timestamp",
            {
                "2013-01-02 10:00:00.5": datetime.fromisoformat("2013-01-02T10:00:00.500000"),
                "2013-01-02 10:00:00.500000000": datetime.fromisoformat("2013-01-02T10:00:00.500000"),
                "2013-01-02T10:00": datetime.fromisoformat("2013-01-02T10:00:00"),
                "2013-01-02": datetime.fromisoformat("2013-01-02T00:00:00"),
            },
            [
                "2013-01-02T10:00:00Z",
                "2013-01-02 10:00:00-05:00",
                "2013-01-02 25:00:00",
                "infinity",
                "1357120800",
                "2013-01-02 10:00:00.1234567",
                "294000-01-01 00:00:00",
                "0044-03-15 (BC) 10:00:00",
            ],
        ),
        (
            "timestamptz",
            {
                "2013-01-02T10:00:00Z": datetime(2013, 1, 2, 10, tzinfo=UTC),
                "2013-01-02 10:00:00-05:00": datetime(2013, 1, 2, 15, tzinfo=UTC),
                "2013-01-02 10:00": datetime(2013, 1, 2, 10, tzinfo=UTC),
                "2013-01-02 10:00:00.500000000+02": datetime(2013, 1, 2, 8, 0, 0, 500000, tzinfo=UTC),
            },
            [
                "infinity",
                "epoch",
                "12013-01-02T10:00:00Z",
                "9999-12-31 23:00:00-05",
                "2013-13-02T10:00:00Z",
                "noon",
                "2013-01-02T10:00:00.1234567Z",
                "2013-01-02 10:00:00.123456001-05:00",
            ],
        ),
        ("uuid", {"550e8400-e29b-41d4-a716-446655440000": "550e8400-e29b-41d4-a716-446655440000"}, ["550e"]),
        ("time", {"10:00": "10:00:00", "10:00:01.5": "10:00:01.500000"}, ["25:00:00", "noon", "10:00:01.1234567", "24:00:00"]),
        (ListOf(Primitive("int")), {"[1, 2]": [1, 2], "[]": [], "[NULL]": [None]}, ["[517.6, 1]", "[x]", "1"]),
        (ListOf(Decimal(5, 2)), {"[1.5, 2.25]": [Number("1.50"), Number("2.25")]}, ["[1.239]"]),
        (ListOf(Primitive("date")), {"[2013-01-02]": [date(2013, 1, 2)]}, ["[2013-01-02 10:00]", "[infinity]"]),
        (StructOf((("a", Primitive("int")), ("b", Primitive("string")))), {"{'a': 1, 'b': x}": {"a": 1, "b": "x"}}, ["{'a': 1.5, 'b': x}"]),
        (MapOf(Primitive("string"), Primitive("int")), {"{a=1}": {"a": 1}}, ["{a=1.5}"]),
        (ListOf(ListOf(Primitive("int"))), {"[[1], [2]]": [[1], [2]]}, ["[[1], [2.5]]"]),
    ],
    ids=str,
)
def test_exact_or_not_at_all(landing, kind: ColumnType | str, good: dict[str, Any], bad: list[str]) -> None:
    """A text is the value it says, or its row is rejected: nothing is rounded, cut off or guessed."""
    values = one(landing, kind, [*good, *bad])
    plain = [str(v) if kind in ("uuid", "time") and v is not ... else v for v in values]
    assert plain == [*good.values(), *[...] * len(bad)]


def test_decimal_comma(landing) -> None:
    """With a decimal comma a point is no decimal sign; ints and texts are not touched."""
    dialect = Dialect(delimiter="|", decimal=",")
    assert one(landing, Decimal(10, 2), ["1,5", "1.5", "1.234,5", "-0,25"], dialect) == [Number("1.50"), ..., ..., Number("-0.25")]
    assert one(landing, "double", ["1,5", "1.5"], dialect) == [1.5, ...]
    assert one(landing, "string", ["1,5", "1.5"], dialect) == ["1,5", "1.5"]


def test_formats(landing) -> None:
    """A declared date or timestamp format is the only one that is read."""
    dialect = Dialect(delimiter="|", date_format="%d.%m.%Y", timestamp_format="%d.%m.%Y %H:%M")
    assert one(landing, "date", ["02.01.2013", "2013-01-02", "31.02.2013", "infinity"], dialect) == [date(2013, 1, 2), ..., ..., ...]
    assert one(landing, "timestamp", ["02.01.2013 10:30", "epoch"], dialect) == [datetime.fromisoformat("2013-01-02T10:30:00"), ...]
    assert one(landing, "timestamptz", ["02.01.2013 10:30"], dialect) == [datetime(2013, 1, 2, 10, 30, tzinfo=UTC)]
    offset = Dialect(delimiter="|", timestamp_format="%Y-%m-%d %H:%M %z")
    assert one(landing, "timestamptz", ["2013-01-02 10:30 +0200"], offset) == [datetime(2013, 1, 2, 8, 30, tzinfo=UTC)]


def test_formats_that_say_more_than_the_type_holds(landing) -> None:
    """Nanoseconds, the time of a date and the offset of a local time are not dropped: the row is rejected."""
    nanoseconds = Dialect(delimiter="|", timestamp_format="%Y-%m-%d %H:%M:%S.%n")
    fine, coarse = "2013-01-02 10:30:00.123456789", "2013-01-02 10:30:00.123456000"
    assert one(landing, "timestamp", [fine, coarse], nanoseconds) == [..., datetime.fromisoformat("2013-01-02T10:30:00.123456")]
    assert one(landing, "timestamptz", [fine, coarse], nanoseconds) == [..., datetime(2013, 1, 2, 10, 30, 0, 123456, tzinfo=UTC)]
    clock = Dialect(delimiter="|", date_format="%Y-%m-%d %H:%M")
    assert one(landing, "date", ["2013-01-02 10:30", "2013-01-02 00:00"], clock) == [..., date(2013, 1, 2)]
    offset = Dialect(delimiter="|", timestamp_format="%Y-%m-%d %H:%M %z")
    assert one(landing, "timestamp", ["2013-01-02 10:30 +0200", "2013-01-02 10:30 +0000"], offset) == [..., ...]


def test_lists(landing) -> None:
    """A list is read as DuckDB writes it."""
    assert one(landing, ListOf(Primitive("int")), ['"[1,2]"', '"[1,x]"', ""]) == [[1, 2], ..., None]


DIGITS = st.text("0123456789", max_size=20)
DECIMALS = st.builds(
    "{}{}.{}{}".format, st.sampled_from(["", "-", "+", "+-"]), DIGITS, DIGITS, st.sampled_from(["", "", "e1", "E-2", "e-400"])
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(DECIMALS, st.decimals(-(10**13), 10**13, places=2).map(str)), min_size=1, max_size=30))
def test_decimals_are_exact(landing, texts: list[str]) -> None:
    """A decimal is the one that Python reads, with one file for all texts and with one for each; others are rejected."""
    texts = [text for text in texts if text.startswith("+-") or any(c.isdigit() for c in text.lower().partition("e")[0])]
    together = one(landing, Decimal(15, 2), texts)
    alone = [one(landing, Decimal(15, 2), [text])[0] for text in texts[:3]]
    assert together[:3] == alone
    for text, value in zip(texts, together, strict=True):
        said = Number("NaN") if text.startswith("+-") else Number(text)
        fits = said.is_finite() and abs(said) < 10**13 and said == said.quantize(Number("0.01"), context=Context(prec=500))
        assert value == said if value is not ... else not fits or "e" in text.lower(), text
