"""The gate's rules, judged by soda-core 4: each becomes a check of a soda contract, and the verdict is soda's.

Rules that say which rows fail become `failed_rows` checks; duplicates, row counts and queries become `metric` checks. The SQL in
them is that of `queries.py`, because soda cannot say keys over other files, typed literals or shares of all rows. Nothing leaves
the process: telemetry is off, there is no cloud, and samples are ours. soda-core's licence is Elastic 2.0.
Next: `../publish.py`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
from ruamel.yaml.comments import CommentedMap

from lakehouse.checks.queries import NotOneNumber, Totals, failing, measure_query, number, require_select, sample, total_query
from lakehouse.gate import Check, RuleResult, measures_number, not_evaluated, result
from lakehouse.rules import GateRule
from lakehouse.settings import telemetry_off

telemetry_off()
with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # soda-core warns about its own classes
    from soda_core.common.data_source_results import QueryResult
    from soda_core.common.yaml import ContractYamlSource, FileType, YamlObject
    from soda_core.contracts.contract_verification import CheckOutcome, CheckResult, ContractVerificationSession
    from soda_core.contracts.impl.contract_verification_impl import CheckImpl, ContractImpl
    from soda_duckdb.common.data_sources.duckdb_data_source import (
        DuckDBDataSourceConnection,
        DuckDBDataSourceConnectionWrapper,
        DuckDBDataSourceImpl,
    )

_LOGGER = logging.getLogger("soda")
_SOURCE = "gate"
_DATASET = "staged"
_OPERATORS = {
    "mustBe": "must_be",
    "mustNotBe": "must_not_be",
    "mustBeGreaterThan": "must_be_greater_than",
    "mustBeGreaterOrEqualTo": "must_be_greater_than_or_equal",
    "mustBeLessThan": "must_be_less_than",
    "mustBeLessOrEqualTo": "must_be_less_than_or_equal",
}


class SodaRunner:
    """One soda contract per run, with one check per rule."""

    name = "soda"

    def run(self, connection: duckdb.DuckDBPyConnection, checks: Sequence[Check]) -> Sequence[RuleResult]:
        refused = {check.rule.name: reason for check in checks if (reason := _refusal(connection, check))}
        judged = [check for check in checks if check.rule.name not in refused]
        with _quiet() as complaints:
            found = _verified(connection, judged) if judged else {}
        totals = Totals(connection)
        return [
            not_evaluated(check.rule, refused[check.rule.name])
            if check.rule.name in refused
            else _translated(connection, check, found.get(check.rule.name), totals, complaints)
            for check in checks
        ]


def _refusal(connection: duckdb.DuckDBPyConnection, check: Check) -> str:
    """Why a rule's own query is not run; empty when it is."""
    if check.rule.query is None:
        return ""
    try:
        require_select(connection, check.rule.query)
    except NotOneNumber as error:
        return str(error)
    return ""


def _verified(connection: duckdb.DuckDBPyConnection, checks: Sequence[Check]) -> dict[str, CheckResult]:
    """Soda's results by rule. Each run has its own data source: soda keeps state between the scans of one (soda-core#2145)."""
    source = DuckDBDataSourceImpl.from_existing_cursor(connection, name=_SOURCE)
    source.data_source_connection = _Connection(_SOURCE, {}, DuckDBDataSourceConnectionWrapper(connection))
    session = ContractVerificationSession.execute(contract_yaml_sources=[_Compiled(checks)], data_source_impls=[source])
    return {found.check.qualifier: found for verified in session.contract_verification_results for found in verified.check_results}


class _Compiled(ContractYamlSource, file_type=FileType.CONTRACT):  # type: ignore[misc, call-arg]  # soda-core has no types
    """A soda contract that is built, not parsed: reading it back from text would take longer than the checks."""

    def __init__(self, checks: Sequence[Check]) -> None:
        super().__init__(yaml_str="")
        # soda replaces ${…} in every text; SQL is to be run as it was written.
        self.unresolved_keys |= {"query", "rows_tested_query"}
        self._checks = checks

    def parse(self) -> YamlObject:
        compiled = [CommentedMap(compiled_check(check)) for check in self._checks]
        return YamlObject(self, CommentedMap(kind=_Gate.kind, dataset=f"{_SOURCE}/main/{_DATASET}", columns=[], checks=compiled))


class _Gate(ContractImpl):  # type: ignore[misc]
    """A contract that is judged and no more: its rows are not counted, nor its checks written out again, nor results drawn for a log.

    Its data set is a name only: each check's query says what it reads.
    """

    kind = "gate"

    def bundle_aggregation_metrics(self, metrics: Sequence[object], scope: object) -> list[object]:
        return []

    def _parse_checks(self, yaml: object) -> list[CheckImpl]:
        checks: list[CheckImpl] = super()._parse_checks(yaml)
        for check in checks:
            check._build_definition = str  # noqa: SLF001  an empty text; soda writes one for its cloud
        return checks

    def build_log_summary(self, soda_qualified_dataset_name: str, check_results: Sequence[CheckResult]) -> list[str]:
        return []


class _Connection(DuckDBDataSourceConnection):  # type: ignore[misc]
    """A connection whose rows are not drawn as tables for the log."""

    def execute_query(self, sql: str, log_query: bool = True) -> QueryResult:  # noqa: FBT001, FBT002  soda's signature
        cursor = self.connection.cursor()
        cursor.execute(sql)
        return QueryResult(rows=cursor.fetchall(), columns=cursor.description)


def compiled_check(check: Check) -> dict[str, CommentedMap]:
    """One rule in soda's contract language."""
    rule = check.rule
    body = CommentedMap(qualifier=rule.name, threshold=CommentedMap(_threshold(rule)))
    if rule.metric in ("duplicateValues", "rowCount", "sql"):
        body["query"] = _share_query(check) if _is_share(rule) else measure_query(check)
        return {"metric": body}
    body["query"] = f"select 1 from {failing(check)}"
    if _is_share(rule):
        body["rows_tested_query"] = total_query(check)
        body["threshold"]["metric"] = "percent"
    return {"failed_rows": body}


def _is_share(rule: GateRule) -> bool:
    return rule.unit == "percent" and not measures_number(rule)


def _share_query(check: Check) -> str:
    counts = f"select ({measure_query(check)})::double as n, ({total_query(check)}) as total"
    return f"select coalesce(100 * n / nullif(total, 0), 0) from ({counts})"


def _threshold(rule: GateRule) -> dict[str, object]:
    if not isinstance(rule.threshold, tuple):
        return {_OPERATORS[rule.operator]: rule.threshold}
    low, high = rule.threshold
    if rule.operator == "mustBeBetween":
        return {"must_be_between": CommentedMap(greater_than_or_equal=low, less_than_or_equal=high)}
    return {"must_be_not_between": CommentedMap(less_than=low, greater_than=high)}


def _translated(
    connection: duckdb.DuckDBPyConnection, check: Check, found: CheckResult | None, totals: Totals, complaints: Sequence[str]
) -> RuleResult:
    if found is None or found.outcome not in (CheckOutcome.PASSED, CheckOutcome.FAILED):
        return not_evaluated(check.rule, _complaint(check, complaints))
    try:
        total = totals.of(check)
        measured = number(_measured(check.rule, found, total))
        passed = found.outcome is CheckOutcome.PASSED
        return result(check.rule, measured, total, () if passed else sample(connection, check), passed=passed)
    except (duckdb.Error, NotOneNumber) as error:
        return not_evaluated(check.rule, f"{type(error).__name__}: {error}")


def _measured(rule: GateRule, found: CheckResult, total: int) -> object:
    """The count behind soda's verdict; of duplicates soda only knows the share."""
    counted = (found.diagnostic_metric_values or {}).get("failed_rows_count")
    if counted is not None:
        return counted
    if _is_share(rule):
        return round(float(found.threshold_value or 0) * total / 100)
    return found.threshold_value


def _complaint(check: Check, complaints: Sequence[str]) -> str:
    """What soda logged about the check's query."""
    query = next(iter(compiled_check(check).values()))["query"]
    return next((line.partition(query)[2].strip(": \n") for line in complaints if query in line), "") or "soda did not evaluate the check"


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _quiet() -> Iterator[Sequence[str]]:
    """What soda complains about meanwhile, kept from the console and from the run's log."""
    handler = _Complaints()
    _LOGGER.propagate = False
    _LOGGER.addHandler(handler)
    try:
        yield handler.lines
    finally:
        _LOGGER.removeHandler(handler)
