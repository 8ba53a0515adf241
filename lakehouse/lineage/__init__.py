"""What came from what? A run's OpenLineage events, one identity per data set, and the graph of a mesh.

`events` turns a `RunRecord` into START and COMPLETE or FAIL; `publish.py` puts them into the outbox in its own transaction.
Next: `records.py`, then `events.py`.
"""

from lakehouse.lineage.events import events
from lakehouse.lineage.identity import Identity, Name, identity
from lakehouse.lineage.records import (
    Catalog,
    CodeLocation,
    Field,
    InputDataset,
    Lifecycle,
    NominalTime,
    OutputDataset,
    ParentRun,
    RunRecord,
    fields,
)

__all__ = [
    "Catalog",
    "CodeLocation",
    "Field",
    "Identity",
    "InputDataset",
    "Lifecycle",
    "Name",
    "NominalTime",
    "OutputDataset",
    "ParentRun",
    "RunRecord",
    "events",
    "fields",
    "identity",
]
