"""The gate: does a staged state keep its contract? Anything that was not evaluated has failed.

`audit` runs a port's gate rules over its staged data and returns a report; it changes nothing.
Next: `checks/` evaluates, `publish.py` acts on the report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING, Literal, Protocol, cast

from lakehouse.address import Address
from lakehouse.declare.contract import QuarantineLimit, Scalar, Scope
from lakehouse.errors import Severity
from lakehouse.rules import GateRule

if TYPE_CHECKING:
    import duckdb

Outcome = Literal["passed", "failed", "not_evaluated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """What one rule found. `failing` counts rows (for rowCount and sql: the number measured); None when not evaluated."""

    rule: str
    kind: Literal["row", "gate"]
    severity: Severity
    scope: Scope
    outcome: Outcome
    failing: float | None
    total: int | None = None
    expected: str = ""
    message: str = ""
    sample: tuple[Mapping[str, Scalar], ...] = ()
    column: str | None = None

    @property
    def blocks(self) -> bool:
        """Whether this result alone keeps the batch from being published. A row rule never does: its rows are set aside."""
        return self.kind == "gate" and self.severity == "error" and self.outcome != "passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortReport:
    """One port's verdict. `rows` were staged by this run, `total_rows` would then be in the port."""

    address: Address
    rules: tuple[RuleResult, ...]
    rows: int
    total_rows: int
    quarantined: int

    @property
    def blocked(self) -> bool:
        return any(r.blocks for r in self.rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """The verdict on all ports of a product; `runner` is the check runner's name."""

    ports: tuple[PortReport, ...]
    runner: str

    @property
    def blocked(self) -> bool:
        return any(p.blocked for p in self.ports)


class Dataset(Protocol):
    """The staged state of one port, as SQL table expressions on the audit's connection."""

    def relation(self, scope: Scope) -> str:
        """The rows in `scope`: this batch's, the touched partitions' or the whole port's (staged state, this batch included)."""
        ...

    def others(self, columns: Sequence[str]) -> str | None:
        """Rows of the staged port that are not this batch's, from those files only whose bounds of `columns` overlap the batch's.

        None when there is no such file.
        """
        ...

    def count(self, scope: Scope) -> int | None:
        """How many rows `relation(scope)` has, if that is known without counting them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A gate rule bound to data: `relation`, `others` (uniqueness over the port only) and `target` (foreign keys) are table expressions.

    `total` is the number of rows in `relation` where it is known.
    """

    rule: GateRule
    relation: str
    others: str | None = None
    target: str | None = None
    total: int | None = None


class Runner(Protocol):
    """Evaluates checks on a DuckDB connection. It may raise; `audit` then holds what has no result for not evaluated."""

    name: str

    def run(self, connection: duckdb.DuckDBPyConnection, checks: Sequence[Check]) -> Sequence[RuleResult]:
        """One result per check, in any order, matched by rule name."""
        ...


def audit(
    connection: duckdb.DuckDBPyConnection,
    rules: Sequence[GateRule],
    dataset: Dataset,
    targets: Mapping[Address, str],
    runner: Runner,
    *,
    timeout: float,
) -> tuple[RuleResult, ...]:
    """Judge `rules` over `dataset`; `targets` are table expressions of the pinned ports that foreign keys point at.

    A runner that raises, exceeds `timeout` seconds (the connection is interrupted) or leaves a rule out: that rule is not_evaluated.
    """
    checks = [_bind(rule, dataset, targets) for rule in rules if rule.to is None or rule.to in targets]
    found, trouble = _evaluate(connection, checks, runner, timeout) if checks else ((), "")
    known = {rule.name for rule in rules}
    strangers = sorted({result.rule for result in found} - known)
    if strangers:
        found, trouble = (), f"the runner answered for a rule that it was not asked for: {strangers[0]}"
    return tuple(_trusted(rule, [r for r in found if r.rule == rule.name], trouble, targets) for rule in rules)


def quarantine_result(limit: QuarantineLimit, *, quarantined: int, delivered: int) -> RuleResult:
    """The rule `quarantine`: blocks when more than the declared share and number of rows would be set aside."""
    exceeded = quarantined > limit.rows and 100 * quarantined > limit.percent * delivered
    return RuleResult(
        rule="quarantine",
        kind="gate",
        severity="error",
        scope="batch",
        outcome="failed" if exceeded else "passed",
        failing=quarantined,
        total=delivered,
        expected=f"at most {limit.percent:g} percent or {limit.rows} rows",
        message=f"{quarantined:,} of {delivered:,} rows would be set aside",
    )


def result(
    rule: GateRule, measured: float, total: int, sample: Sequence[Mapping[str, Scalar]] = (), *, passed: bool | None = None
) -> RuleResult:
    """What a runner found; `passed` is its own verdict, by default the operator's."""
    holds = _holds(rule, compared(rule, measured, total)) if passed is None else passed
    return RuleResult(
        rule=rule.name,
        kind="gate",
        severity=rule.severity,
        scope=rule.scope,
        outcome="passed" if holds else "failed",
        failing=measured,
        total=total,
        expected=expected(rule),
        message=_message(rule, measured, total),
        sample=tuple(sample),
        column=rule.columns[0] if len(rule.columns) == 1 else None,
    )


def not_evaluated(rule: GateRule, message: str) -> RuleResult:
    return RuleResult(
        rule=rule.name,
        kind="gate",
        severity=rule.severity,
        scope=rule.scope,
        outcome="not_evaluated",
        failing=None,
        expected=expected(rule),
        message=message,
        column=rule.columns[0] if len(rule.columns) == 1 else None,
    )


def measures_number(rule: GateRule) -> bool:
    """Whether the rule is about a number of its own, not about rows that fail."""
    return rule.metric in ("rowCount", "sql")


def compared(rule: GateRule, measured: float, total: int) -> float:
    """What the operator sees: the number, or with unit percent its share of the rows. Of no rows no share fails."""
    if rule.unit == "rows" or measures_number(rule):
        return measured
    return 100 * measured / total if total else 0.0


def expected(rule: GateRule) -> str:
    """The promise in words: `mustBeBetween 1 and 5 percent`."""
    bounds = rule.threshold if isinstance(rule.threshold, tuple) else (rule.threshold,)
    unit = " percent" if rule.unit == "percent" and not measures_number(rule) else ""
    return f"{rule.operator} {' and '.join(str(bound) for bound in bounds)}{unit}"


def _holds(rule: GateRule, value: float) -> bool:
    if isinstance(rule.threshold, tuple):
        inside = rule.threshold[0] <= value <= rule.threshold[1]
        return inside if rule.operator == "mustBeBetween" else not inside
    return _COMPARE[rule.operator](value, cast("float", rule.threshold))


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "mustBe": eq,
    "mustNotBe": ne,
    "mustBeGreaterThan": gt,
    "mustBeGreaterOrEqualTo": ge,
    "mustBeLessThan": lt,
    "mustBeLessOrEqualTo": le,
}


def _message(rule: GateRule, measured: float, total: int) -> str:
    return f"measured {measured:,}" if measures_number(rule) else f"{measured:,} of {total:,} rows"


def _bind(rule: GateRule, dataset: Dataset, targets: Mapping[Address, str]) -> Check:
    """Duplicates over the port are looked for among the batch's rows and the others: what is published was checked before."""
    target = targets[rule.to] if rule.to is not None else None
    if rule.metric == "duplicateValues" and rule.scope == "port" and (rule.operator, rule.threshold) == ("mustBe", 0):
        return Check(rule=rule, relation=dataset.relation("batch"), others=dataset.others(rule.columns), total=dataset.count("batch"))
    return Check(rule=rule, relation=dataset.relation(rule.scope), target=target, total=dataset.count(rule.scope))


def _evaluate(
    connection: duckdb.DuckDBPyConnection, checks: Sequence[Check], runner: Runner, timeout: float
) -> tuple[Sequence[RuleResult], str]:
    """The runner's results, or none and what went wrong. It runs in a thread, so that one that hangs cannot hold the gate open."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="gate")
    future = pool.submit(runner.run, connection, checks)
    try:
        error = future.exception(timeout)
    except TimeoutError:
        return (), f"the checks took longer than {timeout:g} s"
    finally:
        _stop(connection, future)
        pool.shutdown(wait=False)
    return (future.result(), "") if error is None else ((), f"the runner {runner.name} failed: {type(error).__name__}: {error}")


def _stop(connection: duckdb.DuckDBPyConnection, future: Future[Sequence[RuleResult]]) -> None:
    """Interrupt until the runner lets go of the connection: one interrupt ends one query, and the runner may begin another."""
    for _ in range(40):
        if future.done():
            return
        connection.interrupt()
        wait([future], timeout=0.05)


def _trusted(rule: GateRule, found: Sequence[RuleResult], trouble: str, targets: Mapping[Address, str]) -> RuleResult:
    """The one result of `rule`, under the contract's severity and scope; anything else counts as not evaluated."""
    if rule.to is not None and rule.to not in targets:
        return not_evaluated(rule, f"there is no publication of {rule.to} to look into")
    if trouble:
        return not_evaluated(rule, trouble)
    if len(found) != 1:
        return not_evaluated(rule, f"the runner gave {len(found)} results")
    if found[0].failing is None and found[0].outcome != "not_evaluated":
        return not_evaluated(rule, "the runner gave a verdict without a measurement")
    return replace(found[0], kind="gate", severity=rule.severity, scope=rule.scope)
