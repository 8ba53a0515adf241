"""What was said leaves the outbox: in order, at least once, and never at the expense of a run."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from lakehouse.errors import Unavailable
from lakehouse.lineage import RunRecord, events
from lakehouse.mesh import Mesh
from lakehouse.outbox import Courier, deliver
from lakehouse.receivers import JsonLines, lineage_receiver
from tests.lineage.conftest import STARTED, Specification, open_mesh

Said = list[dict[str, Any]]


def say(mesh: Mesh, record: RunRecord, runs: int, first: int = 1) -> Said:
    """Put the events of `runs` runs into the outbox, as a publication does, and return them."""
    told = [events(replace(record, run_id=UUID(int=n))) for n in range(first, first + runs)]
    for pair in told:
        with mesh.store.writing() as con:
            for event in pair:
                mesh.store.say(con, "lineage", str(cast("Any", event)["run"]["runId"]), event, STARTED)
    return [json.loads(json.dumps(event)) for pair in told for event in pair]


def lines(mesh: Mesh) -> Said:
    path = mesh.settings.home / "lineage" / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def key(event: dict[str, Any]) -> tuple[str, str]:
    return event["run"]["runId"], event["eventType"]


class Server(ThreadingHTTPServer):
    """A receiver on the loopback that keeps what it accepted; `answer` decides what becomes of a request."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Callable[[Server, Handler], None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.accepted = answer, cast("Said", [])
        self.asked, self.released, self.gave_up = threading.Event(), threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that went away is part of these tests."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.set()
        self.server.answer(self.server, self)

    def reply(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


def accept(server: Server, request: Handler) -> None:
    server.accepted.append(json.loads(request.body))
    request.reply(201)


def refuse(server: Server, request: Handler) -> None:
    request.reply(500)


def reset(server: Server, request: Handler) -> None:
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()


def never(server: Server, request: Handler) -> None:
    server.released.wait(10)
    server.gave_up.set()


def one_at_a_time(server: Server, request: Handler) -> None:
    """Take the first; keep the others waiting until released."""
    if server.accepted:
        server.released.wait(60)
    accept(server, request)


@contextmanager
def serving(answer: Callable[[Server, Handler], None]) -> Iterator[Server]:
    server = Server(answer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def to(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Point OpenLineage's own variables at a URL: the client waits long and does not try again."""

    def point(url: str) -> None:
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", url)
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TIMEOUT", "60")
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__RETRY", '{"total": 0, "read": 0, "connect": 0}')

    return point


def test_events_go_to_a_file_by_default(mesh: Mesh, record: RunRecord) -> None:
    """Without any configuration each event is one line of `<home>/lineage/events.jsonl`, in order and once."""
    said = say(mesh, record, 60)
    assert deliver(mesh, budget=30) == 120
    assert deliver(mesh, budget=30) == 0
    assert lines(mesh) == said
    more = say(mesh, record, 1, first=100)
    assert deliver(mesh, budget=30) == 2
    assert lines(mesh) == [*said, *more]


def test_without_time_nothing_is_told(mesh: Mesh, record: RunRecord) -> None:
    """A spent budget tells nothing and loses nothing."""
    say(mesh, record, 1)
    assert deliver(mesh, budget=0) == 0
    assert len(mesh.store.waiting("lineage")) == 2


def test_the_standard_url_is_honoured(mesh: Mesh, record: RunRecord, monkeypatch: pytest.MonkeyPatch, specification: Specification) -> None:
    """With OPENLINEAGE_URL the receiver gets what was said, still valid, and no file is written."""
    said = say(mesh, record, 2)
    with serving(accept) as server:
        monkeypatch.setenv("OPENLINEAGE_URL", server.url)
        assert deliver(mesh, budget=30) == 4
    assert [key(e) for e in server.accepted] == [key(e) for e in said]
    assert server.accepted[1]["outputs"] == said[1]["outputs"]
    assert server.accepted[1]["inputs"] == said[1]["inputs"]
    assert [p for event in server.accepted for p in specification.problems(event)] == []
    assert lines(mesh) == []


def test_openlineage_yml_is_honoured(mesh: Mesh, record: RunRecord, tmp_path: Path) -> None:
    """A configuration file where the standard looks for it decides the transport."""
    (tmp_path / "openlineage.yml").write_text(f"transport: {{type: file, append: true, log_file_path: {tmp_path}/elsewhere.jsonl}}\n")
    say(mesh, record, 1)
    assert deliver(mesh, budget=30) == 2
    assert len((tmp_path / "elsewhere.jsonl").read_text().splitlines()) == 2
    assert lines(mesh) == []


@pytest.mark.parametrize("text", ["transport: [", "transport: 5", "foo: 1", "", "transport: {type: kafkaa}"])
def test_a_configuration_that_names_no_transport_loses_nothing(
    mesh: Mesh, record: RunRecord, tmp_path: Path, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The client would print events on the console: they wait instead, until the file is mended, and nothing but that is said."""
    (tmp_path / "openlineage.yml").write_text(text)
    said = say(mesh, record, 1)
    assert deliver(mesh, budget=30) == 0
    assert len(mesh.store.waiting("lineage")) == 2
    assert "Traceback" not in capfd.readouterr().err
    (tmp_path / "openlineage.yml").unlink()
    assert deliver(mesh, budget=30) == 2
    assert lines(mesh) == said


@pytest.mark.parametrize("answer", [refuse, reset, never])
def test_a_bad_receiver_holds_no_run_up_and_loses_nothing(
    mesh: Mesh, record: RunRecord, to: Callable[[str], None], answer: Callable[[Server, Handler], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers 500, breaks the connection or never answers: the run ends while it is still at it; later all is told in order."""
    with serving(answer) as server:
        to(server.url)
        with Courier(mesh, farewell=0.1) as courier:
            said = say(mesh, record, 3)
            courier.wake()
            assert server.asked.wait(20)
        assert not server.gave_up.is_set()
        assert len(mesh.store.waiting("lineage")) == len(said)
    courier.join()
    for name in ("TYPE", "URL", "TIMEOUT", "RETRY"):
        monkeypatch.delenv(f"OPENLINEAGE__TRANSPORT__{name}")
    assert deliver(mesh, budget=30) == len(said)
    assert lines(mesh) == said


def refuse_the_first(status: int) -> Callable[[Server, Handler], None]:
    def answer(server: Server, request: Handler) -> None:
        if json.loads(request.body)["run"]["runId"] == str(UUID(int=1)):
            request.reply(status)
        else:
            accept(server, request)

    return answer


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_refused_for_good_holds_nothing_up(mesh: Mesh, record: RunRecord, to: Callable[[str], None], status: int) -> None:
    """An answer about the event itself sets it aside whole, with the answer; those behind it are told, in order."""
    said = say(mesh, record, 3)
    with serving(refuse_the_first(status)) as server:
        to(server.url)
        assert deliver(mesh, budget=30) == 4
    assert [key(e) for e in server.accepted] == [key(e) for e in said[2:]]
    assert mesh.store.waiting("lineage") == ()
    aside = mesh.store.refused("lineage")
    assert [(k, json.loads(body)) for k, body, _ in aside] == [(e["run"]["runId"], e) for e in said[:2]]
    assert all(str(status) in reason for *_, reason in aside)


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
def test_what_is_no_answer_about_the_event_waits(mesh: Mesh, record: RunRecord, to: Callable[[str], None], status: int) -> None:
    """A receiver that is busy, down, elsewhere or wants a token is waited for: nothing is set aside, nothing overtakes."""
    said = say(mesh, record, 2)
    with serving(refuse_the_first(status)) as server:
        to(server.url)
        assert deliver(mesh, budget=30) == 0
    assert server.accepted == []
    assert len(mesh.store.waiting("lineage")) == len(said)
    assert mesh.store.refused("lineage") == ()


def test_nobody_listening_is_no_error(mesh: Mesh, record: RunRecord, to: Callable[[str], None]) -> None:
    """A refused connection leaves the entries where they are, and says so by the count only."""
    say(mesh, record, 1)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        to(f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert deliver(mesh, budget=30) == 0
    assert len(mesh.store.waiting("lineage")) == 2


def test_a_slow_receiver_gets_the_rest_later(mesh: Mesh, record: RunRecord, to: Callable[[str], None]) -> None:
    """A run leaves a slow receiver after its farewell; nothing is lost, and the order of each run is kept."""
    said = say(mesh, record, 3)
    with serving(one_at_a_time) as server:
        to(server.url)
        with Courier(mesh, farewell=0.1) as courier:
            assert server.asked.wait(20)
        assert len(server.accepted) < len(said)
        server.released.set()
        courier.join()
        deliver(mesh, budget=30)
    assert list(dict.fromkeys(map(key, server.accepted))) == [key(e) for e in said]
    assert mesh.store.waiting("lineage") == ()


def test_a_courier_tells_while_the_run_goes_on(mesh: Mesh, record: RunRecord, to: Callable[[str], None]) -> None:
    """What a publication said is told after it, not only at the run's end; also what an earlier run left behind."""
    say(mesh, record, 1)
    with serving(accept) as server:
        to(server.url)
        with Courier(mesh) as courier:
            assert server.asked.wait(20)
            server.asked.clear()
            say(mesh, record, 1, first=2)
            courier.wake()
            assert server.asked.wait(20)
        assert len(server.accepted) == 4
    assert mesh.store.waiting("lineage") == ()


class Held:
    """A receiver that takes its time: it waits inside `send` until it is let go."""

    def __init__(self) -> None:
        self.inside, self.go, self.taken = threading.Event(), threading.Event(), cast("list[str]", [])

    def send(self, key: str, body: str) -> None:
        self.inside.set()
        self.go.wait(30)
        self.taken.append(body)

    def close(self) -> None:
        """Holds nothing."""


def test_two_that_drain_at_once_tell_nothing_twice(mesh: Mesh, record: RunRecord) -> None:
    """The second finds the first at work and leaves it to it."""
    said = say(mesh, record, 2)
    first, second = Held(), Held()
    second.go.set()
    thread = threading.Thread(target=deliver, args=(mesh,), kwargs={"budget": 30, "receiver": first})
    thread.start()
    assert first.inside.wait(20)
    assert deliver(mesh, budget=30, receiver=second) == 0
    first.go.set()
    thread.join()
    assert [json.loads(body) for body in first.taken] == said
    assert second.taken == []


def test_each_topic_has_its_own_receiver(mesh: Mesh, record: RunRecord) -> None:
    """Draining one topic leaves the others' entries alone."""
    say(mesh, record, 1)
    with mesh.store.writing() as con:
        mesh.store.say(con, "dagster", "run", {"asset": "operations.flights"}, STARTED)
    there = Held()
    there.go.set()
    assert deliver(mesh, budget=30, topic="dagster", receiver=there) == 1
    assert there.taken == ['{"asset": "operations.flights"}']
    assert len(mesh.store.waiting("lineage")) == 2


def test_a_torn_line_is_replaced_by_the_whole(tmp_path: Path) -> None:
    """A line that a crash cut short is not left for readers to stumble over."""
    path = tmp_path / "events.jsonl"
    path.write_text('{"a": 1}\n{"b"')
    JsonLines(path).send("run", '{"b": 2}')
    assert path.read_text() == '{"a": 1}\n{"b": 2}\n'


def test_a_file_that_cannot_be_written_is_said_with_a_hint(mesh: Mesh, record: RunRecord) -> None:
    """The world is in the way: the receiver names the file, the entry stays."""
    say(mesh, record, 1)
    (mesh.settings.home / "lineage" / "events.jsonl").mkdir(parents=True)
    assert deliver(mesh, budget=30) == 0
    assert len(mesh.store.waiting("lineage")) == 2
    with pytest.raises(Unavailable, match=r"events\.jsonl.*\n.*hint"):
        lineage_receiver(mesh.settings).send("run", "{}")


def test_a_configuration_that_means_nothing_holds_nothing_up(mesh: Mesh, record: RunRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport that does not exist is as good as a dead receiver: no traceback, nothing lost."""
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "carrier_pigeon")
    say(mesh, record, 1)
    assert deliver(mesh, budget=30) == 0
    assert len(mesh.store.waiting("lineage")) == 2


DRAIN = """
import sys
from dataclasses import replace
from pathlib import Path
from lakehouse.faults import Faults
from lakehouse.outbox import deliver
from tests.lineage.conftest import open_mesh
with open_mesh(Path(sys.argv[1])) as mesh:
    mesh.faults = Faults.parse(sys.argv[2])
    deliver(mesh, budget=30)
"""


@pytest.mark.parametrize("fault", ["k9:0", "k10:1"])
def test_a_killed_drain_loses_nothing(mesh: Mesh, record: RunRecord, tmp_path: Path, fault: str) -> None:
    """Killed before or amid draining: the next drain tells all, in order within each run, and the lock holds nobody up."""
    said = say(mesh, record, 2)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    died = subprocess.run([sys.executable, "-c", DRAIN, str(tmp_path), fault], env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    with open_mesh(tmp_path) as after:
        assert deliver(after, budget=30) == len(said)
        assert after.store.waiting("lineage") == ()
    told = [key(e) for e in lines(mesh)]
    assert list(dict.fromkeys(told)) == [key(e) for e in said]
