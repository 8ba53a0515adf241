"""The docs say what is so: links lead somewhere, settings and make targets are all there, decisions are numbered once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from lakehouse.settings import Settings
from tests.architecture.tree import ROOT, files, place

PAGES = [path for path in files() if path.suffix == ".md"]
DECISIONS = [path for path in PAGES if path.parent == ROOT / "docs" / "adr"]
PATHS = {"root", "home"}


def _keys(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, str]]:
    """Every key of mesh.toml with its default, as it is written in the reference."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{name}.")
        elif name not in PATHS:
            yield above + name, str(field.default)


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_links_lead_somewhere(page: Path):
    """Every relative link of a page names a file or folder that exists."""
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_setting_is_listed_with_its_default():
    """docs/reference/settings.md lists exactly the keys that exist, each with its default."""
    text = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w.]+)` \| (?:`([^`]*)`)? *\|", text, flags=re.MULTILINE)
    assert dict(listed) == dict(_keys(Settings))
    assert len(listed) == len(dict(listed))


def test_every_make_target_is_explained():
    """The docs mention every target that make lists."""
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    prose = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [target for target in targets if target != "help" and not re.search(rf"make {target}\b(?!-)", prose)] == []


def test_decisions_are_numbered_once():
    """Each decision record has a number of its own, counted from 0001 without gaps."""
    numbers = sorted(page.name[:4] for page in DECISIONS)
    assert numbers == [f"{n:04}" for n in range(1, len(DECISIONS) + 1)]
    assert numbers


@pytest.mark.parametrize("page", DECISIONS, ids=place)
def test_a_decision_says_why_and_how_it_is_kept(page: Path):
    """Each decision record has a context, a decision, a confirmation and its consequences."""
    headings = re.findall(r"^## (\w+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert headings == ["Context", "Decision", "Confirmation", "Consequences"]
