"""The file of lineage keeps what is promised, and does not grow for ever."""

from __future__ import annotations

import json
from datetime import timedelta

from lakehouse.lineage.facets import instant
from lakehouse.mesh import Mesh
from lakehouse.outbox import _alone, tidy
from lakehouse.receivers import lineage_receiver


class Log:
    """A mesh whose lineage is written on days of its own."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh, self.began, self.folder = mesh, mesh.now(), mesh.settings.home / "lineage"

    def write(self, day: int) -> None:
        """One event, after the upkeep of that day."""
        self.mesh.now = lambda: self.began + timedelta(days=day)
        tidy(self.mesh)
        lineage_receiver(self.mesh.settings).send("run", json.dumps({"eventTime": instant(self.mesh.now()), "day": day}))

    @property
    def kept(self) -> dict[str, list[int]]:
        return {f.name: [json.loads(line)["day"] for line in f.read_text().splitlines()] for f in sorted(self.folder.iterdir())}


def test_the_file_keeps_what_is_promised_and_no_more(mesh: Mesh) -> None:
    """Upkeep puts the file aside when its oldest event is older than `[lineage] days`, and removes it when all of them are."""
    log = Log(mesh)
    aside = f"events.{(log.began + timedelta(days=91)).date()}.jsonl"
    for day in (0, 89, 91, 180):
        log.write(day)
    assert log.kept == {aside: [0, 89], "events.jsonl": [91, 180]}
    log.write(182)
    assert [*log.kept] == [f"events.{(log.began + timedelta(days=182)).date()}.jsonl", "events.jsonl"]


def test_a_file_that_is_being_written_is_put_aside_another_time(mesh: Mesh) -> None:
    """Upkeep never takes the file from under the process that drains."""
    log = Log(mesh)
    log.write(0)
    mesh.now = lambda: log.began + timedelta(days=1000)
    with _alone(mesh, "lineage") as mine:
        assert mine
        tidy(mesh)
        assert [*log.kept] == ["events.jsonl"]
    tidy(mesh)
    assert "events.jsonl" not in log.kept


def test_lines_of_others_are_no_trouble(mesh: Mesh) -> None:
    """A file whose first line is none of ours is left where it is."""
    log = Log(mesh)
    log.folder.mkdir(parents=True)
    for text in ("", "no JSON\n", "{}\n", '{"eventTime": 7}\n', '{"eventTime": "2000-01-01"}\n'):
        (log.folder / "events.jsonl").write_text(text)
        tidy(mesh)
        assert (log.folder / "events.jsonl").read_text() == text
