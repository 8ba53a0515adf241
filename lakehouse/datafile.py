"""A Parquet file that DuckDB wrote -> an Iceberg data file with its statistics and partition, read from the footer.

pyiceberg's own way refuses tables with required columns and knows no foreign writer, so the statistics are taken from the
same functions it uses. Next: `write.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    MetricModeTypes,
    MetricsMode,
    StatisticsCollector,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.types import StringType

from lakehouse.errors import TransformFailed
from lakehouse.partitions import partition_of
from lakehouse.scan import local_address

_UNKNOWN = -1
"""The field id given here to columns that the table does not know, such as a split's notes on a row."""


def data_file(path: Path, metadata: TableMetadata) -> DataFile:
    """Describe a file written with the table's field ids; every row of it must lie in one partition."""
    footer: Any = pq.read_metadata(path)
    schema, spec = metadata.schema(), metadata.spec()
    ids, plan = parquet_path_to_id_mapping(schema), compute_statistics_plan(schema, metadata.properties)
    for name in {footer.schema.column(i).path for i in range(footer.num_columns)} - ids.keys():
        ids[name] = _UNKNOWN
        plan[_UNKNOWN] = StatisticsCollector(
            field_id=_UNKNOWN, iceberg_type=StringType(), mode=MetricsMode(MetricModeTypes.NONE), column_name=name
        )
    try:
        statistics = data_file_statistics_from_parquet_metadata(footer, plan, ids)
    except OverflowError:
        raise TransformFailed(
            f"{metadata.location}: a date or an instant is outside the years 1 to 9999, which no other reader could read",
            hint="set such rows aside by a rule, or make the value null",
        ) from None
    statistics.column_sizes.pop(_UNKNOWN, None)
    described = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=local_address(path),
        file_format=FileFormat.PARQUET,
        partition=partition_of(path, statistics, spec, schema),
        file_size_in_bytes=path.stat().st_size,
        sort_order_id=None,
        spec_id=spec.spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )
    # from_args leaves spec_id unset, and reading it back would raise
    described.spec_id = spec.spec_id
    return described
