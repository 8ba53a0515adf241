"""One call of the command: which mesh, and how to answer. Everything heavy is opened when a command asks for it.

Next: `selection.py` for addresses, `render.py` for answers.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lakehouse.declare import Declarations
    from lakehouse.mesh import Mesh
    from lakehouse.settings import Settings

Selected = Annotated[list[str] | None, typer.Argument(metavar="ADDRESS", help="domain.port, domain, +ADDRESS, ADDRESS+; none: all.")]
One = Annotated[str, typer.Argument(metavar="ADDRESS", help="domain.port; a product is named by its main port.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The global options of a call."""

    root: Path | None = None
    home: Path | None = None
    json: bool = False
    verbose: bool = False

    def settings(self) -> Settings:
        from lakehouse.settings import Settings

        return Settings.find(self.root, self.home)

    def declarations(self) -> Declarations:
        from lakehouse.declared import load

        return load(self.settings().root)

    def open(self) -> Mesh:
        """The mesh, opened; the caller closes it."""
        from lakehouse.mesh import Mesh

        gc.freeze()
        gc.enable()
        return Mesh.open(self.settings())

    def answer(self, document: Mapping[str, object], show: Callable[[], None]) -> None:
        """Print the answer: `document` with `--json`, else what `show` prints."""
        if self.json:
            from lakemesh.render import to_json

            sys.stdout.write(to_json(document) + "\n")
        else:
            show()


def session(context: typer.Context) -> Session:
    """The call's session, from anywhere below the command."""
    found = context.find_object(Session)
    if found is None:
        raise ValueError("a command runs below the callback that makes its session")
    return found


def note(text: str) -> None:
    """Say something to the person beside the answer."""
    sys.stderr.write(text + "\n")


def new_run_id() -> str:
    """A run's id, in the form that Dagster gives to its own."""
    import uuid

    return str(uuid.uuid4())
