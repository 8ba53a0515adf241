"""What pydantic refuses, said with place and hint; and the platform's own entry in `customProperties`.

Next: `vendor.py` shows what an entry may hold.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lakehouse.declare.document import Key
from lakehouse.declare.findings import Findings, closest, shown, suggestion
from lakehouse.declare.grammar import Grammar
from lakehouse.declare.node import Node

M = TypeVar("M", bound=BaseModel)
VENDOR = "lakemesh"
_HINTS = {"string_type": "write a text; quote what looks like a number", "bool_type": "write true or false", "list_type": "write a list"}


def shaped(model: type[M], node: Node, findings: Findings) -> M | None:
    """The mapping at `node` as `model`; None, and every problem, when it does not fit."""
    try:
        return model.model_validate(node.data, strict=True)
    except ValidationError as error:
        _report(model, error.errors(include_url=False), node, findings)
        return None


def entry(model: type[M], holder: Node, findings: Findings) -> M:
    """The lakemesh entry of `holder`; the defaults when there is none, or when it is wrong."""
    return entry_or_none(model, holder, findings) or model()


def entry_or_none(model: type[M], holder: Node, findings: Findings) -> M | None:
    """The lakemesh entry of `holder`, the defaults when there is none; None when it is wrong. Other vendors' entries are theirs."""
    ours = [item for item in holder.nodes("customProperties") if _is_ours(item)]
    named = [item for item in ours if item.text("property") == VENDOR]
    for item in ours:
        if item not in named:
            hint = f"write `property: {VENDOR}` and its keys below `value`"
            findings.error(item.place("property"), f"unknown lakemesh entry {item.text('property')!r}", hint)
    for item in named[1:]:
        findings.error(item.place(), "a second lakemesh entry", "write all keys into the first one's `value`")
    if not named:
        return None if ours else model()
    if not isinstance(named[0].get("value"), dict):
        findings.error(named[0].place("value"), "the lakemesh entry's value is no mapping", "write its keys below `value:`")
        return None
    return shaped(model, named[0].node("value"), findings)


def _is_ours(item: Node) -> bool:
    return (item.text("vendor") or item.text("property")) == VENDOR


def _report(model: type[BaseModel], errors: list[ErrorDetails], node: Node, findings: Findings) -> None:
    grammar = Grammar(model.model_json_schema())
    misspelt: set[tuple[Key, ...]] = set()
    for error in (e for e in errors if e["type"] == "extra_forbidden"):
        *above, key = error["loc"]
        known = grammar.keys(tuple(above))
        misspelt.add((*above, closest(str(key), known) or ""))
        findings.error(node.place(*error["loc"]), f"unknown key {key!r}", suggestion(str(key), known))
    for error in (e for e in errors if e["type"] != "extra_forbidden" and tuple(e["loc"]) not in misspelt):
        findings.error(node.place(*error["loc"]), *_sentence(error))


def _sentence(error: ErrorDetails) -> tuple[str, str]:
    key = str(error["loc"][-1]) if error["loc"] else "the value"
    if error["type"] == "missing":
        return f"{key!r} is missing", f"add `{key}: ...`"
    if error["type"] == "literal_error":
        expected = error["ctx"]["expected"]
        return f"{error['input']!r} is not known here", suggestion(
            str(error["input"]), expected.replace(" or ", ", ").replace("'", "").split(", ")
        )
    if error["type"] in ("model_type", "dict_type"):
        return f"{shown(error['input'])} is no mapping", "write keys and values"
    return f"{shown(error['input'])}: {error['msg'][0].lower()}{error['msg'][1:]}", _HINTS.get(error["type"], "write a value of that form")
