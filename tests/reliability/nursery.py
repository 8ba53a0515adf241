"""Processes to kill: imports everything once, then forks a child for each job it reads from stdin, so that a trial is cheap.

A line of jobs in, a line of endings out. A child takes what is due, tells the lineage, and may die of `MESH_FAULT` on the way.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from lakehouse.address import Address
    from lakehouse.mesh import Mesh

ROOT = Path(__file__).parents[2]


Way = Literal["run", "replay", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Run these products of the mesh at `root`, in this order; `times` over. Or replay what they set aside, or roll them back."""

    root: str
    products: tuple[str, ...]
    fault: str = ""
    times: int = 1
    does: Way = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a child ended: killed by its fault, or with the results of its batches, or with an error."""

    killed: bool
    results: tuple[str, ...] = ()
    error: str = ""


class Nursery:
    """The parent of the children, in a process of its own: the tests' process has threads, and must not fork."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.nursery"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def run(self, *jobs: Job) -> list[Ending]:
        """Run all jobs at the same time, each in a child of its own, and wait for them."""
        self.start(*jobs)
        return self.endings()

    def start(self, *jobs: Job) -> None:
        assert self._process.stdin is not None
        print(json.dumps([asdict(j) for j in jobs]), file=self._process.stdin, flush=True)

    @property
    def busy(self) -> bool:
        """Whether a job that was started still runs."""
        return not select.select([self._process.stdout], [], [], 0)[0]

    def endings(self) -> list[Ending]:
        assert self._process.stdout is not None
        answer = json.loads(self._process.stdout.readline())
        return [Ending(killed=a["killed"], results=tuple(a["results"]), error=a["error"]) for a in answer]


def _main() -> None:
    _import_all()
    for line in sys.stdin:
        jobs = [Job(**{**job, "products": tuple(job["products"])}) for job in json.loads(line)]
        children = [_fork(job) for job in jobs]
        sys.stdout.write(json.dumps([_ending(pid, reading) for pid, reading in children]) + "\n")
        sys.stdout.flush()


def _import_all() -> None:
    for name in ("lakehouse.checks.sql", "lakehouse.engines.duckdb", "lakehouse.outbox", "orchestration.story"):
        importlib.import_module(name)


def _fork(job: Job) -> tuple[int, int]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    os.close(reading)
    answer: dict[str, object] = {}
    try:
        answer = {"results": _work(job), "error": ""}
    finally:  # a child says everything that ended it, and ends here whatever that was
        os.write(writing, json.dumps(answer or {"results": [], "error": traceback.format_exc()}).encode())
        os._exit(0 if answer else 1)


def _ending(pid: int, reading: int) -> dict[str, object]:
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return {"killed": killed, **(json.loads(said) if said else {"results": [], "error": "" if killed else f"status {status}"})}


def _work(job: Job) -> Sequence[str]:
    from lakehouse.address import Address
    from lakehouse.mesh import Mesh
    from lakehouse.outbox import deliver
    from lakehouse.settings import Settings

    os.environ["MESH_FAULT"] = job.fault
    results: list[str] = []
    root = Path(job.root)
    with Mesh.open(Settings.find(root, root / ".mesh")) as mesh:
        for product in job.products * job.times:
            results += _DOES[job.does](mesh, Address.parse(product))
        deliver(mesh, budget=30)
    return results


def _run(mesh: Mesh, product: Address) -> list[str]:
    from orchestration.story import Request, run_product

    return [o.result for o in run_product(mesh, mesh.product(product), Request(run_id=str(uuid.uuid4())))]


def _replay(mesh: Mesh, product: Address) -> list[str]:
    from lakehouse.quarantine import rows
    from orchestration.replay import replay
    from orchestration.story import Request

    return [o.result for o in replay(mesh, product, rows(mesh, product), Request(run_id=str(uuid.uuid4())))]


def _roll_back(mesh: Mesh, product: Address) -> list[str]:
    """Where there is nothing to go back to, that is all."""
    from lakehouse.errors import WrongUse
    from lakehouse.rollback import plan_rollback, rollback

    try:
        plan = plan_rollback(mesh, mesh.product(product))
    except WrongUse:
        return []
    rollback(mesh, plan, str(uuid.uuid4()))
    return ["published"]


_DOES = {"run": _run, "replay": _replay, "rollback": _roll_back}


if __name__ == "__main__":
    _main()
