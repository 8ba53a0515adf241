"""Check runners: who evaluates the gate's rules. `sql.py` asks DuckDB itself, `soda.py` lets soda-core judge.

Both measure by the queries of `queries.py`. Next: `sql.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from lakehouse.errors import NotInstalled, WrongUse
from lakehouse.gate import Runner

RUNNERS = {"sql": "lakehouse.checks.sql:SqlRunner", "soda": "lakehouse.checks.soda:SodaRunner"}


def runner(name: str) -> Runner:
    """The runner called `name`, imported now; NotInstalled when it needs a package that is not there."""
    if name not in RUNNERS:
        raise WrongUse(f"there is no check runner {name!r}", place="mesh.toml", hint=f"[checks] runner: one of {', '.join(RUNNERS)}")
    module, _, attribute = RUNNERS[name].partition(":")
    try:
        return cast("Runner", getattr(import_module(module), attribute)())
    except ModuleNotFoundError as error:
        raise NotInstalled.extra(f"the check runner {name} ({error.name})", name) from None  # noqa: S610 (no Django here)
