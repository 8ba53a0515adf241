"""A process may die anywhere: the next run cleans up by itself, and nothing is lost, doubled, unjudged or left behind."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lakehouse.faults import POINTS
from tests.reliability.events import EVENTS, declare, deliver, losses
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
@pytest.mark.parametrize("seed", range(60))
def test_killed_again_while_recovering(nursery: Nursery, tmp_path: Path, seed: int):
    """The run that cleans up may die as well, and the one after it."""
    chance = random.Random(seed)
    first = f"{chance.choice(('k1', 'k2', 'k5', 'k6', 'k7', 'k11'))}:0"
    assert trial(nursery, tmp_path, [first, f"{chance.choice(('k1', 'k3', 'k4', 'k6', 'k7', 'k8', 'k11'))}:0"]) == []
