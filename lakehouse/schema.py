"""A contract -> the Iceberg schema and partitions of its table, and what an evolution may do to them.

Field ids are given when the table is created; from then on the table is their only source. All columns are optional in
Iceberg: nullability lives in the contract and the gate (DuckDB writes optional columns, and pyiceberg refuses them as required).
Next: `catalogs.py`.
"""

from __future__ import annotations

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.transforms import parse_transform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    PrimitiveType,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

from lakehouse.declare.contract import Contract
from lakehouse.errors import Unavailable
from lakehouse.types import ColumnType, Decimal, ListOf, MapOf, Primitive, PrimitiveName, StructOf, quote

_PRIMITIVES: dict[PrimitiveName, PrimitiveType] = {
    "boolean": BooleanType(),
    "int": IntegerType(),
    "long": LongType(),
    "float": FloatType(),
    "double": DoubleType(),
    "date": DateType(),
    "time": TimeType(),
    "timestamp": TimestampType(),
    "timestamptz": TimestamptzType(),
    "string": StringType(),
    "uuid": UUIDType(),
    "binary": BinaryType(),
}


class _Ids:
    """Field ids in the order in which they are asked for; top-level columns come first, as in pyiceberg."""

    def __init__(self, start: int) -> None:
        self._next = start

    def take(self) -> int:
        self._next += 1
        return self._next - 1


def iceberg_type(kind: ColumnType, ids: _Ids) -> IcebergType:
    """The Iceberg type of a column type, with fresh ids for its parts."""
    match kind:
        case Primitive(name):
            return _PRIMITIVES[name]
        case Decimal(precision, scale):
            return DecimalType(precision, scale)
        case ListOf(element):
            return ListType(element_id=ids.take(), element=iceberg_type(element, ids), element_required=False)
        case MapOf(key, value):
            key_id, value_id = ids.take(), ids.take()
            return MapType(
                key_id=key_id,
                key_type=iceberg_type(key, ids),
                value_id=value_id,
                value_type=iceberg_type(value, ids),
                value_required=False,
            )
        case StructOf(fields):
            reserved = [(ids.take(), name, part) for name, part in fields]
            return StructType(*(NestedField(i, name, iceberg_type(part, ids), required=False) for i, name, part in reserved))


def iceberg_schema(contract: Contract) -> Schema:
    """The schema of a new table, columns in contract order."""
    ids = _Ids(len(contract.columns) + 1)
    columns = [
        NestedField(i, c.name, iceberg_type(c.type, ids), required=False, doc=c.description or None)
        for i, c in enumerate(contract.columns, start=1)
    ]
    return Schema(*columns)


def partition_spec(contract: Contract, schema: Schema) -> PartitionSpec:
    """The partition spec of a new table; partition fields are named as Iceberg names them (`ts_day`, identity: the column)."""
    fields = []
    for number, column in enumerate(contract.partitions):
        transform = str(column.partition)
        name = column.name if transform == "identity" else f"{column.name}_{transform.split('[', maxsplit=1)[0]}"
        source = schema.find_field(column.name).field_id
        fields.append(PartitionField(source_id=source, field_id=1000 + number, transform=parse_transform(transform), name=name))
    return PartitionSpec(*fields)


def evolve(update: UpdateSchema, table: Schema, contract: Contract) -> bool:
    """Add the contract's new columns and widen its widened ones; say whether anything changed. Breaking edits are refused before."""
    changed = False
    for column in contract.columns:
        wanted = iceberg_type(column.type, _Ids(1))
        if column.name not in table.column_names:
            update.add_column(column.name, wanted, doc=column.description or None)
            changed = True
        elif isinstance(wanted, PrimitiveType) and table.find_field(column.name).field_type != wanted:
            update.update_column(column.name, field_type=wanted)
            changed = True
    return changed


def duckdb_type(kind: IcebergType) -> str:
    """How DuckDB spells an Iceberg type."""
    match kind:
        case DecimalType():
            return f"DECIMAL({kind.precision},{kind.scale})"
        case ListType():
            return f"{duckdb_type(kind.element_type)}[]"
        case MapType():
            return f"MAP({duckdb_type(kind.key_type)}, {duckdb_type(kind.value_type)})"
        case StructType():
            return "STRUCT(" + ", ".join(f"{quote(f.name)} {duckdb_type(f.field_type)}" for f in kind.fields) + ")"
        case FixedType():
            return "BLOB"
        case PrimitiveType():
            return _DUCKDB[kind]
        case _:
            raise Unavailable(f"the table holds a column of type {kind}, which this engine cannot read", hint="leave it out of the port")


_DUCKDB = {kind: Primitive(name).duckdb for name, kind in _PRIMITIVES.items()}
