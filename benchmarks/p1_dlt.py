"""The peer of P1, run by the Python of `.peers/dlt`: a CSV file into an Iceberg table by dlt's filesystem destination, without checks.

Prints the seconds it took, imports left out: `python p1_dlt.py CSV FOLDER`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dlt  # type: ignore[import-not-found]
import pyarrow as pa
import pyarrow.csv
import pyiceberg.table  # noqa: F401  dlt imports it when it loads; that is no part of the work


def _read(path: str) -> Iterator[pa.Table]:
    yield pyarrow.csv.read_csv(path)


def main(path: str, folder: str) -> None:
    dlt.config["runtime.dlthub_telemetry"] = False
    lineitem = dlt.resource(_read(path), name="lineitem", table_format="iceberg", write_disposition="append")
    destination = dlt.destinations.filesystem(Path(folder, "lake").as_uri())
    pipeline = dlt.pipeline("p1", pipelines_dir=str(Path(folder, "state")), destination=destination, dataset_name="bench")
    started = time.perf_counter()
    pipeline.run(lineitem)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(*sys.argv[1:])
