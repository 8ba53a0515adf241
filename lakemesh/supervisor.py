"""`mesh up`: Dagster's UI and daemon as one child process in a session of its own, watched until somebody says stop.

Whatever ends this process politely (TERM, Ctrl-C) ends all of them.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec

from lakehouse.errors import NotInstalled, Unavailable, WrongUse
from lakehouse.settings import Settings

_PATIENCE = 120.0
_FAREWELL = 20.0


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the UI listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Listen:
        """`127.0.0.1:3000`, or WrongUse."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
            raise WrongUse(f"{text!r} is no address to listen on", hint="write HOST:PORT, such as 127.0.0.1:3000")
        return cls(host, int(port))


class _Stopped(Exception):
    """Somebody said stop."""


def serve(settings: Settings, listen: Listen, ready: Callable[[str], None]) -> None:
    """Start Dagster, call `ready` with its address, and stay until it is told to stop; Unavailable when it ends by itself."""
    if find_spec("dagster_webserver") is None:
        raise NotInstalled.extra("Dagster's UI", "ui")  # noqa: S610 (no Django here)
    _check_free(listen)
    with _stoppable(), suppress(_Stopped), _dagster(settings, listen) as child:
        _wait_until_ready(child, listen)
        ready(listen.url)
        code = child.wait()
        raise Unavailable(f"dagster ended by itself with {code}", hint="what it said stands above")


def _check_free(listen: Listen) -> None:
    try:
        with socket.create_server((listen.host, listen.port)):
            return
    except OSError as error:
        raise Unavailable(f"{listen.host}:{listen.port} cannot be listened on: {error.strerror}", hint="--listen names another") from None


@contextmanager
def _stoppable() -> Iterator[None]:
    """Make TERM and Ctrl-C raise, also where a shell has started us with Ctrl-C ignored: a child would inherit that."""

    def stop(_number: int, _frame: object) -> None:
        raise _Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _dagster(settings: Settings, listen: Listen) -> Iterator[subprocess.Popen[bytes]]:
    from orchestration.instance import open_instance

    open_instance(settings.dagster_home).dispose()
    words = [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", listen.host, "-p", str(listen.port)]
    # its words go to stderr: stdout is for the answer
    child = subprocess.Popen(words, cwd=settings.root, env=settings.environment(), stdout=sys.stderr.fileno(), start_new_session=True)
    try:
        yield child
    finally:
        _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """TERM lets Dagster end its own children; whatever is left of its session after that is killed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(_FAREWELL)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _wait_until_ready(child: subprocess.Popen[bytes], listen: Listen) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if child.poll() is not None:
            raise Unavailable(f"dagster did not start: it ended with {child.returncode}", hint="what it said stands above; mesh check")
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError), urllib.request.urlopen(f"{listen.url}/server_info", timeout=2):  # noqa: S310
            return
        time.sleep(0.2)
    raise Unavailable(f"dagster did not answer on {listen.url} within {_PATIENCE:.0f} s", hint="mesh up again; is the machine very busy?")
