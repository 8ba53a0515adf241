"""The gate: does a staged state keep its contract? Anything that was not evaluated has failed.

`audit` runs a port's gate rules over its staged data and returns a report; it changes nothing.
Next: `checks/` evaluates, `publish.py` acts on the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

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

    def others(self, columns: Sequence[str]) -> str:
        """Rows of the staged port that are not this batch's, from those files only whose bounds of `columns` overlap the batch's."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A gate rule bound to data: `relation`, `others` (uniqueness over the port only) and `target` (foreign keys) are table expressions."""

    rule: GateRule
    relation: str
    others: str | None = None
    target: str | None = None


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
    raise NotImplementedError


def quarantine_result(limit: QuarantineLimit, *, quarantined: int, delivered: int) -> RuleResult:
    """The rule `quarantine`: blocks when more than the declared share and number of rows would be set aside."""
    raise NotImplementedError
