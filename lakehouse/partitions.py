"""Which partition is a row in, in SQL; and a file that DuckDB wrote, by its statistics and its folder.

DuckDB knows no Iceberg bucket, so it is taught pyiceberg's. Next: `mesh.py`, `datafile.py`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import ARROW, SPECIAL
from pyiceberg.io.pyarrow import DataFileStatistics
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform
from pyiceberg.typedef import Record
from pyiceberg.types import PrimitiveType, UUIDType

from lakehouse.declare.contract import Contract
from lakehouse.errors import Unavailable
from lakehouse.schema import duckdb_type, iceberg_schema, partition_spec
from lakehouse.types import quote

PARTITION = "__p"
"""With a number, the column by which rows are parted into files, and so a folder of theirs; no column of a contract is called this."""


def partition_value(transform: str, column: str, kind: object) -> str:
    """What is the same exactly for the rows of one partition, as SQL."""
    width = transform.partition("[")[2].rstrip("]")
    match transform.partition("[")[0]:
        case "identity":
            return column
        case "year" | "month" | "day" | "hour" as unit:
            instant = f"timezone('UTC', {column})" if str(kind) == "timestamptz" else column
            return f"date_trunc('{unit}', {instant})"
        case "bucket":
            return f"{_bucket(width, kind)}({column})"
        case "truncate" if str(kind) == "string":
            return f"left({column}, {width})"
        case "truncate":
            return f"({column} - ((({column} % {width}) + {width}) % {width}))"
        case other:
            raise Unavailable(
                f"partition transform {other} is not written by this engine",
                hint="use identity, year, month, day, hour, bucket[N] or truncate[N]",
            )


def partition_columns(spec: PartitionSpec, schema: Schema) -> list[str]:
    """The SQL of each partition field, under the name that parts rows by it."""
    sources = [schema.find_field(f.source_id) for f in spec.fields]
    return [
        f"{partition_value(str(f.transform), quote(source.name), source.field_type)} as {PARTITION}{i}"
        for i, (f, source) in enumerate(zip(spec.fields, sources, strict=True))
    ]


def learn_buckets(connection: duckdb.DuckDBPyConnection, contracts: Iterable[Contract]) -> None:
    """Teach DuckDB the buckets of these contracts. `connection` must stay open as long as its cursors, which know them too."""
    functions = dict(_functions(contracts))
    for name, (transform, kind) in functions.items():
        function = _bucket_of(transform, kind)
        connection.create_function(name, function, [duckdb_type(kind)], "INTEGER", type=ARROW, null_handling=SPECIAL)


def _functions(contracts: Iterable[Contract]) -> Iterator[tuple[str, tuple[BucketTransform[Any], PrimitiveType]]]:
    for contract in contracts:
        if any(str(column.partition).startswith("bucket") for column in contract.partitions):
            schema = iceberg_schema(contract)
            for field in partition_spec(contract, schema).fields:
                kind = schema.find_field(field.source_id).field_type
                if isinstance(field.transform, BucketTransform) and isinstance(kind, PrimitiveType):
                    yield _bucket(str(field.transform.num_buckets), kind), (field.transform, kind)


def partition_of(path: Path, statistics: DataFileStatistics, spec: PartitionSpec, schema: Schema) -> Record:
    """The partition of a file: a bucket as its folder says, any other value from the smallest and largest of its column."""
    values = []
    for number, field in enumerate(spec.fields):
        if isinstance(field.transform, BucketTransform):
            told = next(part.partition("=")[2] for part in path.parts if part.startswith(f"{PARTITION}{number}="))
            values.append(int(told) if told.isdigit() else None)
        else:
            values.append(statistics.partition(PartitionSpec(field), schema)[0])
    return Record(*values)


def _bucket(width: str, kind: object) -> str:
    return re.sub(r"\W+", "_", f"bucket_{width}_{kind}")


def _bucket_of(transform: BucketTransform[Any], kind: PrimitiveType) -> Callable[[pa.ChunkedArray], pa.Array]:
    calculated = transform.pyarrow_transform(kind)

    def bucket(values: pa.ChunkedArray) -> pa.Array:
        flat = pa.array([]) if not values.num_chunks else pa.concat_arrays(values.chunks)
        if isinstance(kind, UUIDType):  # which DuckDB hands over as text
            flat = pa.array([None if v is None else uuid.UUID(v).bytes for v in flat.to_pylist()], pa.binary(16))
        return calculated(flat)

    return bucket
