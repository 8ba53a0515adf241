"""One behaviour of all check runners: verdict, failing number and sample of every metric, operator and unit."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from logging.handlers import BufferingHandler

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse import checks
from lakehouse.address import Address
from lakehouse.checks import queries
from lakehouse.declare.contract import Operator
from lakehouse.errors import Severity
from lakehouse.gate import Check, RuleResult, Runner
from lakehouse.rules import GateRule

TABLE = """(select * from (values
    (1, 'a', 1.5::double, 0.10::decimal(9,2), date '2013-01-01'),
    (2, 'a', 'nan', 0.20, date '2013-01-02'),
    (3, null, 'inf', null, null),
    (4, 'it''s "b"', null, 0.30, date '2013-01-02')
) as rows(k, s, x, m, d))"""
Make = Callable[..., GateRule]
NONE = f"(select * from {TABLE} where false)"


def rule(**changes: object) -> GateRule:
    return GateRule(**({"name": "the_rule", "metric": "rowCount"} | changes))  # type: ignore[arg-type]


def nulls(**changes: object) -> GateRule:
    return rule(**({"metric": "nullValues", "columns": ("s",), "condition": '"s" is null', "key": ("k",)} | changes))


def query(text: str, **changes: object) -> GateRule:
    return rule(**({"metric": "sql", "query": text} | changes))


def only(
    runner: Runner,
    connection: duckdb.DuckDBPyConnection,
    of: GateRule,
    relation: str = TABLE,
    others: str | None = None,
    target: str | None = None,
) -> RuleResult:
    (found,) = runner.run(connection, [Check(rule=of, relation=relation, others=others, target=target)])
    return found


@pytest.mark.parametrize(
    ("of", "failing", "sample"),
    [
        (nulls(), 1, ({"k": 3, "s": None},)),
        (rule(metric="missingValues", columns=("s",), condition="s is null or s in ('a')"), 3, ({"s": "a"}, {"s": None})),
        (rule(metric="invalidValues", columns=("d",), condition="d not in (DATE '2013-01-01')"), 2, ({"d": "2013-01-02"},)),
        (rule(metric="invalidValues", columns=("x",), condition="x > 5"), 2, ({"x": "inf"}, {"x": "nan"})),
        (rule(metric="invalidValues", columns=("m",), condition="m > 0.1"), 2, ({"m": 0.2}, {"m": 0.3})),
        (rule(metric="duplicateValues", columns=("s",)), 1, ({"s": "a"},)),
        (rule(metric="duplicateValues", columns=("s", "d")), 0, ()),
        (rule(metric="duplicateValues", columns=("d",)), 1, ({"d": "2013-01-02"},)),
        (rule(threshold=3), 4, ()),
        (query("select count(*) from ${table} where s = 'a'"), 2, ()),
        (query('select sum(m) from ${object} -- of "all"'), 0.6, ()),
        (query("with t as (select * from ${table}) select count(*) from t join ${table} u on t.k < u.k"), 6, ()),
        (query("select '7'"), 7, ()),
        (query("select true"), 1, ()),
        (query("select length('${env.HOME}')"), 11, ()),
    ],
)
def test_metrics(
    runner: Runner, connection: duckdb.DuckDBPyConnection, of: GateRule, failing: float, sample: tuple[dict[str, object], ...]
) -> None:
    """Every metric counts what it says, NULL and NaN included, and shows the same few rows."""
    found = only(runner, connection, of)
    assert found.failing == pytest.approx(failing)
    assert found.outcome == ("failed" if failing else "passed")
    assert found.total == 4
    assert found.sample == sample


def test_duplicates_among_others(runner: Runner, connection: duckdb.DuckDBPyConnection) -> None:
    """A row repeats a key that stands among the others; a key with a NULL repeats none."""
    batch = "(select * from (values (1, 1), (1, 1), (2, 1), (null, 1), (null, 1)) as b(a, b))"
    others = "(select * from (values (2, 1), (1, 2), (null, 1)) as o(a, b))"
    found = only(runner, connection, rule(metric="duplicateValues", columns=("a", "b"), scope="port"), batch, others)
    assert (found.failing, found.total, found.sample) == (2, 5, ({"a": 1, "b": 1}, {"a": 2, "b": 1}))


@pytest.mark.parametrize(
    ("rows", "failing"),
    [
        ("select i // 2 as a, i % 2 as b from range(1000) as t(i)", 0),
        ("select -i as a, i as b from range(1000) as t(i)", 0),
        ("select i as a, 1 as b from range(1000) as t(i) union all select 999, 1", 1),
        ("select i as a, 1 as b from range(1000) as t(i) union all select 0, 1 union all select 0, 2", 1),
        ("select case when i % 3 > 0 then i end as a, i as b from range(1000) as t(i) union all select null, 1", 0),
        ("select 7 as a, 7 as b from range(1000)", 999),
    ],
)
def test_duplicates_of_many_rows(
    runner: Runner, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, rows: str, failing: int
) -> None:
    """Rows in the order of their key are judged without being grouped, with the same verdict; so are those in any other order."""
    monkeypatch.setattr(queries, "MANY_ROWS", 1)
    check = Check(rule=rule(metric="duplicateValues", columns=("a", "b")), relation=f"({rows})", total=1000)
    (found,) = runner.run(connection, [check])
    assert (found.outcome, found.failing) == ("failed" if failing else "passed", failing)


def test_foreign_keys(runner: Runner, connection: duckdb.DuckDBPyConnection) -> None:
    """A row whose key is not in the target fails; one with a NULL in its key points nowhere and does not."""
    of = rule(metric="foreignKey", columns=("s", "k"), to=Address("a", "b"), to_columns=("name", "id"), key=("k",))
    found = only(runner, connection, of, target="(select 'a' as name, 1 as id)")
    assert (found.outcome, found.failing) == ("failed", 2)
    assert found.sample == ({"k": 2, "s": "a"}, {"k": 4, "s": 'it\'s "b"'})


OPERATORS: list[tuple[Operator, object, str]] = [
    ("mustBe", 1, "passed"),
    ("mustBe", 2, "failed"),
    ("mustNotBe", 1, "failed"),
    ("mustNotBe", 2, "passed"),
    ("mustBeGreaterThan", 1, "failed"),
    ("mustBeGreaterThan", 0, "passed"),
    ("mustBeGreaterOrEqualTo", 1, "passed"),
    ("mustBeGreaterOrEqualTo", 1.5, "failed"),
    ("mustBeLessThan", 1, "failed"),
    ("mustBeLessThan", 1.5, "passed"),
    ("mustBeLessOrEqualTo", 1, "passed"),
    ("mustBeLessOrEqualTo", 0, "failed"),
    ("mustBeBetween", (0, 1), "passed"),
    ("mustBeBetween", (1, 2), "passed"),
    ("mustBeBetween", (2, 3), "failed"),
    ("mustNotBeBetween", (0, 1), "failed"),
    ("mustNotBeBetween", (1, 2), "failed"),
    ("mustNotBeBetween", (2, 3), "passed"),
]


@pytest.mark.parametrize(("operator", "threshold", "outcome"), OPERATORS)
@pytest.mark.parametrize("of", [nulls, lambda **c: query("select 1", **c), lambda **c: rule(metric="duplicateValues", columns=("s",), **c)])
def test_operators(
    runner: Runner, connection: duckdb.DuckDBPyConnection, of: Make, operator: Operator, threshold: object, outcome: str
) -> None:
    """All eight operators, at and beside their limits; both ends of a range belong to it."""
    found = only(runner, connection, of(operator=operator, threshold=threshold))
    assert (found.outcome, found.failing) == (outcome, 1)


@pytest.mark.parametrize(
    "of",
    [
        nulls,
        lambda **c: rule(metric="duplicateValues", columns=("s",), **c),
        lambda **c: rule(metric="foreignKey", columns=("d",), to_columns=("d",), **c),
    ],
)
def test_percent(runner: Runner, connection: duckdb.DuckDBPyConnection, of: Make) -> None:
    """A share is of all rows in scope, and of no rows it is 0; the count is told all the same."""
    target = "(select date '2013-01-02' as d)"
    at = only(runner, connection, of(operator="mustBeLessOrEqualTo", threshold=25, unit="percent"), target=target)
    above = only(runner, connection, of(operator="mustBeLessThan", threshold=25, unit="percent"), target=target)
    empty = only(runner, connection, of(operator="mustBe", threshold=0, unit="percent"), NONE, target=target)
    assert [(r.outcome, r.failing, r.total) for r in (at, above, empty)] == [("passed", 1, 4), ("failed", 1, 4), ("passed", 0, 0)]


def test_an_empty_scope(runner: Runner, connection: duckdb.DuckDBPyConnection) -> None:
    """Nothing fails where nothing is, and no rows are zero rows."""
    duplicates = rule(metric="duplicateValues", columns=("s",))
    found = [only(runner, connection, of, NONE) for of in (nulls(), duplicates, rule(operator="mustBeGreaterThan"))]
    assert [(r.outcome, r.failing) for r in found] == [("passed", 0), ("passed", 0), ("failed", 0)]
    assert only(runner, connection, duplicates, NONE, others=NONE).failing == 0


@pytest.mark.parametrize("severity", ["error", "warning", "info"])
def test_severities(runner: Runner, connection: duckdb.DuckDBPyConnection, severity: Severity) -> None:
    """Severity changes what a failure does, never whether it is one: only an error blocks."""
    found = only(runner, connection, nulls(severity=severity))
    assert (found.outcome, found.severity, found.blocks) == ("failed", severity, severity == "error")


@pytest.mark.parametrize("name", ["select", "a b", 'a"b', "a'b", "${x}", "ä%", "n", "r", "t", "k", "o", "s"])
def test_hostile_names(runner: Runner, connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Columns may be called anything, also like the aliases in our own SQL."""
    quoted = '"' + name.replace('"', '""') + '"'
    relation = f"(select unnest([1, 1, null]) as {quoted})"
    duplicates = rule(metric="duplicateValues", columns=(name,))
    link = rule(metric="foreignKey", columns=(name,), to_columns=(name,))
    empty = rule(metric="nullValues", columns=(name,), condition=f"{quoted} is null")
    found = [
        only(runner, connection, duplicates, relation),
        only(runner, connection, duplicates, relation, others=f"(select 1 as {quoted})"),
        only(runner, connection, link, relation, target=f"(select 2 as {quoted})"),
        only(runner, connection, empty, relation),
    ]
    assert [(r.failing, r.sample) for r in found] == [(1, ({name: 1},)), (2, ({name: 1},)), (2, ({name: 1},)), (1, ({name: None},))]


@pytest.mark.parametrize(
    "text",
    [
        "drop table kept",
        "select 1; drop table kept",
        "select 1) ; drop table kept; select (1",
        "select nothing from ${table}",
        "selct 1",
        "",
        "select 1, 2",
        "select k from ${table}",
        "select k from ${table} where false",
        "select null",
        "select 'many'",
        "select 'nan'::double",
        "select 'inf'::double",
        "select date '2013-01-01'",
    ],
)
def test_a_query_that_gives_no_number(runner: Runner, connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """A query that is not one SELECT of one number is not evaluated, says why, blocks, and changes nothing."""
    connection.execute("create table kept as select 1 as k")
    found = only(runner, connection, query(text, operator="mustBeGreaterOrEqualTo"))
    assert (found.outcome, found.failing, found.blocks) == ("not_evaluated", None, True)
    assert len(found.message) > len("not evaluated")
    assert connection.execute("select k from kept").fetchall() == [(1,)]


def test_one_broken_rule_leaves_the_others_judged(runner: Runner, connection: duckdb.DuckDBPyConnection) -> None:
    """A rule that cannot be evaluated takes no other with it."""
    rules = [nulls(name="broken", condition="nope > 1"), nulls(name="whole"), query("select nope", name="query")]
    found = {r.rule: r for r in runner.run(connection, [Check(rule=r, relation=TABLE) for r in rules])}
    assert {name: r.outcome for name, r in found.items()} == {"broken": "not_evaluated", "whole": "failed", "query": "not_evaluated"}
    assert "nope" in found["broken"].message
    assert "nope" in found["query"].message


def test_a_runner_can_be_used_again(runner: Runner, connection: duckdb.DuckDBPyConnection) -> None:
    """No state stays from one run to the next: the same names over other data give the other data's result."""
    counts = [only(runner, connection, rule(), f"(select * from range({n}))").failing for n in (3, 0, 5)]
    assert counts == [3, 0, 5]


def test_samples_are_few_and_always_the_same(runner: Runner, connection: duckdb.DuckDBPyConnection) -> None:
    """Five rows at most, the smallest first, each once."""
    relation = "(select (i % 50)::integer as k, null as s from range(100000, 0, -1) as r(i))"
    assert only(runner, connection, nulls(), relation).sample == tuple({"k": k, "s": None} for k in range(5))


@pytest.mark.parametrize(
    "text",
    [
        "select count(*) from read_csv('/etc/hostname', columns = {'a': 'VARCHAR'})",
        "select count(*) from '/etc/hostname.csv'",
        "select (select count(*) from glob('/etc/*')) from ${table}",
        "with a as (from read_text('/etc/hostname')) select count(*) from a",
        "select count(*) from kept",
        "select count(*) from ${table}, main.kept",
        "select count(*) from information_schema.tables",
    ],
)
def test_a_query_reads_the_rows_in_scope_and_nothing_else(runner: Runner, connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Neither files nor other tables: a rule's verdict depends on what it judges, and says why it was not evaluated."""
    connection.execute("create table kept as select 1 as k")
    found = only(runner, connection, query(text, operator="mustBeGreaterOrEqualTo"))
    assert (found.outcome, found.blocks) == ("not_evaluated", True)
    assert "alone" in found.message


def test_a_query_may_have_tables_of_its_own(runner: Runner, connection: duckdb.DuckDBPyConnection) -> None:
    """Common table expressions, series and subqueries over the rows in scope are a query's own."""
    text = "with a as (select * from ${table}), B as (from range(2)) select count(*) from a, b where k in (select k from ${object})"
    assert only(runner, connection, query(text, threshold=0, operator="mustBeGreaterOrEqualTo")).outcome == "passed"


def test_two_statements_are_told_apart_from_a_mistake(runner: Runner, connection: duckdb.DuckDBPyConnection) -> None:
    """A second statement is named as such."""
    assert "more than one statement" in only(runner, connection, query("select 1; select 2")).message


def test_the_console_stays_quiet(runner: Runner, connection: duckdb.DuckDBPyConnection, capfd: pytest.CaptureFixture[str]) -> None:
    """A runner prints nothing and logs nothing, whatever happens."""
    # A handler of our own: pytest's also listens to loggers that pass nothing on.
    heard = BufferingHandler(1000)
    root = logging.getLogger()
    root.addHandler(heard)
    try:
        only(runner, connection, nulls())
        only(runner, connection, query("select nope"))
    finally:
        root.removeHandler(heard)
    assert capfd.readouterr() == ("", "")
    assert heard.buffer == []


VALUES = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from([math.nan, math.inf, 0.5]))
THRESHOLDS = st.one_of(
    st.tuples(st.sampled_from([o for o, _, _ in OPERATORS if not o.endswith("Between")]), st.sampled_from([0, 1, 2, 12.5, 33.3, 50])),
    st.tuples(st.sampled_from(["mustBeBetween", "mustNotBeBetween"]), st.sampled_from([(0, 1), (1, 2.5), (10, 50)])),
)
METRICS = st.sampled_from(
    [
        {"metric": "nullValues", "columns": ("a",), "condition": '"a" is null'},
        {"metric": "invalidValues", "columns": ("a",), "condition": '"a" not in (1, 2) or "b" > 1'},
        {"metric": "duplicateValues", "columns": ("a",)},
        {"metric": "duplicateValues", "columns": ("a", "b")},
        {"metric": "foreignKey", "columns": ("a", "b"), "to": Address("x", "y"), "to_columns": ("b", "a")},
        {"metric": "rowCount"},
        {"metric": "sql", "query": "select sum(a) from ${table} where not isinf(a) and not isnan(a)"},
    ]
)


def table(rows: list[tuple[float | None, float | None]]) -> str:
    cells = ", ".join(f"({', '.join('null' if v is None else repr(str(v)) for v in row)})" for row in rows)
    return f"(select a::double as a, b::double as b from (values {cells or '(null, null)'}) as v(a, b){'' if rows else ' where false'})"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.tuples(VALUES, VALUES), max_size=6),
    more=st.one_of(st.none(), st.lists(st.tuples(VALUES, VALUES), max_size=4)),
    rules=st.lists(st.tuples(METRICS, THRESHOLDS, st.sampled_from(["rows", "percent"])), min_size=1, max_size=4),
)
def test_runners_agree(
    rows: list[tuple[float | None, float | None]],
    more: list[tuple[float | None, float | None]] | None,
    rules: list[tuple[dict[str, object], tuple[str, object], str]],
) -> None:
    """Whatever the table and the rules, every runner gives the same results, field by field, message aside."""
    others = None if more is None else table(more)
    bound = [
        Check(
            rule=rule(name=f"rule_{i}", operator=operator, threshold=threshold, unit=unit, **metric),
            relation=table(rows),
            others=others,
            target=table(more or []),
        )
        for i, (metric, (operator, threshold), unit) in enumerate(rules)
    ]
    with duckdb.connect() as connection:
        answers = [
            [(r.rule, r.outcome, r.failing, r.total, r.sample, r.expected) for r in checks.runner(name).run(connection, bound)]
            for name in sorted(checks.RUNNERS)
        ]
    assert answers[0] == answers[1]
