"""How compiling code reads plain data: a mapping together with its place in the file.

Shapes are checked before (by `standard.py`, `odps.py`); asking for what is not there gives the empty value of the kind asked for.
Next: `odcs.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from lakehouse.declare.contract import Place, Scalar
from lakehouse.declare.document import Document, Key


@dataclass(frozen=True, slots=True)
class Node:
    """A mapping at `keys` of a document."""

    document: Document
    keys: tuple[Key, ...]
    data: dict[str, JsonValue]

    @classmethod
    def root(cls, document: Document) -> Node:
        return cls(document, (), document.data)

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def place(self, *keys: Key) -> Place:
        return self.document.place(*self.keys, *keys)

    def get(self, key: str) -> JsonValue:
        return self.data.get(key)

    def text(self, key: str) -> str:
        value = self.data.get(key)
        return value if isinstance(value, str) else ""

    def flag(self, key: str) -> bool:
        return self.data.get(key) is True

    def scalar(self, key: str) -> Scalar:
        value = self.data.get(key)
        return value if isinstance(value, (str, int, float, bool)) else None

    def whole(self, key: str) -> int | None:
        """A whole number; `2.0` is one, as in JSON schema."""
        value = self.data.get(key)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.data.get(key)
        return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()

    def node(self, key: str) -> Node:
        value = self.data.get(key)
        return Node(self.document, (*self.keys, key), value if isinstance(value, dict) else {})

    def nodes(self, key: str) -> tuple[Node, ...]:
        value = self.data.get(key)
        found = enumerate(value) if isinstance(value, list) else ()
        return tuple(Node(self.document, (*self.keys, key, i), v) for i, v in found if isinstance(v, dict))
