"""P11: how long does one small product take from a cold start, against `dbt run` of one view? And how long does `mesh --help`?

Each is a process of its own, started by this Python and ended: `mesh run` of a product with one delivery of a thousand rows (another
one every time), `dbt run` of a view over a thousand rows. They take turns.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from lakehouse.testing import MeshFolder

ROUNDS = 5
ROWS = 1_000
PRODUCT = "plant.readings"

PROJECT = "name: cold\nversion: 1.0.0\nprofile: cold\nmodel-paths: [models]\nflags: {send_anonymous_usage_stats: false}\n"
PROFILE = "cold: {target: scratch, outputs: {scratch: {type: duckdb, path: scratch.duckdb}}}\n"
VIEW = f"{{{{ config(materialized='view') }}}}\nselect range as id, range % 100 as celsius from range({ROWS})\n"


def run() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        mesh, project = _mesh(Path(folder) / "mesh"), _project(Path(folder) / "dbt")
        taken: dict[str, list[float]] = {"run": [], "dbt": [], "help": []}
        for number in range(ROUNDS + 1):
            _deliver(mesh, number)
            taken["run"].append(_seconds(["-m", "lakemesh", "run", PRODUCT], mesh.root))
            taken["dbt"].append(_seconds(["-m", "dbt.cli.main", "run", "--quiet", "--profiles-dir", "."], project))
            taken["help"].append(_seconds(["-m", "lakemesh", "--help"], mesh.root))
    # the first of each fills the file system's and Python's caches
    seconds = {name: median(found[1:]) for name, found in taken.items()}
    return {
        "runner": "soda",
        "run_s": seconds["run"],
        "dbt_s": seconds["dbt"],
        "ratio_to_dbt": seconds["run"] / seconds["dbt"],
        "help_s": seconds["help"],
    }


def _seconds(arguments: Sequence[str], where: Path) -> float:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], check=False, cwd=where, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
    return seconds


def _mesh(root: Path) -> MeshFolder:
    mesh = MeshFolder(root)
    (root / "mesh.toml").write_text('[checks]\nrunner = "soda"\n', encoding="utf-8")
    mesh.product(PRODUCT, columns={"id": "integer", "celsius": {"logicalType": "integer", "required": True}}, key=["id"])
    return mesh


def _deliver(mesh: MeshFolder, number: int) -> None:
    mesh.deliver(PRODUCT, f"{number}.csv", [{"id": number * ROWS + n, "celsius": n % 100} for n in range(ROWS)])


def _project(root: Path) -> Path:
    (root / "models").mkdir(parents=True)
    for name, text in (("dbt_project.yml", PROJECT), ("profiles.yml", PROFILE), ("models/cold.sql", VIEW)):
        (root / name).write_text(text, encoding="utf-8")
    return root
