"""What no file of the repository may hold."""

from __future__ import annotations

import re

from tests.architecture.tree import files, place, text_of

REGISTRY = re.compile(r"\b(pypi|pythonhosted|npmjs|yarnpkg|crates|rubygems|maven)\.(org|com|io)\b|--(extra-)?index-url\s*[=h]")
MACHINE = re.compile(r"/work[/]|/tmp[/]venv|/home[/]\w|/root[/]")
UNFINISHED = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X])\b")


def _holding(pattern: re.Pattern[str]) -> list[str]:
    return [place(path) for path in files() if pattern.search(text_of(path))]


def test_no_registry_is_named():
    """Where packages come from is the machine's business: no file names a registry's host."""
    assert _holding(REGISTRY) == []


def test_no_path_of_one_machine():
    """The repository works wherever it lies: no file names a folder of the machine it was written on."""
    assert _holding(MACHINE) == []


def test_nothing_is_left_for_later():
    """No file holds a marker for unfinished work."""
    assert _holding(UNFINISHED) == []


def test_every_locked_package_has_hashes():
    """Each package of the locks is pinned exactly and has at least one hash."""
    for lock in ("base", "dev", "all"):
        text = next(text_of(path) for path in files() if place(path) == f"requirements/{lock}.txt")
        entries = re.split(r"\n(?=[a-z])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip(), flags=re.IGNORECASE)
        assert len(entries) > 20
        assert [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
