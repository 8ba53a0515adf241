"""The standards' own command lines accept this repository's declarations; each runs from an environment of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCTS = sorted(ROOT.glob("domains/*/*/product.odps.yaml"))
CONTRACTS = sorted(ROOT.glob("domains/*/*/*.odcs.yaml"))


def lint(command: str, file: Path) -> subprocess.CompletedProcess[str]:
    peer = ROOT / ".peers" / command / "bin" / command
    if not peer.exists():
        pytest.skip(f"no .peers/{command}: scripts/peers.sh makes it")
    return subprocess.run([peer, "lint", file], capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"}, cwd=ROOT)


@pytest.mark.integration
@pytest.mark.parametrize("file", PRODUCTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_product_is_valid_odps(file):
    """`dataproduct lint` finds nothing in a product file of this mesh."""
    answer = lint("dataproduct", file)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.integration
@pytest.mark.parametrize("file", CONTRACTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_contract_is_valid_odcs(file):
    """`datacontract lint` finds nothing in a contract of this mesh."""
    answer = lint("datacontract", file)
    assert answer.returncode == 0, answer.stdout + answer.stderr
