"""New files for a mesh, a domain or a product: all of them or none, and never over an existing one.

`mesh.py`, `domain.py` and `product.py` say what is in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lakehouse.errors import Unavailable, WrongUse

Files = Mapping[str, str]
"""Path below a folder -> text."""


def write(folder: Path, files: Files) -> list[Path]:
    """Write new files below `folder`; WrongUse, and nothing written, when one is there already."""
    paths = {folder / name: text for name, text in files.items()}
    there = [path for path in paths if path.exists() or path.is_symlink()]
    if there:
        raise WrongUse(f"{there[0]} is there already", hint="nothing was written; move it away or choose another name")
    try:
        for path, text in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unavailable(f"{error.filename} cannot be written: {error.strerror}", hint="choose a folder that you may write to") from None
    return list(paths)
