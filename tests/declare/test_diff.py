"""What changed between two contracts, their meaning, and the text the store keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.address import Address
from lakehouse.declare.contract import (
    CLASSIFICATIONS,
    Column,
    Contract,
    Options,
    Place,
    QualityRule,
    QuarantineLimit,
    Relationship,
    ServiceLevel,
)
from lakehouse.diff import contract_from_json, contract_to_json, diff, fingerprint, meaning
from lakehouse.types import Decimal, ListOf, MapOf, Primitive, StructOf

HERE = Place(file="port.odcs.yaml", path="$", line=1)
STRING, LONG, INT = Primitive("string"), Primitive("long"), Primitive("int")


def column(name: str = "c", **fields: Any) -> Column:
    return Column(**{"name": name, "type": STRING, "place": HERE, **fields})


def contract(*columns: Column, **fields: Any) -> Contract:
    return Contract(**{"address": Address("d", "p"), "version": "1.0.0", "columns": columns, "place": HERE, **fields})


RULE = QualityRule(name="r", kind="library", column="c", metric="nullValues", operator="mustBe", threshold=0, place=HERE)
STRUCT = StructOf((("a", INT),))

CHANGES = {
    "nothing": (contract(column()), contract(column()), "none", []),
    "a description": (contract(column()), contract(column(description="d", tags=("t",))), "none", []),
    "a version": (contract(column()), contract(column(), version="1.1.0"), "none", []),
    "a place": (contract(column()), contract(column(place=replace(HERE, line=9))), "none", []),
    "an order": (contract(column(), column("x")), contract(column("x"), column()), "none", []),
    "added": (contract(column()), contract(column(), column("x")), "compatible", ["added"]),
    "added and required": (contract(column()), contract(column(), column("x", required=True)), "compatible", ["added", "tightened"]),
    "int to long": (contract(column(type=INT)), contract(column(type=LONG)), "compatible", ["widened"]),
    "float to double": (contract(column(type=Primitive("float"))), contract(column(type=Primitive("double"))), "compatible", ["widened"]),
    "more digits": (contract(column(type=Decimal(9, 2))), contract(column(type=Decimal(12, 2))), "compatible", ["widened"]),
    "another scale": (contract(column(type=Decimal(9, 2))), contract(column(type=Decimal(12, 3))), "breaking", ["breaking"]),
    "fewer digits": (contract(column(type=Decimal(9, 2))), contract(column(type=Decimal(8, 2))), "breaking", ["breaking"]),
    "long to int": (contract(column(type=LONG)), contract(column(type=INT)), "breaking", ["breaking"]),
    "another type": (contract(column(type=LONG)), contract(column()), "breaking", ["breaking"]),
    "wider inside a list": (contract(column(type=ListOf(INT))), contract(column(type=ListOf(LONG))), "breaking", ["breaking"]),
    "added in a struct": (
        *(contract(column(type=STRUCT)), contract(column(type=StructOf((*STRUCT.fields, ("b", INT)))))),
        *("breaking", ["breaking"]),
    ),
    "removed": (contract(column(), column("x")), contract(column()), "breaking", ["breaking"]),
    "renamed": (contract(column("x")), contract(column("y")), "breaking", ["breaking", "added"]),
    "key": (contract(column(), column("x", key_position=1)), contract(column(key_position=1), column("x")), "breaking", ["breaking"]),
    "partition": (contract(column()), contract(column(partition="identity")), "breaking", ["breaking"]),
    "required": (contract(column()), contract(column(required=True)), "compatible", ["tightened"]),
    "no longer unique": (contract(column(unique=True)), contract(column()), "compatible", ["loosened"]),
    "an enum": (contract(column()), contract(column(enum=("a",))), "compatible", ["tightened"]),
    "more values": (contract(column(enum=("a",))), contract(column(enum=("a", "b"))), "compatible", ["loosened"]),
    "other values": (contract(column(enum=("a",))), contract(column(enum=("b",))), "compatible", ["tightened", "loosened"]),
    "lower maximum": (
        *(contract(column(options=Options(maximum=9))), contract(column(options=Options(maximum=8)))),
        *("compatible", ["tightened"]),
    ),
    "lower minimum": (
        *(contract(column(options=Options(minimum=9))), contract(column(options=Options(minimum=8)))),
        *("compatible", ["loosened"]),
    ),
    "another pattern": (
        *(contract(column(options=Options(pattern="a"))), contract(column(options=Options(pattern="b")))),
        *("compatible", ["tightened"]),
    ),
    "a new rule": (contract(column()), contract(column(), quality=(RULE,)), "compatible", ["tightened"]),
    "a rule less": (contract(column(), quality=(RULE,)), contract(column()), "compatible", ["loosened"]),
    "a text rule": (contract(column()), contract(column(), quality=(replace(RULE, kind="text"),)), "none", []),
    "a classification": (contract(column()), contract(column(classification="public")), "compatible", ["reclassified"]),
    "a lower limit": (contract(column()), contract(column(), quarantine=QuarantineLimit(percent=1)), "compatible", ["tightened"]),
    "a service level": (
        *(contract(column()), contract(column(), service_levels=(ServiceLevel(property="latency", value=1, unit="h", place=HERE),))),
        *("compatible", ["promised"]),
    ),
}


@pytest.mark.parametrize(("old", "new", "kind", "changes"), CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_judged(old, new, kind, changes):
    """Each kind of edit travels, tightens or breaks as promised to consumers."""
    found = diff(old, new)
    assert (found.kind, [c.kind for c in found.changes]) == (kind, changes)


@pytest.mark.parametrize(("old", "new", "kind", "changes"), CHANGES.values(), ids=CHANGES.keys())
def test_what_is_no_change_has_the_same_meaning(old, new, kind, changes):
    """Meaning and fingerprint change with everything executed (also order and version), and with nothing else."""
    executed = kind != "none" or old.version != new.version or [c.name for c in old.columns] != [c.name for c in new.columns]
    assert (meaning(old) != meaning(new), fingerprint(old) != fingerprint(new)) == (executed, executed)


def test_a_rename_is_suspected():
    """A removed column names the only new one of its type."""
    assert "renamed to y?" in diff(contract(column("x")), contract(column("y"))).breaking[0].sentence


names = st.text("abc_", min_size=1, max_size=4)
kinds = st.recursive(
    st.sampled_from([STRING, LONG, INT, Primitive("timestamptz"), Decimal(9, 2)]),
    lambda inner: st.one_of(
        st.builds(ListOf, inner),
        st.builds(MapOf, inner, inner),
        st.builds(StructOf, st.lists(st.tuples(names, inner), max_size=2).map(tuple)),
    ),
    max_leaves=4,
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text())
columns = st.builds(
    Column,
    name=names,
    type=kinds,
    required=st.booleans(),
    enum=st.lists(scalars, max_size=3).map(tuple),
    classification=st.sampled_from(CLASSIFICATIONS),
    options=st.builds(Options, maximum=scalars, min_length=st.none() | st.integers(0, 9), pattern=st.none() | st.text()),
    description=st.text(),
    place=st.just(HERE),
)
rules = st.builds(
    QualityRule,
    name=names,
    kind=st.sampled_from(["library", "sql"]),
    threshold=scalars | st.tuples(st.floats(0, 1), st.floats(1, 2)),
    arguments=st.dictionaries(names, st.lists(st.text(), max_size=2), max_size=2),
    place=st.just(HERE),
)
relationships = st.builds(
    Relationship, name=names, columns=st.just(("a",)), to=st.just(Address("x", "y")), to_columns=st.just(("b",)), place=st.just(HERE)
)
contracts = st.builds(
    contract,
    columns,
    quality=st.lists(rules, max_size=2).map(tuple),
    relationships=st.lists(relationships, max_size=1).map(tuple),
)


@settings(max_examples=200, deadline=None)
@given(contracts)
def test_a_stored_contract_comes_back(stored):
    """The store's text gives back the contract that was published, and differs from it in nothing."""
    back = contract_from_json(contract_to_json(stored))
    assert back == stored
    assert diff(stored, back).kind == "none"
    assert [type(c.enum) for c in back.columns] == [tuple for _ in stored.columns]
