"""What does a YAML file say, and on which line: text -> plain data with a place for every JSON path.

A strict subset of YAML 1.2: one document, no anchors, aliases or tags, no key twice. `no`, `on` and dates are text, so that a
country code or a version is never turned into something else. Next: `standard.py` and `odps.py` check the data's shape.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import JsonValue

from lakehouse.declare.contract import Place
from lakehouse.declare.findings import Findings

MAX_BYTES = 1_000_000
MAX_DEPTH = 60
Key = str | int
Lines = dict[int, dict[Key, int]]

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?")
_CONSTANTS: Mapping[str, JsonValue] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's mapping, and the line of each key and item in it."""

    file: str
    data: dict[str, JsonValue]
    lines: Lines

    def place(self, *keys: Key) -> Place:
        """Where `keys` leads; of what is not there, the nearest that is."""
        line, here = 1, self.data
        for key in keys:
            known = self.lines.get(id(here), {})
            if key not in known:
                break
            line, here = known[key], here[key]  # type: ignore[index, assignment]
        return Place(file=self.file, path=json_path(keys), line=line)


def json_path(keys: tuple[Key, ...]) -> str:
    """`("schema", 0, "name")` -> `$.schema[0].name`."""
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)


def read(path: Path, root: Path, findings: Findings) -> Document | None:
    """Read a YAML file of the mesh at `root`; None, and a problem, when it cannot be understood."""
    file = path.relative_to(root).as_posix()
    try:
        raw = path.read_bytes()
    except OSError as error:
        findings.error(Place(file=file), f"cannot be read: {error.strerror}", "make it a readable file")
        return None
    return parse(raw, file, findings)


def parse(raw: bytes, file: str, findings: Findings) -> Document | None:
    """Understand a YAML file's bytes; None, and a problem, when that is impossible."""
    try:
        lines: Lines = {}
        data = _Builder(lines).build(_text(raw))
    except Unreadable as error:
        findings.error(Place(file=file, line=error.line), error.what, error.hint)
        return None
    if not isinstance(data, dict):
        findings.error(Place(file=file, line=1), "is no mapping of keys to values", "begin with a line such as `apiVersion: ...`")
        return None
    return Document(file=file, data=data, lines=lines)


class Unreadable(Exception):
    """The text is no YAML that may be declared."""

    def __init__(self, what: str, hint: str, line: int = 0) -> None:
        super().__init__(what)
        self.what, self.hint, self.line = what, hint, line


def _text(raw: bytes) -> str:
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"is larger than {MAX_BYTES:,} bytes", "a declaration is written by people; keep data in sample/")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unreadable("is not UTF-8 text", "save the file as UTF-8", line) from None
    if "\0" in text:
        raise Unreadable("holds a NUL character", "remove it", text.count("\n", 0, text.index("\0")) + 1)
    return text


class _Builder:
    """Builds plain data from parse events, with an explicit stack: nesting is limited by us, not by recursion."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    def build(self, text: str) -> JsonValue:
        events = self._events(text)
        result: JsonValue = None
        for event in events:
            if isinstance(event, yaml.NodeEvent):
                result = self._node(event, events, 1)
        return result

    def _events(self, text: str) -> Iterator[yaml.Event]:
        documents = 0
        try:
            for event in yaml.parse(text, Loader=yaml.CSafeLoader):
                documents += isinstance(event, yaml.DocumentStartEvent)
                if documents > 1:
                    raise Unreadable("holds more than one document", "keep one; `---` begins another", _line(event))
                _refuse_sharing_and_tags(event)
                yield event
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = f"is not YAML: {error.problem or error.context}"
            raise Unreadable(what, "check indentation, quotes and colons here", mark.line + 1 if mark else 0) from None
        except yaml.YAMLError as error:
            raise Unreadable(f"is not YAML: {' '.join(str(error).split())}", "remove characters that cannot be printed") from None

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> JsonValue:
        if depth > MAX_DEPTH:
            raise Unreadable(f"is nested deeper than {MAX_DEPTH} levels", "flatten it", _line(event))
        if isinstance(event, yaml.ScalarEvent):
            return scalar(event.value) if event.implicit[0] else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, depth)
        return self._mapping(events, depth)

    def _sequence(self, events: Iterator[yaml.Event], depth: int) -> JsonValue:
        items: list[JsonValue] = []
        lines = self.lines[id(items)] = {}
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            lines[len(items)] = _line(event)
            items.append(self._node(event, events, depth + 1))
        return items

    def _mapping(self, events: Iterator[yaml.Event], depth: int) -> JsonValue:
        mapping: dict[str, JsonValue] = {}
        lines = self.lines[id(mapping)] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = _key(event)
            if key in mapping:
                raise Unreadable(f"says {key!r} twice (first on line {lines[key]})", "keep one of them", _line(event))
            lines[key] = _line(event)
            mapping[key] = self._node(next(events), events, depth + 1)
        return mapping


def scalar(text: str) -> JsonValue:
    """What an unquoted word means; words that are no finite number, boolean or null are text, as is an integer too long for any column."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def _key(event: yaml.Event) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        raise Unreadable("has a key that is a list or a mapping", "use a word as key", _line(event))
    return str(event.value)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _refuse_sharing_and_tags(event: yaml.Event) -> None:
    anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
    if isinstance(event, yaml.AliasEvent) or anchor is not None:
        raise Unreadable(f"uses the anchor or alias {anchor!r}", "write the value out where it is needed", _line(event))
    if tag is not None:
        raise Unreadable(f"uses the tag {tag!r}", "plain values need no tag", _line(event))
