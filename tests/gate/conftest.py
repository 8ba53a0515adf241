"""What the gate's tests share: a connection and each runner."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from lakehouse import checks
from lakehouse.gate import Runner


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@pytest.fixture(params=sorted(checks.RUNNERS))
def runner(request: pytest.FixtureRequest) -> Runner:
    return checks.runner(request.param)
