"""A folder for files that live as long as someone needs them: it is deleted with the last reference to its `Scratch`.

It is made when somebody asks for it: most deliveries are read where they lie.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from functools import cached_property
from pathlib import Path


class Scratch:
    """An empty folder of its own."""

    @cached_property
    def path(self) -> Path:
        made = Path(tempfile.mkdtemp(prefix="lakemesh-"))
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return made

    def folder(self, name: str) -> Path:
        """A new folder inside."""
        made = self.path / name
        made.mkdir()
        return made
