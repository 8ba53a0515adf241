"""What changed between two contracts, and may it travel with the next publication?

Compatible changes do (columns added or widened, rules loosened or tightened), breaking ones need a new port. Also here: a contract's
meaning as one text, its fingerprint, and the text that the store keeps of a published contract. Next: `access.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Literal

from pydantic import JsonValue, TypeAdapter

from lakehouse.declare.contract import Column, Contract, Options, QualityRule, Relationship
from lakehouse.types import ColumnType, Decimal, Primitive

ChangeKind = Literal["added", "widened", "loosened", "tightened", "reclassified", "promised", "breaking"]
_DOCUMENTATION = frozenset(("description", "place", "business_name", "physical_name", "tags", "sources", "dimension", "classified"))
_WIDER = {("int", "long"), ("float", "double")}
_LEAST = ("min_length", "minimum", "exclusive_minimum", "min_items", "unique_items")
_MOST = ("max_length", "maximum", "exclusive_maximum", "max_items", "allow_nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change, as a sentence. `column` is None for what concerns the whole port."""

    column: str | None = None
    kind: ChangeKind
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All changes from one contract to another, and the worst that they mean for consumers."""

    changes: tuple[Change, ...]

    @property
    def kind(self) -> Literal["none", "compatible", "breaking"]:
        if not self.changes:
            return "none"
        return "breaking" if self.breaking else "compatible"

    @property
    def breaking(self) -> tuple[Change, ...]:
        return tuple(c for c in self.changes if c.kind == "breaking")

    @property
    def tightened(self) -> tuple[Change, ...]:
        """New or stricter rules: they hold from the next batch, published rows may break them."""
        return tuple(c for c in self.changes if c.kind == "tightened")


def diff(old: Contract, new: Contract) -> Difference:
    """Every change from `old` to `new` that the platform executes; descriptions and the version are none."""
    return Difference(changes=(*_port(old, new), *_columns(old, new), *_rules(old, new), *_promises(old, new)))


def meaning(contract: Contract) -> str:
    """Everything of a contract that is executed, as one stable text: equal texts mean equal contracts."""
    return json.dumps(_executed(_plain(contract)), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def fingerprint(contract: Contract) -> str:
    """16 hex digits that change when the contract's meaning does."""
    return hashlib.sha256(meaning(contract).encode()).hexdigest()[:16]


def contract_to_json(contract: Contract) -> str:
    """The text under which the store keeps a published contract."""
    return _adapter().dump_json(contract, exclude_defaults=True).decode()


def contract_from_json(text: str) -> Contract:
    """The contract that `contract_to_json` wrote."""
    return _adapter().validate_json(text)


@cache
def _adapter() -> TypeAdapter[Contract]:
    return TypeAdapter(Contract)


def _plain(contract: Contract) -> JsonValue:
    executed = replace(contract, quality=tuple(rule for rule in contract.quality if rule.kind in ("library", "sql")))
    plain: JsonValue = _adapter().dump_python(executed, mode="json", exclude_defaults=True)
    return plain


def _executed(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _executed(below) for key, below in value.items() if key not in _DOCUMENTATION}
    return [_executed(item) for item in value] if isinstance(value, list) else value


def _port(old: Contract, new: Contract) -> Iterator[Change]:
    if old.key != new.key:
        yield Change(kind="breaking", sentence=f"the primary key changes from {_listed(old.key)} to {_listed(new.key)}")
    before, after = ({(c.name, c.partition) for c in contract.partitions} for contract in (old, new))
    if before != after:
        shown = [_listed(sorted(f"{t}({n})" for n, t in spec)) for spec in (before, after)]
        yield Change(kind="breaking", sentence=f"the partitioning changes from {shown[0]} to {shown[1]}")
    if old.quarantine != new.quarantine:
        lower = new.quarantine.percent < old.quarantine.percent or new.quarantine.rows < old.quarantine.rows
        limit = f"{new.quarantine.percent:g} % and {new.quarantine.rows} rows"
        yield Change(kind="tightened" if lower else "loosened", sentence=f"a batch is blocked above {limit} set aside")


def _columns(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = ({c.name: c for c in contract.columns} for contract in (old, new))
    for name in sorted(before.keys() - after.keys()):
        yield Change(column=name, kind="breaking", sentence=f"the column {name} is removed{_rename(before[name], before, after)}")
    for name, column in after.items():
        if name in before:
            yield from _column(before[name], column)
        else:
            yield from _added(column)


def _rename(gone: Column, before: Mapping[str, Column], after: Mapping[str, Column]) -> str:
    """Name the new column that the removed one may have become."""
    alike = [c.name for c in after.values() if c.name not in before and c.type == gone.type]
    return f" (renamed to {alike[0]}?)" if len(alike) == 1 else ""


def _added(column: Column) -> Iterator[Change]:
    yield Change(column=column.name, kind="added", sentence=f"the column {column.name} ({column.type}) is added")
    if column.required:
        yield Change(column=column.name, kind="tightened", sentence=f"{column.name} is required, and no published row has it")


def _column(old: Column, new: Column) -> Iterator[Change]:
    name = new.name
    if old.type != new.type:
        kind: ChangeKind = "widened" if _is_wider(old.type, new.type) else "breaking"
        yield Change(column=name, kind=kind, sentence=f"{name} changes its type from {old.type} to {new.type}")
    for word in ("required", "unique"):
        if getattr(old, word) != getattr(new, word):
            now = getattr(new, word)
            yield Change(column=name, kind="tightened" if now else "loosened", sentence=f"{name} is {word if now else f'no longer {word}'}")
    yield from _enum(old, new)
    for option in fields(Options):
        yield from _option(name, option.name, getattr(old.options, option.name), getattr(new.options, option.name))
    if old.classification != new.classification:
        sentence = f"{name} is {new.classification}, was {old.classification}"
        yield Change(column=name, kind="reclassified", sentence=sentence)


def _is_wider(old: ColumnType, new: ColumnType) -> bool:
    if isinstance(old, Decimal) and isinstance(new, Decimal):
        return old.scale == new.scale and old.precision < new.precision
    return isinstance(old, Primitive) and isinstance(new, Primitive) and (old.name, new.name) in _WIDER


def _enum(old: Column, new: Column) -> Iterator[Change]:
    before, after = set(old.enum), set(new.enum)
    if before == after:
        return
    if after and (not before or before - after):
        refused = f"no longer {_listed(sorted(map(str, before - after)))}" if before else f"only {_listed(map(str, new.enum))}"
        yield Change(column=new.name, kind="tightened", sentence=f"{new.name} may hold {refused}")
    if before and (not after or after - before):
        allowed = _listed(sorted(map(str, after - before))) if after else "any value"
        yield Change(column=new.name, kind="loosened", sentence=f"{new.name} may now hold {allowed}")


def _option(column: str, option: str, old: object, new: object) -> Iterator[Change]:
    if old == new:
        return
    word = option.replace("_", " ")
    sentence = f"{column}: {word} is {new}, was {old}" if new is not None else f"{column} has no {word} any more"
    yield Change(column=column, kind="loosened" if _is_looser(option, old, new) else "tightened", sentence=sentence)


def _is_looser(option: str, old: object, new: object) -> bool:
    """What cannot be compared (a pattern, a format) counts as tightened."""
    if new is None or old is None:
        return new is None
    if isinstance(old, (int, float)) and isinstance(new, (int, float)):
        return (option in _LEAST and new < old) or (option in _MOST and new > old)
    if isinstance(old, str) and isinstance(new, str):
        return (option in _LEAST and new < old) or (option in _MOST and new > old)
    return False


def _rules(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = (_by_name((*contract.quality, *contract.relationships)) for contract in (old, new))
    for (column, name), rule in after.items():
        if (column, name) not in before:
            yield Change(column=column, kind="tightened", sentence=f"the rule {name} is new")
        elif _rule_text(before[column, name]) != _rule_text(rule):
            yield Change(column=column, kind="tightened", sentence=f"the rule {name} is changed")
    for column, name in before:
        if (column, name) not in after:
            yield Change(column=column, kind="loosened", sentence=f"the rule {name} is gone")


def _by_name(rules: Collection[QualityRule | Relationship]) -> dict[tuple[str | None, str], QualityRule | Relationship]:
    """Executed rules by column and name; two of the same name are told apart by their order."""
    named: dict[tuple[str | None, str], QualityRule | Relationship] = {}
    for rule in rules:
        if isinstance(rule, QualityRule) and rule.kind not in ("library", "sql"):
            continue
        column = rule.column if isinstance(rule, QualityRule) else None
        twins = sum(name.partition("#")[0] == rule.name and c == column for c, name in named)
        named[column, f"{rule.name}#{twins + 1}" if twins else rule.name] = rule
    return named


@cache
def _rule_adapter() -> TypeAdapter[QualityRule | Relationship]:
    return TypeAdapter(QualityRule | Relationship)


def _rule_text(rule: QualityRule | Relationship) -> str:
    return json.dumps(_executed(_rule_adapter().dump_python(rule, mode="json")), sort_keys=True)


def _promises(old: Contract, new: Contract) -> Iterator[Change]:
    def promised(contract: Contract) -> set[tuple[object, ...]]:
        return {(s.property, s.value, s.unit, s.element, s.schedule) for s in contract.service_levels}

    for level in sorted({str(entry[0]) for entry in promised(old) ^ promised(new)}):
        yield Change(kind="promised", sentence=f"the service level {level} changes")
    if set(old.servers) != set(new.servers):
        yield Change(kind="promised", sentence=f"served by {_listed(new.servers)}, was {_listed(old.servers)}")


def _listed(words: Collection[str] | Iterator[str]) -> str:
    return ", ".join(words) or "none"
