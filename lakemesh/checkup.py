"""Is everything there that the command needs? What `mesh doctor` finds, in the order in which it would be missed."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import MeshError

if TYPE_CHECKING:
    from lakehouse.settings import Settings
    from lakemesh.session import Session

_NEEDED = ("duckdb", "pyarrow", "pyiceberg", "sqlalchemy", "dagster", "openlineage-python")
_EXTRAS = {"soda": "soda-core", "dbt": "dbt-duckdb", "polars": "polars", "pandas": "pandas", "ui": "dagster-webserver", "spark": "pyspark"}
_FREE = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing looked at; `well` is false when something cannot work without it."""

    about: str
    what: str
    well: bool = True
    hint: str = ""


def examine(call: Session) -> list[Found]:
    """Look at everything; what cannot be reached is a finding, not an error."""
    found = [Found(about="python", what=platform.python_version()), *_packages()]
    try:
        settings = call.settings()
    except MeshError as error:
        return [*found, Found(about="mesh", what=error.what, well=False, hint=error.hint)]
    return [*found, *_of_mesh(settings), *_declared(call), *_state(settings)]


def _packages() -> Iterator[Found]:
    for name in ("lakemesh", *_NEEDED):
        installed = _version(name)
        hint = "pip install lakemesh brings it along"
        yield Found(about=name, what=installed or "missing", well=installed is not None or name == "lakemesh", hint=hint)
    for extra, name in _EXTRAS.items():
        yield Found(about=f"extra {extra}", what=f"{name} {_version(name) or 'not installed'}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _of_mesh(settings: Settings) -> Iterator[Found]:
    from lakehouse.settings import openlineage_configured

    yield Found(about="mesh", what=f"{settings.mesh.name} in {settings.root}, profile {settings.profile}")
    soda = settings.checks.runner != "soda" or find_spec("soda_core") is not None
    yield Found(
        about="check runner", what=settings.checks.runner, well=soda, hint="pip install 'lakemesh[soda]', or [checks] runner = \"sql\""
    )
    lineage = "as OpenLineage's own settings say" if openlineage_configured() else str(settings.home / "lineage" / "events.jsonl")
    yield Found(about="lineage", what=lineage)
    yield Found(about="dagster home", what=str(settings.dagster_home))
    yield _disk(settings.home)


def _disk(home: Path) -> Found:
    there = next(p for p in (home, *home.parents) if p.exists())
    free = shutil.disk_usage(there).free
    return Found(
        about="disk", what=f"{free / (1 << 30):,.1f} GiB free for {home}", well=free > _FREE, hint="free some, or --home elsewhere"
    )


def _declared(call: Session) -> Iterator[Found]:
    declarations = call.declarations()
    errors = sum(p.severity == "error" for p in declarations.problems)
    yield Found(
        about="declarations", what=f"{len(declarations.products):,} products, {errors:,} errors", well=not errors, hint="mesh check"
    )


def _state(settings: Settings) -> Iterator[Found]:
    """The store is looked at only where it is: a checkup makes nothing."""
    if not settings.database.exists():
        yield Found(about="store", what="not made yet: mesh run makes it")
        return
    try:
        from lakehouse.catalogs import open_catalog

        _, store = open_catalog(settings)
        waiting, refused = len(store.waiting("lineage", 1000)), store.refused("lineage")
        store.engine.dispose()
        yield Found(about="store", what=f"{settings.database}, {waiting:,} lineage events waiting")
        if refused:
            (key, _, reason) = refused[-1]
            yield Found(about="lineage refused", what=f"{len(refused):,} events set aside, the last of run {key}: {reason}")
    except MeshError as error:
        yield Found(about="store", what=error.what, well=False, hint=error.hint)
