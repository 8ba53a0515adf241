"""Is a contract valid ODCS? One sentence per mistake, by the schema that the standard's own package ships.

The schema speaks of one mistake several times (conditions and unevaluated properties); here each is said once.
Next: `odcs.py` compiles a valid contract.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs

from lakehouse.declare.document import Document, Key
from lakehouse.declare.findings import Findings, closest, shown, suggestion
from lakehouse.declare.grammar import Grammar, Schema
from lakehouse.errors import NotInstalled

_EXTRA_KEYS = ("additionalProperties", "unevaluatedProperties")


def check(document: Document, findings: Findings) -> bool:
    """Report where the contract departs from ODCS; say whether it does not."""
    validator = _validator()
    if validator.is_valid(document.data):
        return True
    _Mistakes(document, findings).report(list(validator.iter_errors(document.data)))
    return False


@cache
def schema() -> Schema:
    """The JSON schema of ODCS, read without importing its package."""
    spec = find_spec("open_data_contract_standard")
    if spec is None or spec.origin is None:
        raise NotInstalled("open-data-contract-standard is not installed", hint="pip install --force-reinstall lakemesh")
    loaded: Schema = json.loads(Path(spec.origin).with_name("schema.json").read_text())
    return loaded


def is_expression(pattern: str) -> bool:
    """Can `pattern` be executed in linear time, as RE2 does? Judged by the schema validator's own engine, which is of that family."""
    try:
        jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions())
    except jsonschema_rs.ValidationError:
        return False
    return True


@cache
def _validator() -> Any:
    return jsonschema_rs.validator_for(schema())


class _Mistakes:
    """Turns a schema's errors about one document into sentences."""

    def __init__(self, document: Document, findings: Findings) -> None:
        self._document, self._findings = document, findings
        self._grammar = Grammar(schema())
        self._said: set[tuple[tuple[Key, ...], str]] = set()
        self._misspelt: dict[tuple[Key, ...], set[str]] = {}

    def report(self, errors: list[Any]) -> None:
        flat = [leaf for error in errors for leaf in _leaves(error)]
        plain = [e for e in flat if e.kind.name not in _EXTRA_KEYS]
        broken = {_path(e)[:depth] for e in plain for depth in range(len(_path(e)) + 1)}
        for error in flat:
            if error.kind.name in _EXTRA_KEYS:
                self._extra(error, explained=_path(error) in broken)
        for error in plain:
            self._plain(error)

    def _extra(self, error: Any, *, explained: bool) -> None:
        """Unknown keys are mistakes; known keys in the wrong place are, unless another error at or below explains them."""
        path, known = _path(error), self._grammar.keys(_path(error))
        for key in error.kind.unexpected:
            if key not in known:
                self._misspelt.setdefault(path, set()).add(closest(key, known) or "")
                self._say((*path, key), f"unknown key {key!r}", suggestion(key, known))
            elif not explained:
                self._say((*path, key), f"{key!r} does not belong here", "it goes with another `type` or `logicalType`")

    def _plain(self, error: Any) -> None:
        path, kind = _path(error), error.kind
        if kind.name == "required":
            # without a logicalType, the schema's condition on it holds
            missing = "logicalType" if "then" in error.schema_path and "logicalType" not in error.instance else kind.property
            if missing not in self._misspelt.get(path, ()):
                self._say(path, f"{missing!r} is missing", f"add `{missing}: ...`")
        elif kind.name == "enum":
            self._say(path, f"{shown(error.instance)} is not known here", suggestion(str(error.instance), map(str, kind.options)))
        elif kind.name == "type":
            self._say(path, f"{shown(error.instance)} is not {_types(kind.types)}", _quote_hint(error.instance, kind.types))
        elif kind.name in ("oneOf", "anyOf"):
            self._say(path, *self._choice(error))
        else:
            self._say(path, f"{shown(error.instance)} does not fit: {_reason(error)}", "the ODCS documentation shows what may stand here")

    def _choice(self, error: Any) -> tuple[str, str]:
        operators = sorted(key for key in self._grammar.keys(_path(error)) if key.startswith("must"))
        if not operators:
            return f"{shown(error.instance)} does not fit any form this may have", "the ODCS documentation shows what may stand here"
        if self._misspelt.get(_path(error), set()) & set(operators):
            return "", ""
        return "a rule needs exactly one operator", "one of " + ", ".join(operators)

    def _say(self, path: tuple[Key, ...], message: str, hint: str) -> None:
        if message and (path, message) not in self._said:
            self._said.add((path, message))
            self._findings.error(self._document.place(*path), message, hint)


def _leaves(error: Any) -> Iterator[Any]:
    """The error itself, or, of a choice, the errors of the only form that was meant."""
    if error.kind.name in ("oneOf", "anyOf"):
        meant = [branch for branch in error.kind.context if branch and not any(_other_form(e, error) for e in branch)]
        if len(meant) == 1 and all(error.kind.context):
            for inner in meant[0]:
                yield from _leaves(inner)
            return
    yield error


def _other_form(inner: Any, choice: Any) -> bool:
    return _path(inner) == _path(choice) and inner.kind.name in ("type", "required")


def _path(error: Any) -> tuple[Key, ...]:
    return tuple(error.instance_path)


def _reason(error: Any) -> str:
    return f"it must match {error.kind.pattern}" if error.kind.name == "pattern" else str(error.message)[:200]


def _types(types: list[str]) -> str:
    words = {"object": "a mapping", "array": "a list", "integer": "a whole number", "boolean": "true or false"}
    return " or ".join(words.get(t, f"a {t}") for t in types)


def _quote_hint(value: object, types: list[str]) -> str:
    if types == ["string"] and not isinstance(value, (list, dict)):
        return f'quote it: "{value}"' if value is not None else "write a text, or leave the key out"
    if types == ["boolean"]:
        return "write true or false"
    return f"write {_types(types)}"
