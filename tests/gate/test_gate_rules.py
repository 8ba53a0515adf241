"""What many rows must keep at once: from a contract to gate rules, with scopes by write mode."""

from __future__ import annotations

import pytest

from lakehouse.address import Address
from lakehouse.declare.contract import Column, Contract, Place, QualityRule, Relationship
from lakehouse.declare.product import Write
from lakehouse.rules import GateRule, gate_rules, rule_problems
from lakehouse.types import Primitive

PLACE = Place(file="domains/a/b/b.odcs.yaml", path="$.schema[0].quality[0]", line=9)
COLUMNS = (
    Column(name="k", type=Primitive("long"), key_position=1, place=PLACE),
    Column(name="s", type=Primitive("string"), unique=True, place=PLACE),
    Column(name="d", type=Primitive("date"), place=PLACE),
)


def entry(**changes: object) -> QualityRule:
    declared = {"name": "", "kind": "library", "operator": "mustBe", "threshold": 0, "place": PLACE} | changes
    return QualityRule(**declared)  # type: ignore[arg-type]


def contract(*quality: QualityRule, columns: tuple[Column, ...] = COLUMNS, relationships: tuple[Relationship, ...] = ()) -> Contract:
    return Contract(address=Address("a", "b"), version="1.0.0", columns=columns, quality=quality, relationships=relationships, place=PLACE)


def compiled(*quality: QualityRule, write: Write = "append") -> GateRule:
    return gate_rules(contract(*quality), write)[-1]


@pytest.mark.parametrize(
    ("write", "scope"), [("append", "batch"), ("upsert", "batch"), ("overwrite_partitions", "partitions"), ("overwrite", "port")]
)
def test_scopes(write: Write, scope: str) -> None:
    """A rule looks at what its write mode changes; uniqueness always at the whole port; a declared scope wins."""
    link = Relationship(name="", columns=("s",), to=Address("x", "y"), to_columns=("z",), place=PLACE)
    rules = gate_rules(contract(entry(metric="rowCount"), entry(metric="rowCount", scope="port"), relationships=(link,)), write)
    assert {r.name: r.scope for r in rules} == {
        "k_unique": "port",
        "s_unique": "port",
        "s_foreign_key": scope,
        "row_count": scope,
        "row_count_2": "port",
    }


def test_composite_key() -> None:
    """A key of several columns is one rule, in the key's order; every rule knows it for its samples."""
    columns = (
        Column(name="b", type=Primitive("long"), key_position=2, place=PLACE),
        Column(name="a", type=Primitive("long"), key_position=1, place=PLACE),
    )
    (rule,) = gate_rules(contract(columns=columns), "append")
    assert (rule.name, rule.metric, rule.columns, rule.key) == ("primary_key", "duplicateValues", ("a", "b"), ("a", "b"))


def test_library_metrics() -> None:
    """Each metric of ODCS's library becomes the condition of the rows that it counts, in the column's type."""
    assert compiled(entry(metric="nullValues", column="s")).condition == '"s" is null'
    assert compiled(entry(metric="missingValues", column="s")).condition == '"s" is null'
    missing = entry(metric="missingValues", column="s", arguments={"missingValues": [None, "", "N/A"]})
    assert compiled(missing).condition == "\"s\" is null or \"s\" in ('', 'N/A')"
    invalid = entry(metric="invalidValues", column="d", arguments={"validValues": ["2013-01-01"]})
    assert compiled(invalid).condition == "\"d\" not in (DATE '2013-01-01')"
    pattern = entry(metric="invalidValues", column="s", arguments={"validValues": ["a"], "pattern": "^b"})
    assert compiled(pattern).condition == "\"s\" not in ('a') or not regexp_matches(\"s\", '^b')"
    pair = compiled(entry(metric="duplicateValues", arguments={"properties": ["s", "d"]}))
    assert (pair.columns, pair.scope, pair.name) == (("s", "d"), "port", "s_d_duplicate_values")


def test_sql_queries() -> None:
    """The column's placeholder is filled in; the table's waits for the scope."""
    rule = compiled(
        entry(kind="sql", name="Worst Delay", column="d", query="select max(${column}) from ${table};", operator="mustBeLessThan")
    )
    assert (rule.name, rule.query, rule.columns) == ("worst_delay", 'select max("d") from ${table}', ())


def test_prose_is_no_rule() -> None:
    """`text` and `custom` are documentation."""
    rules = gate_rules(contract(entry(kind="text"), entry(kind="custom")), "append")
    assert [r.name for r in rules] == ["k_unique", "s_unique"]


def test_names_differ_from_row_rules() -> None:
    """Row rules and gate rules of a port share one set of names."""
    assert compiled(entry(name="k_required", metric="rowCount")).name == "k_required_2"
    assert compiled(entry(name="quarantine", metric="rowCount")).name == "quarantine_2"


@pytest.mark.parametrize(
    "wrong",
    [
        entry(metric="rowCounts"),
        entry(metric="nullValues"),
        entry(metric="nullValues", column="nope"),
        entry(metric="nullValues", column="s", arguments={"validValues": ["a"]}),
        entry(metric="invalidValues", column="s"),
        entry(metric="invalidValues", column="s", arguments={"validValues": "a"}),
        entry(metric="invalidValues", column="s", arguments={"pattern": "(?=a)"}),
        entry(metric="invalidValues", column="d", arguments={"validValues": ["soon"]}),
        entry(metric="duplicateValues"),
        entry(metric="rowCount", unit="percent"),
        entry(metric="rowCount", operator=None),
        entry(metric="rowCount", threshold="many"),
        entry(metric="rowCount", threshold=True),
        entry(metric="rowCount", threshold=(1, 2)),
        entry(metric="rowCount", threshold=float("nan")),
        entry(metric="rowCount", operator="mustBeBetween", threshold=1),
        entry(metric="rowCount", operator="mustBeBetween", threshold=(2, 1)),
        entry(kind="sql", query="  "),
        entry(kind="sql", query="select ${column} from ${table}"),
        entry(kind="sql", row_expression="${column} > 1"),
    ],
)
def test_problems_have_a_place_and_a_hint(wrong: QualityRule) -> None:
    """All that cannot be made a rule is told at once, with the place and what to do."""
    both = rule_problems(contract(wrong, wrong))
    assert [(p.file, p.line, p.path) for p in both] == [(PLACE.file, PLACE.line, PLACE.path)] * 2
    assert all(p.hint and p.message for p in both)


def test_a_sound_contract_has_no_problems() -> None:
    """Nothing is reported of a contract whose rules compile."""
    assert rule_problems(contract(entry(metric="rowCount", operator="mustBeGreaterThan"))) == ()


def test_a_relationship_with_two_lengths_is_refused() -> None:
    """Each column points at one."""
    link = Relationship(name="to", columns=("s",), to=Address("x", "y"), to_columns=("z", "w"), place=PLACE)
    assert len(rule_problems(contract(relationships=(link,)))) == 1
