"""What is in a new mesh. Next: `domain.py`."""

from __future__ import annotations

import re
from pathlib import Path

from lakehouse.declare import load
from lakehouse.declare.editor import write_schemas
from lakehouse.errors import WrongUse
from lakemesh import scaffold
from orchestration.dbt_sources import write_sources


def create(folder: Path) -> list[Path]:
    """Write a new mesh into `folder`, which may exist; WrongUse when a mesh or one of the files is there."""
    if folder.exists() and not folder.is_dir():
        raise WrongUse(f"{folder} is no folder", hint="name a new folder")
    name = re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_") or "mesh"
    written = scaffold.write(folder, {path: text.replace("MESH_NAME", name) for path, text in _FILES.items()})
    written.append(write_sources(load(folder.resolve())))
    return [*written, *write_schemas(folder / ".mesh" / "schemas")]


_DAGSTER = """\
# Dagster as it runs from this folder with nothing set: no telemetry, no welcome page, all state below .mesh/dagster.
telemetry: {enabled: false}
nux: {enabled: false}
storage: {sqlite: {base_dir: .mesh/dagster}}
local_artifact_storage: {module: dagster.core.storage.root, class: LocalArtifactStorage, config: {base_dir: .mesh/dagster}}
compute_logs:
  module: dagster.core.storage.local_compute_log_manager
  class: LocalComputeLogManager
  config: {base_dir: .mesh/dagster/logs}
"""

_WORKSPACE = """\
# One code location per domain; `mesh new domain` adds a line.
load_from: []
"""

_README = """\
# MESH_NAME

A data mesh: `domains/` declares the data products, `governance/` the rules they share, `dbt/` holds models in SQL.

| you want | type |
|---|---|
| a domain, a product | `mesh new domain NAME`, `mesh new product DOMAIN.PRODUCT --from PATH` |
| every mistake at once, the examples run | `mesh check`, `mesh test` |
| to take what has arrived | `mesh run` |
| rows | `mesh query 'select ...'`, `mesh read DOMAIN.PORT` |
| Dagster | `mesh up` |

State is kept in `.mesh/`, which belongs in no repository.
"""

_CI = """\
# What every change must pass before it is merged.
name: mesh
on: [pull_request]
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12"}
      - run: pip install 'lakemesh[soda,dbt,polars,pandas]'
      - run: mesh check
      - run: mesh test
"""

_GOVERNANCE = """\
# Governance

Rules that hold for every product of this mesh stand here as data: policies, masks, fitness functions. No code.
"""

_DBT = """\
# This mesh's SQL products, one model per output port: models/<domain>/<product>/<domain>__<port>.sql
name: MESH_NAME
version: 1.0.0
profile: MESH_NAME
model-paths: [models]
test-paths: [tests]
target-path: target
clean-targets: [target, logs]
flags:
  send_anonymous_usage_stats: false
models:
  MESH_NAME:
    +materialized: table
"""

_PROFILES = """\
# An analyst's own workshop: a scratch database that reads the mesh's ports and publishes nothing.
MESH_NAME:
  target: scratch
  outputs:
    scratch:
      type: duckdb
      path: scratch.duckdb
      threads: 2
      settings: {TimeZone: UTC}
      plugins:
        - module: orchestration.dbt_plugin
"""

_FILES: scaffold.Files = {
    "mesh.toml": '# What this mesh sets; every key has a default.\n[mesh]\nname = "MESH_NAME"\n',
    "dagster.yaml": _DAGSTER,
    "workspace.yaml": _WORKSPACE,
    "README.md": _README,
    ".gitignore": ".mesh/\n__pycache__/\ndbt/target/\ndbt/logs/\ndbt/*.duckdb\n",
    ".github/workflows/mesh.yml": _CI,
    "domains/README.md": "# Domains\n\nOne folder per domain, in it one per product. `mesh new domain NAME` makes the first.\n",
    "governance/README.md": _GOVERNANCE,
    "dbt/dbt_project.yml": _DBT,
    "dbt/profiles.yml": _PROFILES,
}
