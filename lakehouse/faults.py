"""Dying on purpose: `MESH_FAULT=<point>:<n>` ends the process at the n-th passing of a point (from 0), as a power cut would.

k1 mid staging write · k2 staged, not judged · k3 mid gate · k4 judged, not published · k5 data files written · k6 manifests
written · k7 metadata files written, nothing swapped · k8 committed, nothing told · k9 before the outbox · k10 amid the outbox ·
k11 between two tables' swaps. Next: `publish.py`.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field

from lakehouse.errors import WrongUse

POINTS = tuple(f"k{n}" for n in range(1, 12))


@dataclass(slots=True)
class Faults:
    """Counts passings of the chosen point; without one, `at` does nothing."""

    point: str = ""
    passing: int = 0
    _passed: int = field(default=0, init=False)

    @classmethod
    def parse(cls, text: str) -> Faults:
        """Read `<point>:<n>`; empty means never."""
        if not text:
            return cls()
        point, _, number = text.partition(":")
        if point not in POINTS or not (number or "0").isdigit():
            raise WrongUse(f"MESH_FAULT={text!r} names no fault", hint=f"<point>:<n> with a point of {', '.join(POINTS)}")
        return cls(point, int(number or "0"))

    def at(self, point: str) -> None:
        """Die here, if this is the place and time."""
        if point != self.point:
            return
        if self._passed == self.passing:
            os.kill(os.getpid(), signal.SIGKILL)
        self._passed += 1
