"""`pytest` in a mesh runs every product's `examples.yaml`, each example a test. Registered as the plug-in `lakemesh`.

Next: `trial.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lakemesh.trial import Verdict

FILE = "examples.yaml"


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    """A product's examples; files of that name elsewhere are not ours."""
    root = _root(file_path)
    return ExamplesFile.from_parent(parent, path=file_path) if root else None


def _root(path: Path) -> Path | None:
    """The mesh's root, when `path` is `<root>/domains/<domain>/<product>/examples.yaml`."""
    if not path.match(f"domains/*/*/{FILE}"):
        return None
    root = path.parents[3]
    return root if (root / "mesh.toml").is_file() else None


class ExamplesFile(pytest.File):
    """The examples of one product, all run when the file is collected: they share its transform."""

    def collect(self) -> Iterator[pytest.Item]:
        for verdict in self._verdicts():
            yield ExampleItem.from_parent(self, name=verdict.name, verdict=verdict)

    def _verdicts(self) -> list[Verdict]:
        from lakehouse.mesh import Mesh
        from lakehouse.settings import Settings
        from lakemesh import selection
        from lakemesh.trial import trials

        address = f"{self.path.parent.parent.name}.{self.path.parent.name}"
        with Mesh.open(Settings.find(_root(self.path))) as mesh:
            return [*trials(mesh, [selection.product(mesh.declarations, address)])]


class ExampleItem(pytest.Item):
    """One example."""

    def __init__(self, *, verdict: Verdict, **others: object) -> None:
        super().__init__(**others)  # type: ignore[arg-type]
        self._verdict = verdict

    def runtest(self) -> None:
        if self._verdict.outcome == "failed":
            raise AssertionError("\n".join(self._verdict.difference))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self._verdict.address}: {self.name}"
