"""How does an editor check a declaration while it is typed? JSON schemas that the files' `$schema` modelines point at.

Next: `lakehouse/rules`.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from lakehouse.declare import standard
from lakehouse.declare.domain import DomainFile
from lakehouse.declare.entry import VENDOR
from lakehouse.declare.grammar import Schema
from lakehouse.declare.odps import DataProduct, InputPort, OutputPort
from lakehouse.declare.vendor import (
    ContractEntry,
    InputPortEntry,
    OutputPortEntry,
    ProductEntry,
    PropertyEntry,
    QualityEntry,
    RelationshipEntry,
)

_PRODUCT_ENTRIES: dict[type[BaseModel], type[BaseModel]] = {
    DataProduct: ProductEntry,
    InputPort: InputPortEntry,
    OutputPort: OutputPortEntry,
}
_CONTRACT_ENTRIES: dict[str, type[BaseModel]] = {
    "SchemaBaseProperty": PropertyEntry,
    "DataQuality": QualityEntry,
    "RelationshipBase": RelationshipEntry,
}


def write_schemas(folder: Path) -> tuple[Path, ...]:
    """Write the schemas of the three kinds of file into `folder`, usually `.mesh/schemas`."""
    folder.mkdir(parents=True, exist_ok=True)
    schemas = {"product": product_schema(), "contract": contract_schema(), "domain": DomainFile.model_json_schema()}
    written = tuple(folder / f"{name}.schema.json" for name in schemas)
    for path, schema in zip(written, schemas.values(), strict=True):
        path.write_text(json.dumps(schema, indent=2) + "\n")
    return written


def product_schema() -> Schema:
    """ODPS, and in its places the shape of our own entry."""
    models: tuple[type[BaseModel], ...] = (*_PRODUCT_ENTRIES, *_PRODUCT_ENTRIES.values())
    _, definitions = models_json_schema([(model, "validation") for model in models])
    known = definitions["$defs"]
    for holder, model in _PRODUCT_ENTRIES.items():
        known[holder.__name__]["properties"]["customProperties"]["items"] = _with_entry("CustomProperty", model)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "#/$defs/DataProduct", **definitions}


def contract_schema() -> Schema:
    """ODCS as its package ships it, and in its places the shape of our own entry."""
    schema: Schema = json.loads(json.dumps(standard.schema()))
    models: tuple[type[BaseModel], ...] = (ContractEntry, *_CONTRACT_ENTRIES.values())
    _, definitions = models_json_schema([(model, "validation") for model in models])
    schema["$defs"] |= definitions["$defs"]
    holders = {schema["title"]: (schema, ContractEntry)} | {n: (schema["$defs"][n], m) for n, m in _CONTRACT_ENTRIES.items()}
    for holder, model in holders.values():
        holder["properties"]["customProperties"] = {"type": "array", "items": _with_entry("CustomProperty", model)}
    return schema


def _with_entry(custom_property: str, model: type[BaseModel]) -> Schema:
    return {
        "allOf": [{"$ref": f"#/$defs/{custom_property}"}],
        "if": {"properties": {"property": {"const": VENDOR}}, "required": ["property"]},
        "then": {"properties": {"value": {"$ref": f"#/$defs/{model.__name__}"}}},
    }
