"""Dagster's own commands from a mesh's root, with nothing set: they see what the command did."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from lakehouse.address import Address
from lakehouse.batches import Wanted
from lakehouse.store import Publication
from orchestration.runs import run
from tests.orchestration.conftest import Shop

pytestmark = pytest.mark.integration
REPOSITORY = Path(__file__).parents[2]
QUESTION = """{
  assetNodes { assetKey { path } groupName assetMaterializations(limit: 1) { runId } }
  workspaceOrError { ... on Workspace { locationEntries {
    name
    locationOrLoadError { __typename ... on PythonError { causes { message } } }
  } } }
}"""


@pytest.fixture
def root(shop: Shop) -> Path:
    """The shop with what `dagster` reads: a workspace, and this repository's own dagster.yaml."""
    shutil.copy(REPOSITORY / "dagster.yaml", shop.root)
    locations = []
    for domain in ("sales", "finance"):
        file = shop.root / "domains" / domain / "definitions.py"
        file.write_text("from lakemesh import build_definitions\n\ndefs = build_definitions(__file__)\n")
        locations.append(f"  - python_file: {{relative_path: domains/{domain}/definitions.py, location_name: {domain}}}\n")
    (shop.root / "workspace.yaml").write_text("load_from:\n" + "".join(locations))
    shop.order("2026-01-05", 1.0, 2.0)
    return shop.root


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DAGSTER_", "MESH_"))}
    return {**kept, "PYTHONPATH": str(REPOSITORY)}


def dagster(*words: str) -> list[str]:
    return [sys.executable, "-m", "dagster", *words]


def test_definitions_are_valid(root: Path):
    """`dagster definitions validate` passes without any setting."""
    done = subprocess.run(
        dagster("definitions", "validate"), cwd=root, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_ui_shows_what_the_command_did(shop: Shop, root: Path, monkeypatch: pytest.MonkeyPatch):
    """`dagster dev` with nothing set reads the same storage; a broken domain is one location's error. TERM ends it."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with shop.open() as mesh:
        (done,) = run(mesh, [mesh.product(Address("sales", "orders"))], Wanted())
    revenue = root / "domains" / "finance" / "revenue" / "product.odps.yaml"
    revenue.write_text(revenue.read_text().replace("status: active", "status: aktive"))
    with serving(root) as port:
        answer = asked(port)
    shown = {tuple(n["assetKey"]["path"]): n for n in answer["assetNodes"]}
    assert shown["sales", "orders"]["groupName"] == "orders"
    assert [m["runId"] for m in shown["sales", "orders"]["assetMaterializations"]] == [done.run_id]
    errors = {e["name"]: e["locationOrLoadError"] for e in answer["workspaceOrError"]["locationEntries"]}
    assert errors["sales"]["__typename"] == "RepositoryLocation"
    assert "aktive" in "".join(cause["message"] for cause in errors["finance"]["causes"])


def test_a_file_that_arrives_reaches_the_consumer(shop: Shop, root: Path):
    """Nobody asks for anything: the sensor takes the delivery, and the derived product of another domain follows."""
    with serving(root):
        give_up = time.monotonic() + 240
        while published(shop) is None and time.monotonic() < give_up:
            time.sleep(2)
    found = published(shop)
    assert found is not None
    assert [*found.inputs] == ["orders"]


def published(shop: Shop) -> Publication | None:
    with shop.open() as mesh:
        return mesh.store.current(Address("finance", "revenue"))


@contextmanager
def serving(root: Path) -> Iterator[int]:
    """`dagster dev` on a free loopback port, in a session of its own, until TERM."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (root / "dev.log").open("w")
    server = subprocess.Popen(
        dagster("dev", "--host", "127.0.0.1", "--port", str(port)),
        cwd=root,
        env=environment(),
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=_default_interrupt,  # noqa: PLW1509
    )
    try:
        yield port
    finally:
        server.terminate()
        try:
            server.wait(30)
        finally:
            if server.returncode is None:
                os.killpg(server.pid, signal.SIGKILL)
            log.close()
    assert server.returncode is not None


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def asked(port: int) -> dict[str, Any]:
    """The answer to QUESTION, as soon as every location has loaded or failed."""
    body = json.dumps({"query": QUESTION})
    give_up = time.monotonic() + 120
    while time.monotonic() < give_up:
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
                connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
                data: dict[str, Any] = json.loads(connection.getresponse().read())["data"]
            if all(e["locationOrLoadError"] for e in data["workspaceOrError"]["locationEntries"]):
                return data
        except (OSError, HTTPException):
            pass
        time.sleep(1)
    raise TimeoutError(f"port {port} gave no answer")
