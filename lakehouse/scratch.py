"""A folder for files that live as long as someone needs them: it is deleted with the last reference to its `Scratch`."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class Scratch:
    """An empty folder of its own."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="lakemesh-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def folder(self, name: str) -> Path:
        """A new folder inside."""
        made = self.path / name
        made.mkdir()
        return made
