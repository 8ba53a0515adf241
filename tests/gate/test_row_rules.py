"""What a single row can break: every row rule, executed by DuckDB on values that keep it and values that break it."""

from __future__ import annotations

import duckdb
import pytest

from lakehouse.address import Address
from lakehouse.declare.contract import Column, Contract, Options, Place, QualityRule, Scalar
from lakehouse.errors import DeclarationError
from lakehouse.rules import pattern_problem, row_rules, rule_problems
from lakehouse.types import ColumnType, Decimal, ListOf, MapOf, Primitive, StructOf

PLACE = Place(file="domains/a/b/b.odcs.yaml", path="$.schema[0]", line=7)
PLACES = StructOf((("seen", ListOf(StructOf((("x", Primitive("long")), ("y", Primitive("float")))))),))
STRING, LONG, DOUBLE = Primitive("string"), Primitive("long"), Primitive("double")


def column(kind: ColumnType, name: str = "c", *, required: bool = False, enum: tuple[Scalar, ...] = (), **options: object) -> Column:
    return Column(name=name, type=kind, required=required, enum=enum, options=Options(**options), place=PLACE)  # type: ignore[arg-type]


def contract(*columns: Column, quality: tuple[QualityRule, ...] = ()) -> Contract:
    return Contract(address=Address("a", "b"), version="1.0.0", columns=columns, quality=quality, place=PLACE)


def broken(of: Column, value: str, quality: tuple[QualityRule, ...] = ()) -> list[str]:
    """The names of the rules that a row with this value (SQL) breaks, as the writer sees it: only false does."""
    cells = f'select {value}::{of.type.duckdb} as "{of.name.replace(chr(34), chr(34) * 2)}"'
    rules = row_rules(contract(of, quality=quality))
    verdicts = duckdb.execute(f"select {', '.join(r.predicate for r in rules)} from ({cells})").fetchall()[0]
    return [rule.name for rule, verdict in zip(rules, verdicts, strict=True) if verdict is False]


@pytest.mark.parametrize(
    ("of", "good", "bad", "rule"),
    [
        (column(LONG, required=True), "1", "null", "c_required"),
        (column(STRING, enum=("AA", "O'B")), "'O''B'", "'X'", "c_enum"),
        (column(STRING, enum=tuple("abcdefgh")), "'h'", "'i'", "c_enum"),
        (column(LONG, enum=tuple(range(60))), "59", "60", "c_enum"),
        (column(Primitive("boolean"), enum=(True,)), "true", "false", "c_enum"),
        (column(LONG, minimum=1), "1", "0", "c_minimum"),
        (column(LONG, maximum=0.5), "0", "1", "c_maximum"),
        (column(LONG, exclusive_minimum=1), "2", "1", "c_exclusive_minimum"),
        (column(LONG, exclusive_maximum=1), "0", "1", "c_exclusive_maximum"),
        (column(Primitive("float"), maximum=0.1), "0.1", "0.11", "c_maximum"),
        (column(Decimal(38, 10), maximum="1.0000000001"), "1.0000000001", "1.0000000002", "c_maximum"),
        (column(Decimal(9, 2), maximum=1.005), "1.00", "1.01", "c_maximum"),
        (column(Primitive("date"), minimum="2013-01-01"), "'2013-01-01'", "'2012-12-31'", "c_minimum"),
        (column(Primitive("timestamp"), minimum="2013-01-01T05:00:00"), "'2013-01-01 05:00'", "'2013-01-01 04:59'", "c_minimum"),
        (
            column(Primitive("timestamptz"), minimum="2013-01-01T00:00:00-05:00"),
            "'2013-01-01 05:00:00+00'",
            "'2013-01-01 04:59:59+00'",
            "c_minimum",
        ),
        (column(Primitive("time"), maximum="12:00"), "'12:00'", "'12:00:01'", "c_maximum"),
        (column(LONG, multiple_of=5), "-10", "11", "c_multiple_of"),
        (column(Decimal(9, 2), multiple_of=0.05), "0.15", "0.16", "c_multiple_of"),
        (column(DOUBLE, multiple_of=0.1), "0.3", "0.35", "c_multiple_of"),
        (column(STRING, min_length=2), "'äö'", "'ä'", "c_min_length"),
        (column(STRING, max_length=2), "'äö'", "'äöü'", "c_max_length"),
        (column(Primitive("binary"), max_length=1), "'a'", "'ab'", "c_max_length"),
        (column(STRING, pattern="b+"), "'abc'", "'ac'", "c_pattern"),
        (column(STRING, pattern=r"^\d{2}'$"), "'12'''", r"E'12\'\n'", "c_pattern"),
        (column(ListOf(LONG), min_items=1), "[1]", "[]", "c_min_items"),
        (column(ListOf(LONG), max_items=1), "[1]", "[1, 2]", "c_max_items"),
        (column(ListOf(LONG), unique_items=True), "[1, 2, null, null]", "[1, 1]", "c_unique_items"),
        (column(DOUBLE), "1", "'nan'", "c_finite"),
        (column(DOUBLE), "1", "'-inf'", "c_finite"),
        (column(ListOf(DOUBLE)), "[1, null]", "[1::double, 'nan']", "c_finite"),
        (column(ListOf(ListOf(DOUBLE))), "[[1], null, []]", "[[1::double], [2::double, 'inf']]", "c_finite"),
        (column(PLACES), "{seen: [{x: 1, y: null}, null]}", "{seen: [{x: 1, y: 'nan'}]}", "c_finite"),
        (column(MapOf(STRING, DOUBLE)), "map {'a': 1, 'b': null}", "map {'a': 'nan'}", "c_finite"),
        (column(STRING, format="email"), "'a.b@example.com'", "'a@b'", "c_format"),
        (column(STRING, format="uuid"), "'05882E2D-1c14-4f52-b1a5-76bab34e5fdc'", "'05882e2d'", "c_format"),
        (column(STRING, format="uri"), "'https://example.com/a?b'", "'example.com'", "c_format"),
        (column(STRING, format="hostname"), "'a-b.example.com'", "'-a.example.com'", "c_format"),
        (column(STRING, format="ipv4"), "'192.0.2.255'", "'192.0.2.256'", "c_format"),
        (column(STRING, format="ipv6"), "'2001:db8::1'", "'2001:db8::1::2'", "c_format"),
        (column(LONG, 'a "quoted" ; name', maximum=1), "1", "2", "a_quoted_name_maximum"),
        (column(LONG, "select", maximum=1), "1", "2", "select_maximum"),
    ],
)
def test_row_rule(of: Column, good: str, bad: str, rule: str) -> None:
    """A good value breaks nothing, a bad one breaks exactly its rule."""
    assert broken(of, good) == []
    assert broken(of, bad) == [rule]


@pytest.mark.parametrize(
    "of",
    [
        column(STRING, enum=("a",), min_length=3, max_length=4, pattern="x", format="email"),
        column(DOUBLE, minimum=1, maximum=2, multiple_of=3),
        column(ListOf(LONG), min_items=1, max_items=2, unique_items=True),
        column(PLACES),
    ],
)
def test_null_passes(of: Column) -> None:
    """Nothing but `required` asks for a value."""
    assert broken(of, "null") == []


def test_nan_where_it_is_allowed() -> None:
    """An allowed NaN is out of no range; an infinity still is."""
    of = column(DOUBLE, minimum=0, maximum=5, allow_nan=True)
    assert broken(of, "'nan'") == []
    assert broken(of, "'inf'") == ["c_maximum"]
    assert broken(of, "'-inf'") == ["c_minimum"]


def test_instants_without_a_zone_are_utc() -> None:
    """A limit without an offset means UTC, whatever time zone the session has: the literal names its offset."""
    (rule,) = row_rules(contract(column(Primitive("timestamptz"), minimum="2013-01-01")))
    assert rule.predicate == "\"c\" >= TIMESTAMPTZ '2013-01-01 00:00:00+00:00'"


def test_row_expression() -> None:
    """A sql rule with a rowExpression is true for a good row; a trailing comment does no harm, names are slugged."""
    rule = QualityRule(
        name="Departs Before!", kind="sql", column="c", row_expression="${column} > 3 or ${property} = 1 -- why", place=PLACE
    )
    assert broken(column(LONG), "4", (rule,)) == []
    assert broken(column(LONG), "2", (rule,)) == ["departs_before"]
    assert broken(column(LONG), "null", (rule,)) == []


@pytest.mark.parametrize(
    ("expression", "refused"),
    [
        ("c > (select max(x) from read_csv('/etc/hostname'))", True),
        ("exists (\n from glob('/etc/*'))", True),
        ("c in (TABLE other)", True),
        ("extract(year from c) > 2000 and c is distinct from d", False),
        ("s != 'select (from x)' and \"select\" > 1 /* select */", False),
        ("selected > 1 and s = $$select$$ -- select", False),
    ],
)
def test_a_row_expression_speaks_of_one_row(expression: str, *, refused: bool) -> None:
    """A query in it, which could read anything, is refused when the contract is checked; words in texts and names are none."""
    rule = QualityRule(name="r", kind="sql", row_expression=expression, place=PLACE)
    assert bool(rule_problems(contract(column(LONG), quality=(rule,)))) is refused


def test_names_are_unique_and_reserved_ones_are_left_alone() -> None:
    """Two rules never have one name, and `type` belongs to the cast."""
    rules = tuple(QualityRule(name=n, kind="sql", row_expression="true", place=PLACE) for n in ("type", "c required", "c-required"))
    named = [r.name for r in row_rules(contract(column(LONG, required=True), quality=rules))]
    assert named == ["c_required", "type_2", "c_required_2", "c_required_3"]


def test_primary_key_is_required() -> None:
    """A key's columns must be given."""
    key = Column(name="k", type=LONG, key_position=1, place=PLACE)
    assert [r.name for r in row_rules(contract(key))] == ["k_required"]


@pytest.mark.parametrize(
    "of",
    [
        column(LONG, enum=("x",)),
        column(STRING, enum=(1,)),
        column(Primitive("boolean"), enum=("true",)),
        column(LONG, minimum=True),
        column(DOUBLE, maximum=float("nan")),
        column(DOUBLE, maximum="1e999"),
        column(Primitive("date"), minimum="01/02/2013"),
        column(Primitive("timestamp"), minimum="2013-01-01T00:00:00Z"),
        column(Primitive("uuid"), enum=("x",)),
        column(ListOf(LONG), enum=("x",)),
        column(LONG, multiple_of=0),
        column(LONG, pattern="a"),
        column(STRING, pattern="(?=a)"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(of: Column) -> None:
    """A value that its column cannot have is a problem with place and hint, told before anything runs."""
    (problem,) = rule_problems(contract(of))
    assert (problem.file, problem.line, problem.path) == (PLACE.file, 7, PLACE.path)
    assert problem.hint
    with pytest.raises(DeclarationError):
        row_rules(contract(of))


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?=a)",
        r"(?!a)",
        r"(?<=a)b",
        r"(?<!a)b",
        r"(a)\1",
        r"(?<n>a)\k<n>",
        r"\u00e9",
        "a++",
        "(?>a)",
        "a{1001}",
        "a{1,2000}",
        "(",
        "[z-a]",
    ],
)
def test_patterns_that_re2_lacks(pattern: str) -> None:
    """What is refused at the declaration is what DuckDB would refuse when it runs."""
    assert pattern_problem(pattern)
    with pytest.raises(duckdb.Error):
        duckdb.execute("select regexp_matches('a', ?)", [pattern]).fetchall()


@pytest.mark.parametrize(
    "pattern", [r"^[A-Z]{2}\d+$", r"\p{L}+", r"[[:alpha:]]", r"(?:a|b)*?", r"\\1", r"a\/b\-c", r"(?i)abc", r"[^\s]{1,1000}", r"\*+[+*+]"]
)
def test_patterns_that_re2_has(pattern: str) -> None:
    """Ordinary patterns are accepted, and run."""
    assert pattern_problem(pattern) is None
    duckdb.execute("select regexp_matches('a', ?)", [pattern]).fetchall()
