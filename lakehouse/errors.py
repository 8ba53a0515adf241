"""What can go wrong, said to a person: what happened, where, and what to do.

    MeshError                      exit 1 unless said otherwise
    ├── DeclarationError           the declarations have problems; carries all of them
    ├── WrongUse                   exit 2: an address, option or id that means nothing here
    ├── BreakingChange             a contract edit that would break its consumers
    ├── GateBlocked                the staged state broke a rule that blocks
    ├── TransformFailed            product code raised
    ├── BatchRefused               a delivery cannot be taken as it is
    ├── PublishConflict            main moved since the audited base; stage and audit again
    ├── EntryRefused               a receiver will never take what was said, as it is
    └── Unavailable                exit 3: the world is in the way
        ├── NotInstalled           an extra is missing; names the `pip install` line
        └── Damaged                a file that the catalog refers to is missing or unreadable

Mistakes of a person are `Problem`s: a place, a sentence and a hint. They are collected, never raised one by one.
Next: `settings.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One thing wrong (or worth knowing) in a declaration.

    `file` is relative to the mesh's root, `path` is a JSON path (`$.schema[0].name`), `line` counts from 1 (0: the whole file).
    """

    file: str
    line: int = 0
    path: str = "$"
    message: str
    hint: str
    severity: Severity = "error"

    def __str__(self) -> str:
        where = f"{self.file}:{self.path}" + (f" (line {self.line})" if self.line else "")
        return f"{self.severity}: {where}: {self.message}\n  hint: {self.hint}"


class MeshError(Exception):
    """An error with a place and a hint. `str()` of it is what a person reads."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, hint: str, place: str = "") -> None:
        super().__init__(what, hint, place)
        self.what, self.hint, self.place = what, hint, place

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.what}\n  hint: {self.hint}"


class DeclarationError(MeshError):
    """The declarations cannot be run; `problems` holds every one of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        errors = sum(p.severity == "error" for p in self.problems)
        super().__init__(f"{errors} problem{'s' if errors != 1 else ''} in the declarations", hint="mesh check lists them all")

    def __str__(self) -> str:
        return "\n".join([*map(str, self.problems), self.what])


class WrongUse(MeshError):
    """An address, option or id that means nothing here."""

    exit_code = 2


class BreakingChange(MeshError):
    """A contract edit that would break consumers; the hint names the way out."""


class GateBlocked(MeshError):
    """The staged state broke a rule that blocks. Nothing a consumer can see has changed."""


class TransformFailed(MeshError):
    """Product code raised, or returned something that is no frame."""


class BatchRefused(MeshError):
    """A delivery cannot be taken as it is: a column is missing, a known path has new content, the file is unreadable."""


class PublishConflict(MeshError):
    """Main moved since the audited base: stage and audit again, never rebase."""

    exit_code = 3


class EntryRefused(MeshError):
    """A receiver will never take an entry as it is, however often it is sent."""


class Unavailable(MeshError):
    """The world is in the way: an engine, a catalog, a disk."""

    exit_code = 3


class LeaseLost(Unavailable):
    """Another run took the product over, since this one could not be seen to live."""


class NotInstalled(Unavailable):
    """An optional part is not installed."""

    @classmethod
    def extra(cls, what: str, extra: str) -> NotInstalled:
        return cls(f"{what} is not installed", hint=f"pip install 'lakemesh[{extra}]'")


class Damaged(Unavailable):
    """A file that the catalog refers to is missing or cannot be read."""
