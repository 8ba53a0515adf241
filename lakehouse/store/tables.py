"""The store's tables. One schema, created when it is missing; times are UTC milliseconds.

Next: `records.py` has the shapes the rest of the platform sees.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, text

metadata = MetaData()

publications = Table(
    "publications",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("product", String, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("at", Integer, nullable=False),
    Column("run_id", String, nullable=False),
    Column("code_version", String, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("batches", Text, nullable=False),
    Column("restores", String),
    Column("withdrawn", Integer, nullable=False, default=0),
    Column("expired", Integer, nullable=False, default=0),
    Index("publications_by_product", "product", "seq"),
    Index("publications_kept", "product", "expired", "seq"),
)

port_states = Table(
    "port_states",
    metadata,
    Column("publication", String, ForeignKey("publications.id"), primary_key=True),
    Column("address", String, primary_key=True),
    Column("snapshot_id", Integer),
    Column("schema_id", Integer, nullable=False),
    Column("metadata_location", String, nullable=False),
    Column("manifest_list", String),
    Column("contract_version", String, nullable=False),
    Column("contract", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("total_rows", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("content", String, nullable=False),
    Column("quarantine", String),
)

contracts = Table(
    "contracts",
    metadata,
    Column("fingerprint", String, primary_key=True),
    Column("address", String, nullable=False),
    Column("body", Text, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("product", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("input_port", String, nullable=False),
    Column("name", String, nullable=False),
    Column("partition", String),
    Column("state", String, nullable=False),
    Column("at", Integer, nullable=False),
    Column("delivered", Integer, nullable=False, default=0),
    Column("published", Integer, nullable=False, default=0),
    Column("quarantined", Integer, nullable=False, default=0),
    Column("discarded", Integer, nullable=False, default=0),
    Column("publication", String),
    Column("attempt", String),
    Column("reason", Text),
    Column("staged", Text),
    Index("batches_by_state", "product", "state"),
)

arrivals = Table(
    "arrivals",
    metadata,
    Column("product", String, primary_key=True),
    Column("input_port", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("location", String, nullable=False),
    Column("stamp", String, nullable=False),
    Column("batch", String, nullable=False),
    Column("seq", Integer, nullable=False),
    Index("arrivals_by_seq", "seq"),
    Index("arrivals_by_digest", "product", "input_port", "digest"),
)

batch_files = Table(
    "batch_files",
    metadata,
    Column("product", String, primary_key=True),
    Column("batch", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("digest", String, nullable=False),
    Index("batch_files_by_name", "product", "name"),
)

leases = Table(
    "leases",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("holder", String, nullable=False),
    Column("expires", Float, nullable=False),
    Column("publications", Text, nullable=False),
    Index("one_writer", "subject", unique=True, sqlite_where=text("kind = 'product'")),
)

reports = Table(
    "reports",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("product", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("batch", String),
    Column("publication", String),
    Column("at", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Index("reports_by_run", "run_id"),
    Index("reports_by_product", "product", "seq"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("topic", String, nullable=False),
    Column("key", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("delivered", Integer),
    Index("outbox_waiting", "topic", "delivered", "seq"),
)

refused = Table(
    "refused",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("topic", String, nullable=False),
    Column("key", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("reason", Text, nullable=False),
)
