"""How problems are collected: every mistake becomes a `Problem` at its place, and reading goes on.

Next: `document.py` reads a file's text.
"""

from __future__ import annotations

import difflib
import json
import textwrap
from collections.abc import Iterable

from lakehouse.declare.contract import Place
from lakehouse.errors import Problem, Severity

_SHOWN = 16


class Findings:
    """The problems found so far in one product, domain or mesh."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    @property
    def failed(self) -> bool:
        return any(p.severity == "error" for p in self.problems)

    def error(self, place: Place, message: str, hint: str) -> None:
        self._add(place, message, hint, "error")

    def warning(self, place: Place, message: str, hint: str) -> None:
        self._add(place, message, hint, "warning")

    def documented_only(
        self, place: Place, what: str, hint: str = "nothing to do; remove it if readers would take it for a promise"
    ) -> None:
        """Say that something declared is not executed by the platform."""
        self._add(place, f"{what} is documented only: the platform does not execute it", hint, "info")

    def _add(self, place: Place, message: str, hint: str, severity: Severity) -> None:
        self.problems.append(Problem(file=place.file, line=place.line, path=place.path, message=message, hint=hint, severity=severity))


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant by `word`."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(known)}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """A hint: the closest known word, or all of them."""
    candidates = sorted(known)
    near = closest(word, candidates)
    if near is not None:
        return f"did you mean {near!r}?"
    shown = ", ".join(candidates[:_SHOWN]) + (", ..." if len(candidates) > _SHOWN else "")
    return f"one of {shown}" if candidates else "nothing may stand here"


def shown(value: object) -> str:
    """A value as it could be written, cut to a readable length."""
    return textwrap.shorten(json.dumps(value, ensure_ascii=False, default=str), 60, placeholder="...")
