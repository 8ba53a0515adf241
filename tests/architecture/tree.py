"""What lies in the working copy: its files, and its modules as syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLATFORM = ("lakehouse", "orchestration", "portal", "lakemesh")


@dataclass(frozen=True, slots=True)
class Module:
    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    @property
    def imports(self) -> set[str]:
        """The full names of all imported modules."""
        nodes = list(ast.walk(self.tree))
        plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


@cache
def files() -> list[Path]:
    """All files but those that .gitignore names, sorted."""
    return sorted(_walk(ROOT))


@cache
def modules() -> list[Module]:
    return [_module(path) for path in files() if path.suffix == ".py"]


def platform() -> list[Module]:
    return [module for module in modules() if module.path.startswith(PLATFORM)]


def text_of(path: Path) -> str:
    """A file's text; nothing for a picture or an archive."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _module(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(place(path), text, ast.parse(text))


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name == ".git" or _ignored(path):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def _ignored(path: Path) -> bool:
    return any(fnmatch(path.name, pattern) or place(path) == pattern for pattern in _patterns())


@cache
def _patterns() -> list[str]:
    return [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line]
