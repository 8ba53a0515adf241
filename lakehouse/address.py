"""How a port is called: `domain.port`, the same word in every engine.

Iceberg namespace and table, Dagster asset key, dbt source, SQL name and URL path are all this address.
Next: `declare/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakehouse.errors import WrongUse

NAME = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = frozenset(
    [
        "all",
        "analyze",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "between",
        "by",
        "case",
        "cast",
        "check",
        "collate",
        "column",
        "constraint",
        "create",
        "cross",
        "current_date",
        "current_time",
        "current_timestamp",
        "current_user",
        "default",
        "delete",
        "desc",
        "describe",
        "distinct",
        "drop",
        "else",
        "end",
        "except",
        "exists",
        "false",
        "fetch",
        "for",
        "foreign",
        "from",
        "full",
        "grant",
        "group",
        "having",
        "in",
        "information_schema",
        "inner",
        "input",
        "insert",
        "intersect",
        "into",
        "is",
        "join",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "main",
        "mesh",
        "natural",
        "not",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "overlaps",
        "primary",
        "references",
        "right",
        "select",
        "session_user",
        "set",
        "show",
        "some",
        "sys",
        "system",
        "table",
        "temp",
        "then",
        "to",
        "trailing",
        "true",
        "union",
        "unique",
        "update",
        "user",
        "using",
        "values",
        "when",
        "where",
        "window",
        "with",
    ]
)


def name_problem(name: str) -> str | None:
    """Say why `name` cannot name a domain, product, port or column; None when it can."""
    if not NAME.fullmatch(name):
        return f"{name!r} is not a name: lower-case letters, digits and _, beginning with a letter"
    if "__" in name:
        return f"{name!r} holds two underscores in a row, which dbt models and quarantine tables use as a separator"
    if name in RESERVED:
        return f"{name!r} is a reserved word in SQL or Dagster"
    return None


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """`domain.port`. A product is addressed by its main port."""

    domain: str
    port: str

    def __str__(self) -> str:
        return f"{self.domain}.{self.port}"

    @property
    def identifier(self) -> tuple[str, str]:
        """The Iceberg identifier, and the Dagster asset key: `(namespace, table)`."""
        return (self.domain, self.port)

    @property
    def quarantine(self) -> Address:
        """Where this port's set-aside rows are kept; no declared port can have this name."""
        return Address(self.domain, f"{self.port}__quarantine")

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `domain.port`, or raise WrongUse."""
        domain, dot, port = text.partition(".")
        if not dot or not NAME.fullmatch(domain) or not NAME.fullmatch(port):
            raise WrongUse(f"{text!r} is not an address", hint="write domain.port, such as operations.flights")
        return cls(domain, port)
