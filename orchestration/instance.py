"""Where does Dagster remember the runs of this mesh? Below the mesh's home, or where DAGSTER_HOME says.

Next: `runs.py`.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

FILE = "dagster.yaml"


def open_instance(home: Path) -> dg.DagsterInstance:
    """The instance in `home`; one without a `dagster.yaml` gets ours, with the layout that the mesh's root names."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / FILE
    if not file.exists():
        file.write_text(_yaml(home), encoding="utf-8")
    return dg.DagsterInstance.from_config(str(home))


def _yaml(home: Path) -> str:
    return f"""telemetry: {{enabled: false}}
nux: {{enabled: false}}
storage: {{sqlite: {{base_dir: "{home}"}}}}
local_artifact_storage: {{module: dagster.core.storage.root, class: LocalArtifactStorage, config: {{base_dir: "{home}"}}}}
compute_logs: {{module: dagster.core.storage.local_compute_log_manager, class: LocalComputeLogManager, config: {{base_dir: "{home}/logs"}}}}
"""
