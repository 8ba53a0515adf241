"""Anything may follow anything: deliveries, gates, crashes, rollbacks, replays and upkeep against a dictionary.

The model knows no files and no transactions: a port is a dictionary of rows and a list of what is set aside, its publications are
copies of both.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from lakehouse.address import Address
from lakehouse.declare.contract import QuarantineLimit
from lakehouse.declare.product import Write
from lakehouse.maintain import maintain
from lakehouse.quarantine import rows as quarantined_rows
from lakehouse.rollback import plan_rollback, rollback
from lakehouse.verify import verify
from orchestration.replay import discard, replay
from orchestration.story import Request
from tests.reliability.nursery import Job, Nursery, Way
from tests.spine.tried import Tried

PORT = Address("lab", "things")
LIMIT = QuarantineLimit()
Row = tuple[int, int]
"""Key and value; a row with a negative value breaks a rule. The partition is the key modulo 3."""


@dataclass(slots=True)
class Model:
    """What a consumer should see."""

    mode: Write
    files: dict[str, list[Row]] = field(default_factory=dict)
    waiting: dict[str, list[Row]] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)
    aside: list[Row] = field(default_factory=list)
    states: list[tuple[dict[int, int], list[Row]]] = field(default_factory=list)
    """What was shown and set aside after each publication, of which there may be several in a run."""
    first: list[int] = field(default_factory=list)
    """For each publication the number of the one that first showed that state: its own, but for a rollback's."""

    def publish(self, first: int = 0) -> None:
        self.states.append((dict(self.rows), list(self.aside)))
        self.first.append(first or len(self.states))

    def back_to(self, number: int) -> None:
        rows, aside = self.states[number - 1]
        self.rows, self.aside = dict(rows), list(aside)
        self.publish(self.first[number - 1])

    def way_back(self, standing: Sequence[int]) -> int | None:
        """Which publication a rollback goes back to, of those that still stand (newest first): the last to show something else."""
        return next((n for n in standing if self.first[n - 1] != self.first[-1]), None)

    def take(self) -> list[str]:
        """Take what is waiting; gives the results of its batches."""
        batches = [self.waiting[name] for name in sorted(self.waiting)]
        if self.mode == "overwrite" and batches:
            batches = [[row for name in sorted(self.files) for row in self.files[name]]]
        self.waiting.clear()
        return [self.settle(batch) for batch in batches]

    def settle(self, batch: Sequence[Row]) -> str:
        good = [row for row in batch if row[1] >= 0]
        aside = [row for row in batch if row[1] < 0]
        if len(aside) > LIMIT.rows and 100 * len(aside) > LIMIT.percent * len(batch):
            return "blocked"
        keys = [key for key, _ in good]
        known = self.rows.keys() if self.mode == "append" else set[int]()
        if len(set(keys)) < len(keys) or known & set(keys) or (self.mode == "overwrite" and not good):
            return "blocked"
        if self.mode == "overwrite":
            self.rows, self.aside = {}, []
        if self.mode == "overwrite_partitions":
            touched = {key % 3 for key in keys}
            self.rows = {key: value for key, value in self.rows.items() if key % 3 not in touched}
            self.aside = [row for row in self.aside if row[0] % 3 not in touched | {key % 3 for key, _ in aside}]
        self.rows |= dict(good)
        self.aside += aside
        self.publish()
        return "published"

    def replay(self, group: Sequence[Row]) -> str:
        """Take rows that are set aside, all of one batch, after their rule was loosened."""
        keys = {key for key, _ in group}
        known = set[int]() if self.mode == "upsert" else self.rows.keys()
        if len(keys) < len(group) or known & keys:
            return "blocked"
        self.rows |= dict(group)
        self.aside = [row for row in self.aside if row not in group]
        self.publish()
        return "published"


rows = st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=4)


class Things(RuleBasedStateMachine):
    """One product, in any write mode."""

    nursery: Nursery

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.here = Tried(Path(self.folder.name))
        self.number = 0

    def teardown(self) -> None:
        self.folder.cleanup()

    @initialize(mode=st.sampled_from(["append", "overwrite", "overwrite_partitions", "upsert"]), first=rows)
    def declare(self, mode: Write, first: list[tuple[int, bool]]) -> None:
        """Something is there from the start: in many examples no delivery follows."""
        self.model = Model(mode)
        self.rule_for_values(minimum=0)
        self.deliver(first, "a", at_once=True)

    def rule_for_values(self, **options: int) -> None:
        self.here.product(
            str(PORT),
            columns={"key": "integer", "part": "integer", "value": {"logicalType": "integer", "logicalTypeOptions": options}},
            key=["key"],
            partitions={"part": "identity"},
            write=self.model.mode,
        )

    @contextmanager
    def loosened(self) -> Iterator[list[list[Row]]]:
        """While the rule is not there: gives the rows that are set aside, by batch, in the order in which they are replayed."""
        kept = sorted(self.here.quarantined(str(PORT)), key=lambda r: r.batch)
        self.rule_for_values()
        yield [[(row["key"], row["value"]) for row in (json.loads(r.row) for r in group)] for _, group in groupby(kept, lambda r: r.batch)]
        self.rule_for_values(minimum=0)

    @rule(rows=rows, name=st.sampled_from("abc"), at_once=st.booleans())
    def deliver(self, rows: list[tuple[int, bool]], name: str, *, at_once: bool) -> None:
        """Content never comes twice: values count up. An append gets a new file each time, the others may be corrected."""
        batch: list[Row] = []
        for key, good in rows:
            self.number += 1
            batch.append((key, self.number if good else -self.number))
        self.number += 1
        name = f"{self.number:05}.csv" if self.model.mode == "append" else f"{name}.csv"
        lines = [f"{key},{key % 3},{value}" for key, value in batch]
        self.here.deliver(str(PORT), name, "\n".join(["key,part,value", *lines]) + "\n" * self.number)
        self.model.files[name] = self.model.waiting[name] = batch
        if at_once:
            self.run()

    @precondition(lambda self: self.model.waiting)
    @rule()
    def run(self) -> None:
        assert self.here.results(str(PORT)) == self.model.take()

    @precondition(lambda self: self.model.waiting)
    @rule(point=st.sampled_from(["k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k11"]))
    def crash_and_run(self, point: str) -> None:
        """Die on the way; the next run does what is left."""
        (ending,) = self.nursery.run(Job(root=str(self.here.root), products=(str(PORT),), fault=f"{point}:0"))
        assert ending.error == ""
        self.here.run(str(PORT))
        self.model.take()

    @rule()
    def run_again(self) -> None:
        """A dry run, and a run with nothing to do, change nothing."""
        self.here.run(str(PORT), dry=True)
        if not self.model.waiting:
            assert self.here.results(str(PORT)) == []

    @precondition(lambda self: len(self.model.states) > 1)
    @rule()
    def roll_back(self) -> None:
        target = self.model.way_back(self.standing())
        if target is None:
            return
        with self.here.open() as mesh:
            rollback(mesh, plan_rollback(mesh, mesh.product(PORT)), str(uuid.uuid4()))
        self.model.back_to(target)

    def standing(self) -> list[int]:
        """The publications that could be gone back to, by number, newest first."""
        with self.here.open() as mesh:
            return [p.number for p in mesh.store.publications(PORT) if not p.withdrawn and not p.expired]

    @precondition(lambda self: self.model.mode == "append")
    @rule()
    def take_a_withdrawn_batch_by_name(self) -> None:
        with self.here.open() as mesh:
            withdrawn = mesh.store.batches(PORT, "withdrawn")
        if withdrawn:
            assert self.here.results(str(PORT), batch=withdrawn[0].id) == [self.model.settle(self.model.files[withdrawn[0].name])]

    @precondition(lambda self: self.model.aside)
    @rule()
    def replay(self) -> None:
        """What was set aside for good reason stays there, and nothing is published."""
        with self.here.open() as mesh:
            for outcome in replay(mesh, PORT, quarantined_rows(mesh, PORT), Request(run_id=str(uuid.uuid4()))):
                assert outcome.result == "unchanged"

    @precondition(lambda self: self.model.aside and self.model.mode != "overwrite")
    @rule()
    def replay_after_the_rule_was_loosened(self) -> None:
        """Each batch's rows are published, or blocked by the key; an overwrite would be computed anew, and is left out."""
        with self.loosened() as groups, self.here.open() as mesh:
            outcomes = list(replay(mesh, PORT, quarantined_rows(mesh, PORT), Request(run_id=str(uuid.uuid4()))))
        assert [o.result for o in outcomes] == [self.model.replay(group) for group in groups]

    @precondition(lambda self: self.model.aside and self.model.mode != "overwrite")
    @rule(point=st.sampled_from(["k1", "k2", "k4", "k5", "k7", "k8", "k11"]))
    def crash_in_such_a_replay(self, point: str) -> None:
        """What was published until then is, and nothing more."""
        with self.loosened() as groups:
            (ending,) = self.nursery.run(Job(root=str(self.here.root), products=(str(PORT),), fault=f"{point}:0", does="replay"))
        assert ending.error == ""
        with self.here.open() as mesh:
            published = len(mesh.store.publications(PORT))
        for group in groups:
            if len(self.model.states) < published:
                self.model.replay(group)
        self.here.run(str(PORT))
        self.model.take()

    @precondition(lambda self: self.model.aside)
    @rule(number=st.integers(0, 8))
    def discard(self, number: int) -> None:
        """Give one of the rows up that are set aside."""
        with self.here.open() as mesh:
            rows = quarantined_rows(mesh, PORT)
            row = rows[number % len(rows)]
            assert discard(mesh, PORT, [row], str(uuid.uuid4())) == 1
        found = json.loads(row.row)
        self.model.aside.remove((found["key"], found["value"]))
        self.model.publish()

    @precondition(lambda self: self.model.states)
    @rule(point=st.sampled_from(["k1", "k4", "k7", "k8", "k11"]), does=st.sampled_from(["replay", "rollback"]))
    def crash_on_the_way_back(self, point: str, does: Way) -> None:
        """It has happened or it has not; the next run goes on from there."""
        target = self.model.way_back(self.standing())
        (ending,) = self.nursery.run(Job(root=str(self.here.root), products=(str(PORT),), fault=f"{point}:0", does=does))
        assert ending.error == ""
        with self.here.open() as mesh:
            happened = len(mesh.store.publications(PORT)) - len(self.model.states)
        for _ in range(happened):
            self.model.publish() if does == "replay" or target is None else self.model.back_to(target)
        self.here.run(str(PORT))
        self.model.take()

    @rule(days=st.sampled_from([0, 10, 40]))
    def maintain(self, days: int) -> None:
        """Upkeep changes nothing that a consumer sees now."""
        self.here.clock.forward(timedelta(days=days))
        with self.here.open() as mesh:
            maintain(mesh, mesh.product(PORT), str(uuid.uuid4()))

    @invariant()
    def every_publication_kept_shows_what_it_showed(self) -> None:
        """None is there that the model knows nothing of, and `as_of` reads each that is kept."""
        if not hasattr(self, "model"):
            return
        with self.here.open() as mesh:
            numbers = [p.number for p in mesh.store.publications(PORT)]
            kept = mesh.store.unexpired(PORT)
        assert numbers == [*range(len(self.model.states), 0, -1)]
        for publication in kept:
            shown = self.here.rows(str(PORT), as_of=publication.id)
            assert {key: value for key, _, value in shown} == self.model.states[publication.number - 1][0]

    @invariant()
    def what_is_set_aside_is_what_came_with_what_is_shown(self) -> None:
        if hasattr(self, "model"):
            kept = [json.loads(r.row) for r in self.here.quarantined(str(PORT))]
            assert sorted((row["key"], row["value"]) for row in kept) == sorted(self.model.aside)

    @invariant()
    def everything_verifies(self) -> None:
        with self.here.open() as mesh:
            assert verify(mesh, mesh.declarations.products.values()) == ()


def test_few_things_in_a_row(nursery: Nursery):
    """Short sequences, in every run of the tests."""
    Things.nursery = nursery
    run_state_machine_as_test(Things, settings=settings(max_examples=4, stateful_step_count=6))


@pytest.mark.slow
def test_many_things_in_a_row(nursery: Nursery):
    """Long ones."""
    Things.nursery = nursery
    run_state_machine_as_test(Things, settings=settings(max_examples=100, stateful_step_count=25))
