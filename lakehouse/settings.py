"""What can be set, and the only reader of the environment: `mesh.toml` under `MESH_<SECTION>__<KEY>`.

Next: `address.py`.
"""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from lakehouse.errors import WrongUse


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MeshSection(_Section):
    name: str = "mesh"


class Checks(_Section):
    """The gate: which runner, and how many seconds it may take before it counts as failed."""

    runner: Literal["soda", "sql"] = "soda"
    timeout: float = Field(default=300.0, gt=0)


class Engine(_Section):
    """DuckDB's limits, and the most rows a materialising annotation may hold."""

    memory_limit: str = Field(default="1GB", pattern=r"^(?i)\d+(\.\d+)? *([KMGT]i?B|%)$")
    threads: int = Field(default=2, ge=1)
    materialise_rows: int = Field(default=20_000_000, ge=1)


class History(_Section):
    """How long publications can be read by `as_of`, and how long a rejected batch's staged rows stay readable."""

    days: int = Field(default=30, ge=0)
    publications: int = Field(default=100, ge=1)
    rejected_days: int = Field(default=7, ge=0)


class Publishing(_Section):
    """`wait`: seconds to wait for a product that another run holds; `attempts`: re-stagings after a conflict.

    `expire_every`: publications between two expiries; `lease`: seconds that another machine's lease counts.
    """

    wait: float = Field(default=600.0, ge=0)
    attempts: int = Field(default=5, ge=1)
    expire_every: int = Field(default=20, ge=1)
    lease: float = Field(default=60.0, gt=0)


class Lineage(_Section):
    """OpenLineage's job namespace; the transport is configured by its own `OPENLINEAGE_URL` or `openlineage.yml`.

    `days`: how long an event stays in the file, where no transport is configured; upkeep removes it after about twice as long at most.
    """

    namespace: str = "mesh"
    days: int = Field(default=90, ge=1)


class Settings(BaseSettings):
    """A mesh's root, its home (state) and its sections."""

    model_config = SettingsConfigDict(env_prefix="MESH_", env_nested_delimiter="__", extra="forbid", frozen=True)

    root: Path
    home: Path
    profile: Literal["embedded", "cluster"] = "embedded"
    fault: str = ""
    mesh: MeshSection = MeshSection()
    checks: Checks = Checks()
    engine: Engine = Engine()
    history: History = History()
    publishing: Publishing = Publishing()
    lineage: Lineage = Lineage()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        root = init_settings().get("root")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, Path(str(root)) / "mesh.toml")

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse"

    @property
    def database(self) -> Path:
        """The one file that is both Iceberg catalog and mesh store."""
        return self.home / "mesh.db"

    @property
    def dagster_home(self) -> Path:
        return Path(os.environ.get("DAGSTER_HOME") or self.home / "dagster")

    def environment(self) -> dict[str, str]:
        """The environment of a child process that is to work on this mesh, wherever it is started."""
        mine = {"MESH_ROOT": str(self.root), "MESH_HOME": str(self.home), "DAGSTER_HOME": str(self.dagster_home.resolve())}
        return {**os.environ, **mine}

    @classmethod
    def find(cls, root: Path | None = None, home: Path | None = None, **changes: Any) -> Self:
        """The settings of the mesh at `root` (default `MESH_ROOT`, else the nearest folder upwards with a mesh.toml).

        Raises WrongUse when there is no mesh, or a setting cannot be understood.
        """
        given = root or (Path(os.environ["MESH_ROOT"]) if os.environ.get("MESH_ROOT") else None)
        found = given.resolve() if given else _nearest(Path.cwd())
        if not (found / "mesh.toml").is_file():
            raise WrongUse(f"{found} is no mesh: it has no mesh.toml", hint="mesh init DIR makes a new one; --root names another")
        where = home or (Path(os.environ["MESH_HOME"]) if os.environ.get("MESH_HOME") else found / ".mesh")
        try:
            return cls(root=found, home=where.resolve(), **changes)
        except (ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise WrongUse(_sentence(error), place="mesh.toml", hint="the reference of settings lists every key and its values") from None


def telemetry_off() -> None:
    """Keep soda-core from reporting to its maker; it reads this variable when it is imported."""
    os.environ["SODA_CORE_TELEMETRY_ENABLED"] = "false"


def openlineage_configured() -> bool:
    """Whether somebody said where lineage goes, in OpenLineage's own variables or file; its client reads them itself."""
    variables = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE_DISABLED")
    folders = (Path.cwd(), Path.home() / ".openlineage")
    return (
        any(os.environ.get(name) for name in variables)
        or any(name.startswith("OPENLINEAGE__TRANSPORT") for name in os.environ)
        or any((folder / "openlineage.yml").is_file() for folder in folders)
    )


def _nearest(start: Path) -> Path:
    for folder in (start, *start.parents):
        if (folder / "mesh.toml").is_file():
            return folder
    raise WrongUse(f"no mesh.toml in {start} or above it", hint="mesh init DIR makes a new mesh; --root names another")


def _sentence(error: ValidationError | tomllib.TOMLDecodeError | UnicodeDecodeError) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {_misspelt(e['loc']) or e['msg']}" for e in error.errors())
    return str(error)


def _misspelt(path: tuple[int | str, ...]) -> str:
    """What a key that there is not may have meant; nothing for one that there is."""
    fields = Settings.model_fields
    for key in path[:-1]:
        kind = fields[str(key)].annotation if str(key) in fields else None
        fields = kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}
    if not fields or str(path[-1]) in fields:
        return ""
    near = get_close_matches(str(path[-1]), fields, n=1)
    return f"there is no such key; did you mean {near[0]!r}?" if near else f"there is no such key; one of {', '.join(fields)}"
