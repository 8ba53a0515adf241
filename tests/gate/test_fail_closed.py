"""The gate stays shut unless every rule was judged: runners that crash, hang, leave out, repeat or invent."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
import pytest

from lakehouse import checks
from lakehouse.address import Address
from lakehouse.checks.sql import SqlRunner
from lakehouse.declare.contract import QuarantineLimit, Scope
from lakehouse.errors import NotInstalled, Severity, WrongUse
from lakehouse.gate import Check, GateReport, PortReport, RuleResult, audit, quarantine_result
from lakehouse.rules import GateRule

ROWS = "(select unnest([1, 2, null]) as k)"
RULES = (
    GateRule(name="few", metric="rowCount", operator="mustBeLessThan", threshold=10),
    GateRule(name="given", metric="nullValues", columns=("k",), condition='"k" is null', severity="warning"),
)


@dataclass
class Staged:
    """A port whose scopes are given as table expressions."""

    scopes: Mapping[Scope, str]
    rest: str = "(select 7 as k where false)"

    def relation(self, scope: Scope) -> str:
        return self.scopes[scope]

    def others(self, columns: Sequence[str]) -> str:
        return self.rest

    def count(self, scope: Scope) -> None:
        return None


def judged(
    runner: object, rules: Sequence[GateRule] = RULES, *, timeout: float = 60, targets: Mapping[Address, str] | None = None
) -> tuple[RuleResult, ...]:
    staged = Staged({"batch": ROWS, "partitions": ROWS, "port": ROWS})
    with duckdb.connect() as connection:
        return audit(connection, rules, staged, targets or {}, runner, timeout=timeout)  # type: ignore[arg-type]


class Crashes:
    name = "crashes"

    def run(self, connection: duckdb.DuckDBPyConnection, checks: Sequence[Check]) -> Sequence[RuleResult]:
        raise ZeroDivisionError("no wheel is round")


class Changed:
    """The sql runner's results, changed on the way out."""

    name = "changed"

    def run(self, connection: duckdb.DuckDBPyConnection, checks: Sequence[Check]) -> Sequence[RuleResult]:
        return self.change(list(SqlRunner().run(connection, checks)))

    def change(self, results: list[RuleResult]) -> Sequence[RuleResult]:
        return results


class LeavesOut(Changed):
    def change(self, results: list[RuleResult]) -> Sequence[RuleResult]:
        return results[1:]


class Repeats(Changed):
    def change(self, results: list[RuleResult]) -> Sequence[RuleResult]:
        return [*results, results[0]]


class Invents(Changed):
    def change(self, results: list[RuleResult]) -> Sequence[RuleResult]:
        return [*results, replace(results[0], rule="nobody_asked")]


class Unmeasured(Changed):
    def change(self, results: list[RuleResult]) -> Sequence[RuleResult]:
        return [replace(results[0], failing=None), *results[1:]]


class Softens(Changed):
    def change(self, results: list[RuleResult]) -> Sequence[RuleResult]:
        return [replace(r, severity="info", kind="row", scope="port") for r in results]


def test_a_sound_runner_is_believed() -> None:
    """The results come in the order of the rules; a failing warning does not block."""
    found = judged(SqlRunner())
    assert [(r.rule, r.outcome, r.blocks) for r in found] == [("few", "passed", False), ("given", "failed", False)]


@pytest.mark.parametrize(
    ("runner", "unjudged"),
    [(Crashes, {"few", "given"}), (LeavesOut, {"few"}), (Repeats, {"few"}), (Invents, {"few", "given"}), (Unmeasured, {"few"})],
)
def test_what_was_not_judged_has_failed(runner: type, unjudged: set[str]) -> None:
    """A rule without exactly one measured result is not evaluated, says why, and blocks if it is an error."""
    found = judged(runner())
    assert {r.rule for r in found if r.outcome == "not_evaluated"} == unjudged
    assert all(r.message and r.failing is None for r in found if r.rule in unjudged)
    assert [r.blocks for r in found] == [True, False]


def test_a_crash_is_told() -> None:
    """The report names the error."""
    assert "ZeroDivisionError: no wheel is round" in judged(Crashes())[0].message


def test_a_runner_cannot_soften_a_rule() -> None:
    """Severity and scope are the contract's, whatever a runner answers."""
    strict = replace(RULES[0], threshold=1)
    (found,) = judged(Softens(), [strict])
    assert (found.severity, found.kind, found.scope, found.blocks) == ("error", "gate", "batch", True)


ENDLESS = GateRule(name="endless", metric="sql", query="select count(*) from range(1000000000000) a, range(1000000) b")


@pytest.mark.parametrize("name", sorted(checks.RUNNERS))
def test_a_query_without_end_is_interrupted(name: str) -> None:
    """After the timeout nothing is believed, and the connection is free for the next query."""
    runner = checks.runner(name)
    staged = Staged({"batch": ROWS})
    with duckdb.connect() as connection:
        found = audit(connection, [ENDLESS, replace(ENDLESS, name="again"), RULES[0]], staged, {}, runner, timeout=0.2)
        assert connection.execute("select 42").fetchall() == [(42,)]
    assert [(r.outcome, r.blocks) for r in found] == [("not_evaluated", True)] * 3
    assert "0.2 s" in found[0].message


def test_a_runner_that_never_returns_does_not_hold_the_gate() -> None:
    """A runner stuck outside the database is left behind."""
    free = threading.Event()

    class Hangs(Changed):
        def change(self, results: list[RuleResult]) -> Sequence[RuleResult]:
            free.wait()
            return results

    try:
        assert {r.outcome for r in judged(Hangs(), timeout=0.05)} == {"not_evaluated"}
    finally:
        free.set()


def test_a_target_that_is_not_there() -> None:
    """A foreign key into a port without a publication is not evaluated; with one it is."""
    link = GateRule(name="known", metric="foreignKey", columns=("k",), to=Address("a", "b"), to_columns=("k",))
    (absent,) = judged(SqlRunner(), [link])
    (found,) = judged(SqlRunner(), [link], targets={Address("a", "b"): "(select 1 as k)"})
    assert (absent.outcome, absent.blocks, found.failing) == ("not_evaluated", True, 1)
    assert "a.b" in absent.message


def test_no_rules_no_runner() -> None:
    """Without rules nothing runs, and nothing blocks."""
    assert judged(Crashes(), []) == ()


@pytest.mark.parametrize(("operator", "threshold", "failing"), [("mustBe", 0, 1), ("mustBeLessThan", 5, 2)])
def test_uniqueness_looks_at_the_batch_among_the_others(operator: str, threshold: int, failing: int) -> None:
    """Uniqueness over the port reads the batch and what overlaps it; a number of allowed duplicates needs the whole port."""
    staged = Staged(
        {"batch": "(select unnest([1, 2]) as k)", "port": "(select unnest([1, 2, 2, 9, 9]) as k)"}, "(select unnest([2, 9, 9]) as k)"
    )
    unique = GateRule(name="k_unique", metric="duplicateValues", columns=("k",), scope="port", operator=operator, threshold=threshold)  # type: ignore[arg-type]
    with duckdb.connect() as connection:
        (found,) = audit(connection, [unique], staged, {}, SqlRunner(), timeout=60)
    assert found.failing == failing


@pytest.mark.parametrize("scope", ["batch", "partitions", "port"])
def test_each_rule_looks_at_its_scope(scope: Scope) -> None:
    """A rule measures the rows of its scope and of no other."""
    sizes: dict[Scope, int] = {"batch": 1, "partitions": 2, "port": 3}
    staged = Staged({name: f"(select * from range({size}))" for name, size in sizes.items()})
    with duckdb.connect() as connection:
        (found,) = audit(connection, [replace(RULES[0], scope=scope)], staged, {}, SqlRunner(), timeout=60)
    assert found.failing == sizes[scope]


@pytest.mark.parametrize(
    ("quarantined", "delivered", "outcome"),
    [(0, 0, "passed"), (5, 5, "passed"), (6, 60, "passed"), (6, 59, "failed"), (6, 6, "failed"), (100, 1000, "passed")],
)
def test_quarantine_limit(quarantined: int, delivered: int, outcome: str) -> None:
    """More than ten percent and more than five rows block; either alone does not."""
    found = quarantine_result(QuarantineLimit(), quarantined=quarantined, delivered=delivered)
    assert (found.rule, found.outcome, found.blocks) == ("quarantine", outcome, outcome == "failed")


@pytest.mark.parametrize("severity", ["error", "warning", "info"])
def test_a_report_is_blocked_by_any_port(severity: Severity) -> None:
    """One blocking rule of one port blocks the product."""
    bad = quarantine_result(QuarantineLimit(), quarantined=6, delivered=6)
    sound = PortReport(address=Address("a", "b"), rules=(), rows=1, total_rows=1, quarantined=0)
    broken = replace(sound, rules=(replace(bad, severity=severity),))
    assert GateReport(ports=(sound, broken), runner="sql").blocked is (severity == "error")


def test_an_unknown_runner() -> None:
    """A misspelt runner is a wrong use that names the runners there are."""
    with pytest.raises(WrongUse, match="soda"):
        checks.runner("sodda")


def test_a_runner_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed names the extra to install."""
    monkeypatch.setitem(checks.RUNNERS, "soda", "lakehouse.checks.not_there:Runner")
    with pytest.raises(NotInstalled, match=r"lakemesh\[soda\]"):
        checks.runner("soda")
