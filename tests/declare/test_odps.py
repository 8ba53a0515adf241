"""Our models of ODPS 1.1 accept and refuse the same files as the schema that the standard's own command ships."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from pydantic import ValidationError

from lakehouse.declare.odps import DataProduct

ROOT = Path(__file__).parents[2]

DEFINITIONS = [{"id": "d", "type": "glossary", "url": "https://example.com", "description": "d"}]
PROPERTIES = [{"id": "c", "property": "p", "value": {"any": [1, None]}, "description": "d", "vendor": "v"}]
ANNOTATED = {"customProperties": PROPERTIES, "authoritativeDefinitions": DEFINITIONS}
TAGGED = {**ANNOTATED, "tags": ["t"]}
SYNONYMS = [
    {"id": "s", "synonym": "s", "description": "d", "locale": "en-US", "source": "g", "status": "active", "customProperties": PROPERTIES}
]
CONTEXT = {
    "instructions": "i",
    "verifiedStatements": [{"id": "v", "question": "q", "answer": "a", **TAGGED}],
    "constraints": [{"id": "c", "constraint": "c", **TAGGED}],
}
MEMBER = {
    "id": "m",
    "username": "u",
    "name": "n",
    "description": "d",
    "role": "r",
    "dateIn": "2026-01-01",
    "dateOut": "2026-02-01",
    "replacedByUsername": "x",
    **TAGGED,
}
EVERYTHING: dict[str, Any] = {
    "apiVersion": "v1.1.0",
    "kind": "DataProduct",
    "id": "i",
    "name": "n",
    "version": "1.0.0",
    "status": "active",
    "domain": "d",
    "deprecated": False,
    "type": "aggregate",
    "tenant": "t",
    "productCreatedTs": "2026-01-01T00:00:00Z",
    "synonyms": SYNONYMS,
    "context": CONTEXT,
    "description": {"purpose": "p", "limitations": "l", "usage": "u", **ANNOTATED},
    "inputPorts": [{"id": "i", "name": "n", "version": "1", "contractId": "c", "deprecated": True, **TAGGED}],
    "outputPorts": [
        {
            "id": "o",
            "name": "n",
            "description": "d",
            "type": "t",
            "version": "1",
            "contractId": "c",
            "deprecated": False,
            "sbom": [{"id": "b", "type": "external", "url": "https://example.com", **TAGGED}],
            "inputContracts": [{"id": "c", "version": "1"}],
            "synonyms": SYNONYMS,
            "context": CONTEXT,
            **TAGGED,
        }
    ],
    "managementPorts": [
        {
            "id": "m",
            "name": "n",
            "content": "control",
            "type": "rest",
            "url": "https://example.com",
            "channel": "c",
            "description": "d",
            "deprecated": False,
            **TAGGED,
        }
    ],
    "support": [
        {
            "id": "s",
            "channel": "c",
            "url": "https://example.com",
            "description": "d",
            "tool": "email",
            "scope": "issues",
            "invitationUrl": "https://example.com",
            **TAGGED,
        }
    ],
    "team": {"name": "n", "description": "d", "members": [MEMBER], **TAGGED},
    **TAGGED,
}
OTHER_TYPES: tuple[Any, ...] = (None, True, 0, 1, 1.5, "", "text", [], [None], ["x"], [{}], {}, {"x": 1})


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every path in a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from places(below, (*path, key))


def mutations(whole: dict[str, Any]) -> Iterator[Any]:
    """The document, and every document that differs in one place: dropped, misspelt, or of another type."""
    yield whole
    for path in places(whole):
        if not path:
            yield from OTHER_TYPES
            continue
        *above, key = path
        for change in (*OTHER_TYPES, "drop", "misspell", "add"):
            document = copy.deepcopy(whole)
            holder: Any = document
            for step in above:
                holder = holder[step]
            if change == "drop":
                del holder[key]
            elif change == "misspell" and isinstance(key, str):
                holder[f"{key}s"] = holder.pop(key)
            elif change == "add" and isinstance(holder[key], dict):
                holder[key]["unheardOf"] = 1
            else:
                holder[key] = copy.deepcopy(change)
            yield document


def accepted(document: Any) -> bool:
    try:
        DataProduct.model_validate(document, strict=True)
    except ValidationError:
        return False
    return True


@pytest.fixture
def official() -> Any:
    """The schema in the wheel of dataproduct-cli."""
    found = sorted(ROOT.glob(".peers/dataproduct/lib/python*/site-packages/dataproduct/schemas/odps-1.1.0.schema.json"))
    if not found:
        pytest.skip("no .peers/dataproduct: scripts/peers.sh makes it")
    return json.loads(found[0].read_text())


def test_a_file_with_everything_is_accepted():
    """Each field of the standard is known."""
    assert accepted(EVERYTHING)


def test_the_models_equal_the_standards_schema(official):
    """On a file with everything, and on each that differs from it in one place, models and schema agree."""
    validator = jsonschema_rs.validator_for(official)
    documents = list(mutations(EVERYTHING))
    disagreed = [d for d in documents if accepted(d) != validator.is_valid(d)]
    verdicts = {validator.is_valid(d) for d in documents}
    assert (disagreed, verdicts, len(documents) > 3000) == ([], {True, False}, True)


def test_the_file_with_everything_holds_every_key_of_the_schema(official):
    """The comparison leaves no field of the standard out."""

    def keys(node: Any) -> set[str]:
        if isinstance(node, dict):
            return set(node.get("properties", ())) | {k for below in node.values() for k in keys(below)}
        return {k for below in node for k in keys(below)} if isinstance(node, list) else set()

    assert keys(official) <= {str(step) for path in places(EVERYTHING) for step in path}
