"""Who hears what leaves the outbox? OpenLineage's transport where one is configured, else a file of JSON lines.

A receiver raises Unavailable when it did not take an entry, which then stays in the outbox, and EntryRefused when it never will.
Next: `outbox.py`.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from lakehouse.errors import EntryRefused, NotInstalled, Unavailable
from lakehouse.settings import Settings, openlineage_configured

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import RunEvent


REFUSALS = frozenset({400, 413, 422})
"""HTTP's answers about the event itself: malformed, too large, not understood. All others are about the receiver or the way to it."""


class Receiver(Protocol):
    """Takes entries of one topic, one after the other."""

    def send(self, key: str, body: str) -> None:
        """Deliver the JSON `body`, or raise Unavailable or EntryRefused. Entries of one `key` (what they are about) stay in order."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def lineage_receiver(settings: Settings) -> Receiver:
    """OpenLineage's client when its own environment or `openlineage.yml` says where events go; else `<home>/lineage/events.jsonl`."""
    if openlineage_configured():
        return OpenLineage()
    return lineage_file(settings)


def lineage_file(settings: Settings) -> JsonLines:
    """The file that hears lineage where no transport is configured."""
    return JsonLines(settings.home / "lineage" / "events.jsonl")


class JsonLines:
    """Appends each entry as a line. A line that a crash tore is removed before the next: its entry is still in the outbox."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self, key: str, body: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b", buffering=0) as file:
                _drop_torn_line(file)
                _append(file, body.encode() + b"\n")
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error.strerror}", hint="free the disk, or set OPENLINEAGE_URL") from error

    def close(self) -> None:
        """Nothing is held open."""

    def turn(self, now: datetime, days: int) -> None:
        """Put the file aside as `events.<date>.jsonl` once its oldest event is `days` old; remove what was put aside so long ago."""
        aside = "{0.stem}.{1}{0.suffix}"
        for old in self.path.parent.glob(aside.format(self.path, "[0-9]*-[0-9]*-[0-9]*")):
            if (now.date() - date.fromisoformat(old.suffixes[0][1:])).days > days:
                old.unlink()
        if self.path.is_file() and _age(self.path, now) > timedelta(days=days):
            self.path.rename(self.path.with_name(aside.format(self.path, now.date())))


def _age(file: Path, now: datetime) -> timedelta:
    """How long ago the first event of the file was; none, when it cannot be told."""
    with file.open(encoding="utf-8") as lines, suppress(ValueError, LookupError, TypeError):
        return now - datetime.fromisoformat(json.loads(next(lines, ""))["eventTime"])
    return timedelta()


def _drop_torn_line(file: IO[bytes]) -> None:
    if file.tell() == 0:
        return
    file.seek(-1, os.SEEK_END)
    if file.read(1) != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _append(file: IO[bytes], line: bytes) -> None:
    written = file.write(line)
    if written < len(line):
        raise OSError(None, "the disk is full")


class OpenLineage:
    """OpenLineage's own client, configured as its documentation says; half a second to import, so only at the first entry.

    A transport that answers before it has delivered (`async_http`) takes the promise of at-least-once into its own hands.
    """

    def __init__(self) -> None:
        self._client: OpenLineageClient | None = None

    def send(self, key: str, body: str) -> None:
        try:
            self._client = self._client or _client()
            self._client.emit(_event(body))
        except ImportError as error:
            raise NotInstalled(f"the OpenLineage transport is not installed: {error}", hint="pip install 'openlineage-python'") from error
        except (OSError, RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
            hint = "look at OPENLINEAGE_URL or openlineage.yml"
            answer = getattr(error, "response", None)
            if answer is not None and answer.status_code in REFUSALS:
                said = " ".join(f"{error} {answer.text}".split())[:500]
                raise EntryRefused(f"OpenLineage's receiver refused an event: {said}", hint=hint) from error
            raise Unavailable(f"OpenLineage's receiver took no event: {error}", hint=hint) from error

    def close(self) -> None:
        if self._client:
            self._client.close(timeout=0)
            self._client = None


def _client() -> OpenLineageClient:
    """The client; ValueError when it found no transport in what is configured, and would print events on the console instead."""
    from openlineage.client import OpenLineageClient

    logging.getLogger("openlineage").addHandler(logging.NullHandler())  # what it logs is said by what it raises
    client = OpenLineageClient()
    if client.transport.kind == "console" and (client.config.transport or {}).get("type") != "console":
        raise ValueError("openlineage.yml cannot be read, or names no transport")
    return client


def _event(body: str) -> RunEvent:
    """The client takes its own classes only; facets stay the dictionaries that they are."""
    from openlineage.client import event_v2

    told = json.loads(body)
    return event_v2.RunEvent(
        eventType=event_v2.RunState(told["eventType"]),
        eventTime=told["eventTime"],
        producer=told["producer"],
        run=event_v2.Run(**told["run"]),
        job=event_v2.Job(**told["job"]),
        inputs=[event_v2.InputDataset(**dataset) for dataset in told["inputs"]],
        outputs=[event_v2.OutputDataset(**dataset) for dataset in told["outputs"]],
    )
