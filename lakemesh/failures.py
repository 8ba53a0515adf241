"""An error as the program that called the command reads it."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse.errors import DeclarationError, MeshError, Problem


def document(error: MeshError) -> Mapping[str, object]:
    """`message`, `place` and `hint`; of broken declarations also every problem."""
    found = {"message": error.what, "place": error.place, "hint": error.hint}
    return {**found, "problems": [problem(p) for p in error.problems]} if isinstance(error, DeclarationError) else found


def problem(found: Problem) -> Mapping[str, object]:
    """One problem of a declaration."""
    return {
        "file": found.file,
        "path": found.path,
        "line": found.line,
        "message": found.message,
        "hint": found.hint,
        "severity": found.severity,
    }
