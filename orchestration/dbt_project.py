"""How is dbt run in this process? One project, one command at a time; what dbt answers becomes results, what it raises our errors.

dbt is imported when the first command needs it. Its files go below the mesh's home. Next: `dbt_compiled.py`.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.errors import MeshError, NotInstalled, Severity, TransformFailed
from lakehouse.settings import Engine, Settings
from orchestration.dbt_offer import Offer, offering

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_QUIET = (
    *("--quiet", "--no-print", "--no-use-colors", "--log-level", "none", "--log-level-file", "none"),
    *("--no-send-anonymous-usage-stats", "--no-version-check", "--no-write-json"),
)
_HINT = "cd dbt && dbt build runs the same models in a scratch database"
_NO_SOURCE = "python -m orchestration.dbt_sources lists the ports of the mesh in dbt/models/sources.yml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A model or a test. `file` is relative to the mesh's root; `reads` are ids: `source.<project>.<domain>.<port>`, `model.….<name>`.

    `setting` is what else decides a test's verdict: its severity and thresholds.
    """

    id: str
    name: str
    kind: str
    language: str
    file: str
    reads: tuple[str, ...]
    about: str | None = None
    severity: Severity = "error"
    setting: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one node. `relation` is where a model's rows are, `failing` how many rows a test returned."""

    name: str
    status: str
    message: str
    failing: int | None
    relation: str | None
    compiled: str


@dataclass(slots=True)
class Project:
    """A mesh's dbt project, parsed once."""

    folder: Path
    home: Path
    engine: Engine
    _manifest: Manifest | None = field(default=None, init=False)

    @classmethod
    def of(cls, settings: Settings) -> Project:
        return cls(folder=settings.root / "dbt", home=settings.home / "dbt", engine=settings.engine)

    def nodes(self) -> Mapping[str, Node]:
        """Models and tests by id."""
        found = [_node(n, self.folder.name) for n in self._parsed().nodes.values() if n.resource_type in ("model", "test")]
        return {node.id: node for node in found}

    @contextmanager
    def running(self, command: str, select: Sequence[str], offer: Offer, *, exclude: Sequence[str] = ()) -> Iterator[tuple[Result, ...]]:
        """One dbt command over the selected nodes, and only these. Inside, `offer.opened` is dbt's database after it."""
        selection = ["--select", *select, *(["--exclude", *exclude] if exclude else []), "--indirect-selection", "empty"]
        with self._invoked([command, *selection], offer, self._parsed()) as answer:
            yield tuple(_result(r) for r in answer.results)

    def _parsed(self) -> Manifest:
        manifest = self._manifest
        if manifest is None:
            self._write_profile()
            with self._invoked(["parse"], Offer(ports={}), None) as parsed:
                manifest = self._manifest = parsed
        return manifest

    @contextmanager
    def _invoked(self, command: Sequence[str], offer: Offer, manifest: Manifest | None) -> Iterator[Any]:
        """What the command gives: of `parse` a manifest, of all others their run's results."""
        try:
            from dbt.adapters.duckdb.connections import DuckDBConnectionManager
            from dbt.cli.main import dbtRunner
        except ImportError as error:
            raise NotInstalled.extra("dbt", "dbt") from error  # noqa: S610  (not Django's)
        with offering(offer):
            try:
                answer = dbtRunner(manifest=manifest).invoke([*command, *_QUIET, *self._places()])
                if isinstance(answer.exception, Exception):
                    raise self.failure(str(answer.exception)) from answer.exception
                if answer.exception is not None:
                    raise answer.exception
                yield answer.result
            finally:
                # dbt-duckdb would keep its database for the next command, which has to find another offer
                DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]

    def _places(self) -> tuple[str, ...]:
        home = str(self.home)
        return (
            *("--project-dir", str(self.folder), "--profiles-dir", home, "--profile", "mesh", "--target", "mesh"),
            *("--target-path", f"{home}/target", "--log-path", f"{home}/logs"),
        )

    def _write_profile(self) -> None:
        """The same text every time: dbt parses the whole project anew when it changes."""
        output = {
            "type": "duckdb",
            "path": ":memory:",
            "threads": 1,
            "config_options": {
                "memory_limit": self.engine.memory_limit,
                "threads": self.engine.threads,
                "temp_directory": str(self.home.parent / "spill"),
            },
            "settings": {"TimeZone": "UTC"},
            "plugins": [{"module": "orchestration.dbt_plugin", "config": {"for_runs": True}}],
        }
        profile = {"mesh": {"target": "mesh", "outputs": {"mesh": output}}}
        write_whole(self.home / "profiles.yml", json.dumps(profile, indent=1))

    def failure(self, message: str, compiled: str = "") -> MeshError:
        """What dbt says went wrong, in a sentence, with the file and the line of the model where they can be told."""
        found = re.search(r"\(((?:models|tests|macros)/[^)\s]+)\)", message)
        file = self.folder / (found[1] if found else "dbt_project.yml")
        line = _line(message, file.read_text(encoding="utf-8"), compiled) if found and file.is_file() else None
        place = f"{self.folder.name}/{file.relative_to(self.folder)}"
        return TransformFailed(
            _sentence(message),
            place=f"{place} (line {line})" if line else place,
            hint=_NO_SOURCE if "depends on a source" in message else _HINT,
        )


def write_whole(file: Path, text: str) -> None:
    """Written beside and moved into place: another process reads all of it or the one before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{uuid.uuid4().hex}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def _line(message: str, text: str, compiled: str) -> int | None:
    """Jinja counts the file's lines. DuckDB counts those of the statement, so what it quotes is looked for in the file.

    Compiled text is looked through where Jinja left the lines as they were: it has what stands in the place of `source()`.
    """
    if counted := re.search(r"^\s*line (\d+)\s*$", message, re.MULTILINE):
        return int(counted[1])
    quoted = [line.strip(" .") for line in re.findall(r"LINE \d+: (.+)", message)] + re.findall(r'"(\w+)"', message)
    lines, seen = text.strip().splitlines(), compiled.strip().splitlines()
    before = text[: len(text) - len(text.lstrip())].count("\n")
    searched = seen if len(seen) == len(lines) else lines
    return next((before + number for wanted in quoted for number, line in enumerate(searched, 1) if wanted in line), None)


def _node(node: Any, folder: str) -> Node:
    is_test = node.resource_type == "test"
    return Node(
        id=node.unique_id,
        name=node.name,
        kind=str(node.resource_type),
        language=node.language,
        file=f"{folder}/{node.original_file_path}",
        reads=tuple(node.depends_on.nodes),
        about=getattr(node, "attached_node", None),
        severity="warning" if is_test and str(node.config.severity).lower() == "warn" else "error",
        setting=f"{node.config.severity} {node.config.error_if} {node.config.warn_if}".lower() if is_test else "",
    )


def _result(result: Any) -> Result:
    return Result(
        name=result.node.name,
        status=str(result.status),
        message=str(result.message or ""),
        failing=result.failures,
        relation=getattr(result.node, "relation_name", None),
        compiled=getattr(result.node, "compiled_code", None) or "",
    )


def _sentence(message: str) -> str:
    """The lines that say something: not the quoted line and its caret, not where dbt keeps the compiled text."""
    lines = [line.strip() for line in message.splitlines()]
    said = [line for line in lines if line and not re.match(r"LINE \d+:|\^|compiled code at|line \d+$", line)]
    return "dbt: " + " ".join(said)
