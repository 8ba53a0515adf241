"""What may stand at a place, by a JSON schema: the keys and values that a misspelt one is compared with.

Next: `standard.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lakehouse.declare.document import Key

Schema = dict[str, Any]
_SAME_PLACE = ("allOf", "anyOf", "oneOf", "if", "then", "else")


class Grammar:
    """A JSON schema, asked by the path of an instance. Conditions are not judged: it answers what may stand there in any case."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def keys(self, path: tuple[Key, ...]) -> frozenset[str]:
        return frozenset(key for node in self._at(path) for key in node.get("properties", ()))

    def _at(self, path: tuple[Key, ...]) -> list[Schema]:
        nodes = list(self._expand(self._schema))
        for key in path:
            nodes = [found for node in nodes for below in self._below(node, key) for found in self._expand(below)]
        return nodes

    def _below(self, node: Schema, key: Key) -> Iterator[Schema]:
        below = node.get("items") if isinstance(key, int) else node.get("properties", {}).get(key)
        if isinstance(below, dict):
            yield below

    def _expand(self, node: Schema) -> Iterator[Schema]:
        """All subschemas that speak of the same place."""
        yield node
        if "$ref" in node:
            yield from self._expand(self._resolve(node["$ref"]))
        for word in _SAME_PLACE:
            part = node.get(word, ())
            for branch in part if isinstance(part, list) else (part,):
                if isinstance(branch, dict):
                    yield from self._expand(branch)

    def _resolve(self, reference: str) -> Schema:
        node: Any = self._schema
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        return dict(node)
