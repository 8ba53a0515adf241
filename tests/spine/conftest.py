"""A tiny mesh to try things in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.spine.tried import Tried


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Tried]:
    """A mesh to try things in; whatever a test did, what it left must verify."""
    tried = Tried(tmp_path)
    yield tried
    assert tried.verified() == []
