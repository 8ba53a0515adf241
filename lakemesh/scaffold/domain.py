"""What is in a new domain, and its line in the workspace. Next: `product.py`."""

from __future__ import annotations

from pathlib import Path

import yaml

from lakehouse.address import name_problem
from lakehouse.errors import WrongUse
from lakemesh import scaffold

_DOMAIN = """\
# yaml-language-server: $schema=../../.mesh/schemas/domain.schema.json
purpose: Say what the data of {name} is about.
timezone: UTC
team:
  name: {name}
  members: []
"""

_DEFINITIONS = '''\
"""The Dagster code location of this domain."""

from lakemesh import build_definitions

defs = build_definitions(__file__)
'''


def create(root: Path, name: str) -> list[Path]:
    """Write a domain's folder and add it to the workspace; WrongUse when the name cannot be, or the domain is there."""
    if problem := name_problem(name):
        raise WrongUse(problem, hint="choose another name")
    workspace = root / "workspace.yaml"
    text = _with_location(workspace, name)
    folder = root / "domains" / name
    written = scaffold.write(folder, {"domain.yaml": _DOMAIN.format(name=name), "definitions.py": _DEFINITIONS})
    workspace.write_text(text, encoding="utf-8")
    return [*written, workspace]


def _with_location(workspace: Path, name: str) -> str:
    """The workspace's text with one more line, everything else left as it is."""
    line = f"  - python_file: {{relative_path: domains/{name}/definitions.py, location_name: {name}}}\n"
    hint = f"put this below load_from yourself:\n{line}"
    try:
        before = workspace.read_text(encoding="utf-8")
        after = before.replace("load_from: []", "load_from:").rstrip("\n") + "\n" + line
        known, locations = (yaml.safe_load(text)["load_from"] or [] for text in (before, after))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        raise WrongUse("workspace.yaml cannot be read, or does not end with its load_from", place="workspace.yaml", hint=hint) from None
    if locations != [*known, yaml.safe_load(line)[0]]:
        raise WrongUse("workspace.yaml does not end with its load_from", place="workspace.yaml", hint=hint)
    return after
