"""A process may die anywhere: the next run cleans up by itself, and nothing is lost, doubled, unjudged or left behind."""

from __future__ import annotations

import random
from fnmatch import fnmatch
from pathlib import Path

import pytest

from lakehouse.declare.product import Write
from lakehouse.faults import POINTS
from tests.reliability.events import EVENTS, correct, declare, deliver, losses, uncorrected
from tests.reliability.nursery import Job, Nursery
from tests.reliability.witness import Witness

PASSED = {"k1": 8, "k2": 4, "k3": 8, "k4": 3, "k5": 8, "k6": 3, "k7": 3, "k8": 3, "k9": 1, "k10": 8, "k11": 9}
"""How often four deliveries pass each point: twice for two ports, thrice for the three tables of a publication, of which one is blocked."""


def trial(nursery: Nursery, root: Path, faults: list[str]) -> list[str]:
    """Deliver four files, of which one is blocked; die at each of the faults, one run after the other; recover; look."""
    folder = declare(root)
    for number in range(4):
        deliver(folder, number, blocked=number == 2)
    for fault in faults:
        (ending,) = nursery.run(Job(root=str(root), products=(EVENTS,), fault=fault))
        if not ending.killed:
            return [f"{fault} was not reached: {ending}"]
    (recovered,) = nursery.run(Job(root=str(root), products=(EVENTS,)))
    problems = [recovered.error] if recovered.error else []
    return [*problems, *losses(root / ".mesh", {0, 1, 3}), *Witness(root / ".mesh").problems()]


CORRECTED: dict[Write, tuple[dict[int, int], int, int]] = {
    "upsert": ({0: 2, 1: 1, 2: 2}, 5, 3),
    "overwrite_partitions": ({0: 2, 1: 1, 2: 2}, 3, 3),
    "overwrite": ({0: 2, 1: 2, 2: 2}, 3, 1),
}
"""What three corrected files show, of which the middle one is blocked where it is a batch of its own; rows set aside; batches."""


def passings(point: str, batches: int) -> int:
    """How often these batches pass a point; all but one of several are published."""
    published = max(1, batches - 1)
    each = {"k2": batches, "k4": published, "k6": published, "k7": published, "k8": published, "k9": 1, "k11": 3 * published}
    return each.get(point, 2 * batches)


def correction(nursery: Nursery, root: Path, mode: Write, fault: str) -> list[str]:
    """Deliver three files and then others under their names; die while these are taken; recover; look."""
    folder, (values, aside, batches) = declare(root, write=mode), CORRECTED[mode]
    for number in range(3):
        correct(folder, number, 1)
    nursery.run(Job(root=str(root), products=(EVENTS,)))
    for number in range(3):
        correct(folder, number, 2, blocked=number == 1 and batches > 1)
    (ending,) = nursery.run(Job(root=str(root), products=(EVENTS,), fault=fault))
    if not ending.killed:
        return [f"{fault} was not reached: {ending}"]
    (recovered,) = nursery.run(Job(root=str(root), products=(EVENTS,)))
    problems = [recovered.error] if recovered.error else []
    return [*problems, *uncorrected(root / ".mesh", values, aside), *Witness(root / ".mesh").problems()]


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_run_leaves_nothing_wrong(nursery: Nursery, tmp_path: Path, point: str):
    """At every kill point: after the next run the rows are there once, the ports agree, and no file, lease or story is left over."""
    assert trial(nursery, tmp_path, [f"{point}:{PASSED[point] - 1}"]) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_random_passing(nursery: Nursery, tmp_path: Path, point: str, seed: int):
    """The same, twenty times at each point, at any of its passings."""
    assert trial(nursery, tmp_path, [f"{point}:{random.Random(seed).randrange(PASSED[point])}"]) == []


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("mode", CORRECTED)
def test_killed_while_rows_are_replaced(nursery: Nursery, tmp_path: Path, mode: Write, point: str):
    """The same where a file replaces rows: what was there stays until all of the new is there, in both ports and the quarantine."""
    assert correction(nursery, tmp_path, mode, f"{point}:{passings(point, CORRECTED[mode][2]) - 1}") == []


REACHED = {
    "k1": "data", "k5": "data", "k2": "data, manifests", "k3": "data, manifests", "k4": "data, manifests", "k6": "data, manifests",
    "k7": "data, manifests, metadata", "k11": "data, manifests, metadata", "k8": "data, manifests, metadata, published",
    "k9": "data, manifests, metadata, published", "k10": "data, manifests, metadata, published",
}  # fmt: skip
"""What there is of the main port's next state when a run dies at a point for the first time."""


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("mode", ["append", *CORRECTED])
def test_a_point_lies_where_its_name_says(nursery: Nursery, tmp_path: Path, mode: Write, point: str):
    """In every write mode a run that dies at a point has done what its name says, and nothing more."""
    folder = declare(tmp_path, write=mode)
    correct(folder, 0, 1)
    nursery.run(Job(root=str(tmp_path), products=(EVENTS,)))
    before = there(tmp_path)
    correct(folder, int(mode == "append"), 2)
    (ending,) = nursery.run(Job(root=str(tmp_path), products=(EVENTS,), fault=f"{point}:0"))
    assert ending.killed
    new = there(tmp_path) - before
    kinds = {"data": "*.parquet", "manifests": "*/snap-*.avro", "metadata": "*.metadata.json", "published": "publication *"}
    assert ", ".join(kind for kind, name in kinds.items() if any(fnmatch(n, name) for n in new)) == REACHED[point]


def there(root: Path) -> set[str]:
    """The main port's files and the product's publications."""
    home = root / ".mesh"
    return {str(p) for p in (home / "warehouse/ops/events").rglob("*.*")} | {
        f"publication {row['id']}" for row in Witness(home).ask("select id from publications")
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_killed_again_while_recovering(nursery: Nursery, tmp_path: Path, seed: int):
    """The run that cleans up may die as well, and the one after it."""
    chance = random.Random(seed)
    first = f"{chance.choice(('k1', 'k2', 'k5', 'k6', 'k7', 'k11'))}:0"
    assert trial(nursery, tmp_path, [first, f"{chance.choice(('k1', 'k3', 'k4', 'k6', 'k7', 'k8', 'k11'))}:0"]) == []
