"""`check`, `test`, `plan`: is what is declared right, does it do what its examples say, and what would it change?"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lakemesh.session import Selected, session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.declare import Declarations
    from lakehouse.errors import Problem


def check(context: typer.Context, selection: Selected = None) -> None:
    """Every problem of the declarations, with place and hint."""
    from lakemesh import failures
    from lakemesh.render import line, number

    call = session(context)
    declarations = call.declarations()
    problems = _of(declarations, selection)
    _help_editors(declarations.root)

    def show() -> None:
        for problem in problems:
            line(str(problem))
        errors = sum(p.severity == "error" for p in problems)
        line(f"{number(len(declarations.products), 'product')}, {number(errors, 'error')}, {number(len(problems) - errors, 'remark')}")

    call.answer({"problems": [failures.problem(p) for p in problems]}, show)
    raise typer.Exit(int(any(p.severity == "error" for p in problems)))


def _help_editors(root: Path) -> None:
    """A mesh that was cloned has no `.mesh/` yet, where the modelines of its files look for their schemas."""
    schemas = root / ".mesh" / "schemas"
    if not schemas.is_dir():
        from lakehouse.declare.editor import write_schemas

        with suppress(OSError):
            write_schemas(schemas)


def examples(context: typer.Context, selection: Selected = None) -> None:
    """Run examples.yaml against transforms and contracts."""
    from lakemesh.render import line, number
    from lakemesh.selection import products
    from lakemesh.trial import trials

    call = session(context)
    with call.open() as mesh:
        found = [*trials(mesh, products(mesh.declarations, selection))]
    failed = [v for v in found if v.outcome == "failed"]
    tests = [{"address": str(v.address), "name": v.name, "outcome": v.outcome, "difference": "\n".join(v.difference)} for v in found]

    def show() -> None:
        for v in found:
            line(f"{v.outcome}  {v.address}: {v.name}")
            for words in v.difference:
                line("  " + words.replace("\n", "\n  "))
        line(f"{number(len(found), 'example')}, {len(failed):,} failed")

    call.answer({"tests": tests}, show)
    raise typer.Exit(int(bool(failed)))


def plan(context: typer.Context, selection: Selected = None) -> None:
    """What a run would change in contracts, and whom it hits."""
    from dataclasses import asdict

    from lakemesh.planning import plan as planned
    from lakemesh.render import line, table
    from lakemesh.selection import products

    call = session(context)
    with call.open() as mesh:
        found = [*planned(mesh, products(mesh.declarations, selection))]
    rows = [(c.address, c.kind, c.impact, c.detail) for c in found]

    def show() -> None:
        if found:
            table(("address", "kind", "impact", "detail"), rows)
        else:
            line("no contract would change")

    call.answer({"changes": [asdict(c) for c in found]}, show)
    raise typer.Exit(int(any(c.kind == "breaking" for c in found)))


def _of(declarations: Declarations, selection: Sequence[str] | None) -> list[Problem]:
    """The problems in the folders of what is selected, broken products included."""
    if not selection:
        from orchestration.dbt_sources import stale_sources

        return [*declarations.problems, *stale_sources(declarations)]
    from lakemesh.selection import folders

    wanted = tuple(folders(declarations, selection))
    return [p for p in declarations.problems if f"{p.file}/".startswith(wanted)]
