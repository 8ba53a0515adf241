"""The front door: what people import. `connect` opens a mesh for reading, `build_definitions` makes a domain's Dagster location.

Both load what they need when they are asked for, so that `mesh --help` answers at once. Next: `cli.py`, `client.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakemesh.client import Client, Result, connect
    from orchestration.build import build_definitions

__all__ = ["Client", "Result", "build_definitions", "connect"]


def __getattr__(name: str) -> object:
    if name == "build_definitions":
        from orchestration import build

        return build.build_definitions
    if name in __all__:
        from lakemesh import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
