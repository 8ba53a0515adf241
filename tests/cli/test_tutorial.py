"""The page for newcomers works as it is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.cli_reference import ROOT

PAGE = (ROOT / "docs" / "how-to" / "first-product.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.integration


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def typed(folder: Path, *commands: str) -> str:
    """What the commands say, typed one after another in one shell; each must succeed."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = "\n".join(("set -e", *commands))
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def deliver(data: Path, name: str, first: int, *amounts: float) -> None:
    data.mkdir(parents=True, exist_ok=True)
    orders = [f"{id},{amount}" for id, amount in enumerate(amounts, start=first)]
    (data / name).write_text("\n".join(["order_id,amount", *orders]) + "\n")


def test_the_first_product_comes_about_as_it_is_written(tmp_path: Path):
    """Every command of the page works, from top to bottom; its rule sets a row aside, its function runs."""
    data, folder = tmp_path / "data" / "orders", tmp_path / "shop" / "domains" / "sales" / "orders"
    *begin, go_on = [block.replace("/data/orders", str(data)) for block in blocks("console")]
    (rule,), (transform,) = blocks("yaml"), blocks("python")
    deliver(data, "1.csv", 10, *[0.5] * 20)
    assert "20" in typed(tmp_path, *begin)
    contract = (folder / "orders.odcs.yaml").read_text()
    loose = "      - name: amount\n        logicalType: number\n"
    assert loose in contract
    (folder / "orders.odcs.yaml").write_text(contract.replace(loose, rule))
    (folder / "transform.py").write_text(transform)
    deliver(data, "2.csv", 50, -0.5, *[0.5] * 19)
    assert re.search(r"amount_minimum +output +\w+ +1 ", typed(tmp_path / "shop", go_on, "mesh quarantine list sales.orders"))
