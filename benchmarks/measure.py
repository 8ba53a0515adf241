"""How a figure is taken: routes interleaved, medians of several rounds, CPU and wall time, peak memory of a child process.

Interleaved, because the machine's other work then falls on every route alike.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lakehouse.declare import load
from lakehouse.mesh import Mesh
from lakehouse.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a route took: medians in milliseconds."""

    wall_ms: float
    cpu_ms: float


def opened(root: Path, runner: str) -> Mesh:
    """The mesh at `root` with a real clock and the check runner named."""
    declarations = load(root)
    declarations.raise_errors()
    return Mesh.open(Settings.find(root, root / ".mesh", checks={"runner": runner}), declarations)


def interleaved(routes: Mapping[str, Callable[[], object]], *, rounds: int = 5, warmup: int = 1) -> dict[str, Cost]:
    """The median cost of each route over `rounds`, one of each per round."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in routes}
    for number in range(warmup + rounds):
        for name, route in routes.items():
            cost = _once(route)
            if number >= warmup:
                taken[name].append(cost)
    return {name: Cost(wall_ms=median(w for w, _ in costs), cpu_ms=median(c for _, c in costs)) for name, costs in taken.items()}


def _once(route: Callable[[], object]) -> tuple[float, float]:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    route()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def peak_rss_mb(arguments: Sequence[str]) -> float:
    """The most memory that `python ARGUMENTS` held; RuntimeError when it fails."""
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        message = f"{' '.join(arguments)} ended with {child.returncode}"
        raise RuntimeError(message)
    return usage.ru_maxrss / (1 if sys.platform == "darwin" else 1024) / (1024 if sys.platform == "darwin" else 1)
