"""Each mistake in a declaration is one problem: where it was made, what is wrong, and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lakehouse.errors import DeclarationError

TABLE = yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text())


@pytest.mark.parametrize("mistake", TABLE["mistakes"], ids=lambda m: m["name"])
def test_a_mistake_is_one_problem_with_place_line_and_hint(mesh, mistake):
    """Each mistake of `mistakes.yaml` is said where it was made, once, with the way out; and the mesh is not run."""
    mesh.edit(TABLE["files"][mistake["file"]], mistake["old"], mistake["new"])
    (found,) = [p for p in mesh.problems() if mistake["said"] in p.message and mistake["hint"] in p.hint]
    assert mistake["at"] in (mesh.root / found.file).read_text().splitlines()[found.line - 1]
    assert not mistake.get("alone") or list(mesh.problems()) == [found]
    with pytest.raises(DeclarationError) as refused:
        mesh.load().raise_errors()
    assert found in refused.value.problems
