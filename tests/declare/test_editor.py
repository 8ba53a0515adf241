"""Editors check the same as `mesh check`: the written schemas accept our files and refuse misspelt entries."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest

from lakehouse.declare.document import parse
from lakehouse.declare.editor import write_schemas
from lakehouse.declare.findings import Findings

FLIGHTS = "domains/operations/flights/"
FILES = {
    f"{FLIGHTS}product.odps.yaml": ("product", "delivery:", "delivry:"),
    f"{FLIGHTS}flights.odcs.yaml": ("contract", "value: {severity", "value: {severty"),
    "domains/operations/domain.yaml": ("domain", "timezone:", "timezon:"),
}


@pytest.mark.parametrize("file", FILES)
def test_a_schema_accepts_the_file_and_refuses_a_misspelt_key(mesh, file, tmp_path: Path):
    """Standard, own entry and domain file are all in the schema that the modeline names."""
    kind, right, wrong = FILES[file]
    written = {path.name: path for path in write_schemas(tmp_path / "schemas")}
    validator = jsonschema_rs.validator_for(json.loads(written[f"{kind}.schema.json"].read_text()))
    text = (mesh.root / file).read_text()
    good, bad = (parse(t.encode(), file, Findings()) for t in (text, text.replace(right, wrong)))
    assert good is not None
    assert bad is not None
    assert (validator.is_valid(good.data), validator.is_valid(bad.data)) == (True, False)
