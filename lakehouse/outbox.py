"""How does what a publication said leave the outbox? In order, at least once, and never at the expense of a run.

A receiver that is down or busy is waited for; an entry that it refuses for good is set aside, and those behind it go on.
`deliver` drains once; a `Courier` drains beside a run. One process drains a topic at a time: the lock is the operating
system's, so a dead process holds nothing up. Next: `receivers.py`.
"""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Self

from lakehouse.errors import EntryRefused, MeshError
from lakehouse.mesh import Mesh
from lakehouse.receivers import Receiver, lineage_file, lineage_receiver

log = logging.getLogger(__name__)

LINEAGE = "lineage"
CHUNK = 50
"""Entries sent before they are marked: as many may be told twice after a crash."""
GATHERING = 0.2
"""Seconds that a courier lets entries gather, so that it seldom competes with the run for the store."""
PAUSES = (0.5, 30.0)
"""The first and the longest pause after a failure; each is twice the one before."""
FAREWELL = 2.0
"""Seconds that a run waits at its end for its last entries to leave."""


@dataclass(frozen=True, slots=True)
class _Drained:
    """`again`: something may be left, because the receiver failed or somebody else is draining."""

    told: int
    again: bool = False


def deliver(mesh: Mesh, *, budget: float, topic: str = LINEAGE, receiver: Receiver | None = None) -> int:
    """Tell what is waiting, until `budget` seconds have passed or the receiver fails; say how many entries it took.

    An entry under way is not broken off: the receiver's own timeout bounds it. Zero when another process is draining.
    """
    until = monotonic() + budget
    to = receiver or lineage_receiver(mesh.settings)
    try:
        return _drain(mesh, topic, to, lambda: monotonic() >= until).told
    finally:
        if receiver is None:
            to.close()


def tidy(mesh: Mesh) -> None:
    """Let old events leave the file of lineage, as `[lineage] days` says; another time, when somebody is writing it."""
    with _alone(mesh, LINEAGE) as free:
        if free:
            lineage_file(mesh.settings).turn(mesh.now(), mesh.settings.lineage.days)


def _drain(mesh: Mesh, topic: str, receiver: Receiver, enough: Callable[[], bool]) -> _Drained:
    told = 0
    with _alone(mesh, topic) as free:
        if not free:
            return _Drained(0, again=True)
        mesh.faults.at("k9")
        while not enough() and (chunk := mesh.store.waiting(topic, CHUNK)):
            sent, failed = _send(mesh, chunk, receiver, enough)
            told += sent
            if failed:
                return _Drained(told, again=True)
    return _Drained(told)


def _send(mesh: Mesh, chunk: tuple[tuple[int, str, str], ...], receiver: Receiver, enough: Callable[[], bool]) -> tuple[int, bool]:
    """Send entries in order up to the first failure and mark those taken; say how many, and whether one failed.

    One that the receiver will never take is set aside, where it holds nothing up.
    """
    taken: list[int] = []
    try:
        for sequence, key, body in chunk:
            if enough():
                break
            try:
                receiver.send(key, body)
            except EntryRefused as error:
                log.warning("%s; %s is set aside: mesh doctor counts such entries", error.what, key)
                mesh.store.set_aside(sequence, error.what)
                continue
            taken.append(sequence)
            mesh.faults.at("k10")
    except MeshError as error:
        log.warning("%s; %s stays in the outbox", error.what, key)
        return len(taken), True
    finally:
        if taken:
            mesh.store.delivered(taken, mesh.now())
    return len(taken), False


@contextmanager
def _alone(mesh: Mesh, topic: str) -> Iterator[bool]:
    """Whether nobody else drains `topic` while inside."""
    folder = mesh.settings.home / "outbox"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{topic}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


class Courier:
    """Drains a topic beside a run: `with Courier(mesh) as courier:`, and `courier.wake()` after each publication.

    Leaving waits `farewell` seconds at most, and not at all for a receiver that has just failed. What is
    still in the outbox then is told next time.
    """

    def __init__(self, mesh: Mesh, *, topic: str = LINEAGE, receiver: Receiver | None = None, farewell: float = FAREWELL) -> None:
        self._mesh, self._topic, self._farewell = mesh, topic, farewell
        self._receiver = receiver or lineage_receiver(mesh.settings)
        self._woken, self._leaving = threading.Event(), threading.Event()
        self._until = float("inf")
        self._troubled = False
        self._thread = threading.Thread(target=self._work, name=f"courier-{topic}", daemon=True)

    def __enter__(self) -> Self:
        self.wake()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._until = monotonic() + self._farewell
        self._leaving.set()
        self.wake()
        self._thread.join(0 if self._troubled else self._farewell)

    def join(self) -> None:
        """Wait until the courier has really gone, however long its receiver takes."""
        self._thread.join()

    def wake(self) -> None:
        """Say that something was put into the outbox. Returns at once."""
        self._woken.set()

    def _work(self) -> None:
        pause = PAUSES[0]
        while True:
            self._woken.wait()
            self._leaving.wait(GATHERING)
            self._woken.clear()
            last = self._leaving.is_set()
            self._troubled = self._unfinished()
            if self._troubled:
                self._leaving.wait(pause)
                pause = min(2 * pause, PAUSES[1])
                self._woken.set()
            else:
                pause = PAUSES[0]
            if last:
                break
        self._receiver.close()

    def _unfinished(self) -> bool:
        with suppress(MeshError):
            return _drain(self._mesh, self._topic, self._receiver, lambda: monotonic() >= self._until).again
        return True
