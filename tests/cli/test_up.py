"""`mesh up`: one line when it is ready, and nothing left when it is told to stop."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request

import psutil
import pytest

from tests.cli.conftest import Shop

pytestmark = pytest.mark.integration


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as there:
        return int(there.getsockname()[1])


def test_up_serves_until_term(declared: Shop):
    """The one JSON line names the UI, which answers; TERM ends it and all of its processes with 0."""
    port = free_port()
    words = [sys.executable, "-m", "lakemesh", "--root", str(declared.root), "--json", "up", "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        url = json.loads(child.stdout.readline())["dagster"]
        assert url == f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{url}/server_info", timeout=10) as answer:  # noqa: S310 (our own address)
            assert "dagster_version" in json.load(answer)
        below = psutil.Process(child.pid).children(recursive=True)
        assert below
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 0
    assert [p for p in psutil.wait_procs(below, timeout=10)[1] if p.is_running()] == []


def test_a_taken_port_is_the_world_in_the_way(declared: Shop):
    """Exit 3 with a hint, and no process is started."""
    with socket.create_server(("127.0.0.1", 0)) as there:
        said = declared.json("up", "--listen", f"127.0.0.1:{there.getsockname()[1]}")
    assert said.code == 3
    assert "--listen" in said.error["hint"]
