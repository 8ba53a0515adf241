"""What is in a new product: declarations inferred from its files, each guess with its evidence beside it.

Next: `lakehouse/infer/`, which guesses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from lakehouse.address import Address
from lakehouse.declare.findings import suggestion
from lakehouse.declare.product import Dialect, Write
from lakehouse.errors import WrongUse
from lakehouse.infer import Draft, DraftColumn, infer
from lakehouse.types import ColumnType, Decimal, ListOf, MapOf, Primitive, StructOf
from lakemesh.scaffold.arriving import Arriving

Template = Literal["as-is", "duckdb", "polars", "pandas", "pyarrow"]
INPUT = "landed"
_LOGICAL = {
    "boolean": "boolean",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamptz": "timestamp",
    "string": "string",
    "uuid": "string",
    "binary": "string",
}
_UNSAID = ("boolean", "long", "double", "date", "time", "timestamptz", "string")
_FORMS = {
    "duckdb": ("duckdb", "duckdb.DuckDBPyRelation"),
    "polars": ("polars as pl", "pl.LazyFrame"),
    "pandas": ("pandas as pd", "pd.DataFrame"),
    "pyarrow": ("pyarrow as pa", "pa.RecordBatchReader"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asked for."""

    address: Address
    arriving: Arriving
    key: tuple[str, ...] = ()
    write: Write | None = None
    template: Template = "as-is"

    @property
    def mode(self) -> Write:
        return self.write or ("overwrite" if self.arriving.single else "append")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A product's files, and what they were inferred from."""

    files: dict[str, str]
    draft: Draft


def make(wish: Wish) -> Made:
    """Infer the declarations; WrongUse for a key that no column is, or that its values contradict."""
    draft = _zoned(infer(wish.arriving.files)) if wish.arriving.files else _blank(wish)
    _check_key(wish, draft)
    _partition(wish, draft)
    files = {"product.odps.yaml": _product(wish, draft), f"{wish.address.port}.odcs.yaml": _contract(wish, draft)}
    if wish.template != "as-is":
        files |= {f"{INPUT}.odcs.yaml": _expected(wish, draft), "transform.py": _transform(wish)}
    return Made(files=files, draft=draft)


def _blank(wish: Wish) -> Draft:
    """What to begin with where no file could be looked at: the key, or an id, as texts."""
    for name in wish.key:
        if not re.fullmatch("[a-z_][a-z0-9_]*", name):
            raise WrongUse(f"{name!r} is no column's name", hint="lower-case letters, digits and _")
    reason, text = "no file was looked at: say what arrives", Primitive("string")
    columns = tuple(
        DraftColumn(name=name, physical_name=name, type=text, required=True, unique=True, evidence=reason) for name in wish.key or ("id",)
    )
    return Draft(format="csv", dialect=Dialect(), columns=columns, key_candidates=(), rows=0, whole=True)


def _partition(wish: Wish, draft: Draft) -> str | None:
    """The column whose partitions are overwritten: the first date. WrongUse when there is none."""
    if wish.mode != "overwrite_partitions":
        return None
    for column in draft.columns:
        if column.type == Primitive("date"):
            return column.name
    raise WrongUse("no column is a date, by which partitions could be overwritten", hint="--write append, upsert or overwrite")


def _zoned(draft: Draft) -> Draft:
    """A time of the clock on the wall says so in its name; the files may go on calling it as they do."""
    taken = {c.name for c in draft.columns}
    columns = tuple(_local(c, taken) if c.type == Primitive("timestamp") else c for c in draft.columns)
    called = {before.name: after.name for before, after in zip(draft.columns, columns, strict=True)}
    return replace(draft, columns=columns, key_candidates=tuple(called[name] for name in draft.key_candidates))


def _local(column: DraftColumn, taken: set[str]) -> DraftColumn:
    name = column.name if column.name.endswith("_local") else f"{column.name}_local"
    return column if name in taken else replace(column, name=name)


def _check_key(wish: Wish, draft: Draft) -> None:
    columns = {c.name: c for c in draft.columns}
    for name in wish.key:
        if name not in columns:
            raise WrongUse(f"there is no column {name!r}", hint=suggestion(name, columns))
        if not columns[name].required:
            raise WrongUse(f"{name} cannot be a key: {columns[name].evidence}", hint="a key has a value in every row")
    if wish.mode != "upsert" and len(wish.key) == 1 and draft.rows > 1 and not columns[wish.key[0]].unique:
        candidates = ", ".join(draft.key_candidates) or "no single column"
        raise WrongUse(f"{wish.key[0]} is not unique in the files", hint=f"unique there: {candidates}; several columns: --key a,b")
    if wish.mode == "upsert" and not wish.key:
        raise WrongUse("an upsert needs a key", hint=f"--key {next(iter(draft.key_candidates), 'COLUMNS')}")


# the product


def _product(wish: Wish, draft: Draft) -> str:
    return f"""\
# yaml-language-server: $schema=../../../.mesh/schemas/product.schema.json
apiVersion: v1.1.0
kind: DataProduct
id: {wish.address}
name: {wish.address.port}
version: 1.0.0
status: active
type: sourceAligned
description:
  purpose: Say what {wish.address.port.replace("_", " ")} is good for.
inputPorts:
  - name: {INPUT}
    customProperties:
      - property: lakemesh
        vendor: lakemesh
        value:
          source: {{files: {{path: {json.dumps(wish.arriving.path)}, format: {draft.format}{_dialect(draft)}}}}}
outputPorts:
  - name: {wish.address.port}
    description: Say what one row is.
    version: 1.0.0
    contractId: {wish.address}
    customProperties:
      - {{property: lakemesh, vendor: lakemesh, value: {{write: {wish.mode}}}}}
"""


_SPELT = {"date_format": "dateFormat", "timestamp_format": "timestampFormat"}


def _dialect(draft: Draft) -> str:
    """Only what is not the default."""
    plain = Dialect()
    other = {f.name: getattr(draft.dialect, f.name) for f in fields(Dialect) if getattr(draft.dialect, f.name) != getattr(plain, f.name)}
    said = ", ".join(f"{_SPELT.get(name, name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in other.items())
    return f", dialect: {{{said}}}" if said else ""


# the contracts


def _contract(wish: Wish, draft: Draft) -> str:
    columns = "".join(_promised(wish, column, partitioned=column.name == _partition(wish, draft)) for column in draft.columns)
    return _head(wish.address, wish.address.port, f"Say what consumers may rely on. {_seen(draft)}") + columns


def _expected(wish: Wish, draft: Draft) -> str:
    columns = "".join("".join(f"{line}\n" for line in _typed(c, physical=True)) for c in draft.columns)
    return _head(Address(wish.address.domain, INPUT), INPUT, "What is expected to arrive.") + columns


def _head(address: Address, schema: str, purpose: str) -> str:
    return f"""\
# yaml-language-server: $schema=../../../.mesh/schemas/contract.schema.json
apiVersion: v3.2.0
kind: DataContract
id: {address}
version: 1.0.0
status: active
description:
  purpose: {purpose}
schema:
  - name: {schema}
    properties:
"""


def _seen(draft: Draft) -> str:
    return f"Inferred from {draft.rows:,} rows{'' if draft.whole else ', the first of more'}."


def _promised(wish: Wish, column: DraftColumn, *, partitioned: bool) -> str:
    lines = [f"      # {' '.join(column.evidence.split())}", *_typed(column, physical=wish.template == "as-is")]
    if column.name in wish.key:
        lines += ["        required: true", "        primaryKey: true", f"        primaryKeyPosition: {wish.key.index(column.name) + 1}"]
    lines += ["        partitioned: true"] * partitioned
    return "".join(f"{line}\n" for line in [*lines, "        classification: internal"])


def _typed(column: DraftColumn, *, physical: bool) -> Iterator[str]:
    yield f"      - name: {column.name}"
    yield from (f"        {line}" for line in _type(column.type, inside=False))
    if physical and column.physical_name != column.name:
        yield f"        physicalName: {json.dumps(column.physical_name, ensure_ascii=False)}"


def _type(kind: ColumnType, *, inside: bool = True) -> Sequence[str]:
    """A type in ODCS, as the lines of a mapping."""
    match kind:
        case Primitive("timestamp") if inside:
            return ["logicalType: string  # a timestamp without a zone; inside a column it cannot be renamed to ..._local"]
        case Primitive(name):
            said = [f"logicalType: {_LOGICAL[name]}"]
            return said if name in _UNSAID else [*said, f"physicalType: {name}"]
        case Decimal():
            return ["logicalType: number", f"physicalType: {kind}"]
        case ListOf(element):
            return ["logicalType: array", "items:", *_below(_type(element))]
        case MapOf(key, value):
            return ["logicalType: map", "map:", "  key:", *_below(_type(key), 2), "  value:", *_below(_type(value), 2)]
        case StructOf(parts):
            named = [line for name, part in parts for line in (f"  - name: {json.dumps(name)}", *_below(_type(part), 2))]
            return ["logicalType: object", "properties:", *named]


def _below(lines: Sequence[str], depth: int = 1) -> list[str]:
    return ["  " * depth + line for line in lines]


# the transform


def _transform(wish: Wish) -> str:
    module, form = _FORMS[wish.template]
    return f'''\
"""How {wish.address} is made of what landed: a pure function per output port, named after it."""

import {module}


def {wish.address.port}({INPUT}: {form}) -> {form}:
    """Give every row through, under the contract's names."""
    return {INPUT}
'''
