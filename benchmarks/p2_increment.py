"""P2: what does a thousand new rows cost in a resident process with all duties on, and does it stay that way?

A file is put into the landing folder, the product is run (read, five row rules, one key over the whole port, publication, lineage
into the outbox, expiry), the file is moved away. The floor is pyiceberg's own append of the same rows with `expire_snapshots`
every 20 and no check at all; floor and runners take turns, increment by increment, in one process.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import pyarrow as pa
import pyarrow.csv
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from benchmarks.measure import opened
from lakehouse.address import Address
from lakehouse.catalogs import open_catalog
from lakehouse.commit import PROPERTIES
from lakehouse.mesh import Mesh
from lakehouse.settings import Settings
from lakehouse.testing import MeshFolder, Property
from orchestration.story import Request, run_product

ROWS = 1_000
WINDOW = 100
WARMUP = 10
EXPIRE_EVERY = 20
RUNNERS = ("sql", "soda")
READINGS = Address("plant", "readings")

COLUMNS: dict[str, Property] = {
    "id": "integer",
    "sensor": {"logicalType": "string", "required": True, "logicalTypeOptions": {"pattern": "^s[0-9]{1,3}$"}},
    "at": "timestamp",
    "celsius": {"logicalType": "number", "logicalTypeOptions": {"minimum": -60}},
    "battery": {"logicalType": "integer", "logicalTypeOptions": {"maximum": 100}},
}
"""Five row rules: id and sensor are given, the sensor's pattern, a minimum and a maximum. (That numbers are finite is a sixth.)"""


@dataclass(slots=True)
class Taken:
    """Milliseconds of wall and CPU time, an entry per increment."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @contextmanager
    def once(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall.append((time.perf_counter() - wall) * 1000)
        self.cpu.append((time.process_time() - cpu) * 1000)


def run() -> dict[str, object]:
    """100 and 1,000 increments: two minutes or so."""
    return measure((100, 1_000))


def run_full() -> dict[str, object]:
    """10,000 increments as well."""
    return measure((100, 1_000, 10_000))


def measure(checkpoints: Sequence[int]) -> dict[str, object]:
    taken = {name: Taken() for name in ("floor", *RUNNERS)}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        meshes = {name: opened.enter_context(_mesh(Path(folder) / name, name)) for name in RUNNERS}
        table = _bare_table(Path(folder) / "floor")
        for number in range(WARMUP + checkpoints[-1]):
            rows = _rows(number)
            with taken["floor"].once():
                table = _bare_append(table, rows, number)
            for name, mesh in meshes.items():
                with _delivered(mesh, rows, number), taken[name].once():
                    _run(mesh)
        fresh = {name: _old_over_fresh(mesh, Path(folder) / f"fresh-{name}", number + 1) for name, mesh in meshes.items()}
    runners = {name: {f"at_{n}": _figures(taken[name], taken["floor"], n) for n in checkpoints} for name in RUNNERS}
    for name, figures in runners.items():
        figures[f"at_{checkpoints[-1]}"]["p50_last_over_fresh"] = fresh[name]
    last = {name: figures[f"at_{checkpoints[-1]}"] for name, figures in runners.items()}
    return {"runner": "soda", "rows": ROWS, "increments": checkpoints[-1], **last["soda"], "runners": runners}


def _old_over_fresh(old: Mesh, root: Path, number: int) -> float:
    """A hundred increments more, in turns with the first hundred of a new mesh: what the table's size costs, whatever the machine does."""
    taken = {"old": Taken(), "fresh": Taken()}
    with _mesh(root, old.settings.checks.runner) as fresh:
        for more in range(WARMUP + WINDOW):
            for name, mesh, at in (("old", old, number + more), ("fresh", fresh, more)):
                with _delivered(mesh, _rows(at), at), taken[name].once():
                    _run(mesh)
    return median(taken["old"].wall[WARMUP:]) / median(taken["fresh"].wall[WARMUP:])


def _figures(taken: Taken, floor: Taken, increments: int) -> dict[str, float]:
    """The last hundred increments, and against the first hundred; the slowest of a hundred is sought among all so far."""
    end = WARMUP + increments
    first, last = slice(WARMUP, WARMUP + WINDOW), slice(end - WINDOW, end)
    p50, floor_p50 = median(taken.wall[last]), median(floor.wall[last])
    return {
        "p50_ms": p50,
        "p99_ms": _p99(taken.wall[WARMUP:end]),
        "floor_p50_ms": floor_p50,
        "floor_p99_ms": _p99(floor.wall[WARMUP:end]),
        "ratio_to_floor": p50 / floor_p50,
        "p50_last_over_first": p50 / median(taken.wall[first]),
        "floor_p50_last_over_first": floor_p50 / median(floor.wall[first]),
        "cpu_p50_ms": median(taken.cpu[last]),
        "floor_cpu_p50_ms": median(floor.cpu[last]),
    }


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100)[-1]


def _rows(number: int) -> pa.Table:
    ids = pa.array(range(number * ROWS, (number + 1) * ROWS), pa.int64())
    return pa.table(
        {
            "id": ids,
            "sensor": pa.array([f"s{i % 400}" for i in range(ROWS)]),
            "at": pa.array([1_767_225_600_000_000 + (number * ROWS + i) * 1_000_000 for i in range(ROWS)], pa.timestamp("us", tz="UTC")),
            "celsius": pa.array([(i * 7919 % 900) / 10 - 20 for i in range(ROWS)]),
            "battery": pa.array([i % 101 for i in range(ROWS)], pa.int64()),
        }
    )


# the floor


def _bare_table(home: Path) -> Table:
    """A table in pyiceberg's own catalog on an engine like the mesh's, with the properties that the mesh gives its tables."""
    home.mkdir()
    (home / "mesh.toml").touch()
    ours, _ = open_catalog(Settings.find(home, home / ".mesh"))
    catalog = SqlCatalog(ours.name, **ours.properties)
    catalog.engine.dispose()
    catalog.engine = ours.engine
    catalog.create_namespace(READINGS.domain)
    return catalog.create_table(READINGS.identifier, _rows(0).schema, properties=PROPERTIES)


def _bare_append(table: Table, rows: pa.Table, number: int) -> Table:
    table.append(rows)
    if number % EXPIRE_EVERY == EXPIRE_EVERY - 1:
        old = [s.snapshot_id for s in table.snapshots()[:-EXPIRE_EVERY]]
        table.maintenance.expire_snapshots().by_ids(old).commit()
    return table


# the product


@contextmanager
def _mesh(root: Path, runner: str) -> Iterator[Mesh]:
    folder = MeshFolder(root)
    folder.product(str(READINGS), columns=COLUMNS, key=["id"])
    folder.landing(str(READINGS)).mkdir(parents=True)
    (root / "taken").mkdir()
    with opened(root, runner) as mesh:
        yield mesh


@contextmanager
def _delivered(mesh: Mesh, rows: pa.Table, number: int) -> Iterator[None]:
    path = mesh.settings.root / "landing" / str(READINGS) / f"{number:06}.csv"
    pyarrow.csv.write_csv(rows, path)
    yield
    path.rename(mesh.settings.root / "taken" / path.name)


def _run(mesh: Mesh) -> None:
    outcomes = list(run_product(mesh, mesh.product(READINGS), Request(run_id=str(uuid.uuid4()))))
    if [o.result for o in outcomes] != ["published"]:
        raise RuntimeError(f"the benchmark's data should be published: {outcomes}")
