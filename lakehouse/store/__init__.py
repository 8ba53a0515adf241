"""The mesh store: what was published, delivered, leased, judged and still has to be told.

Embedded, it is the same sqlite file as the Iceberg SQL catalog, on one engine of ours, so that a publication and the tables'
new states are one transaction. Only this room and `commit.py` know its SQL. Next: `catalogs.py`.
"""

from sqlalchemy import Connection

from lakehouse.store.engine import open_engine
from lakehouse.store.records import Arrival, Batch, Holder, Lease, Pin, PortState, Publication, State
from lakehouse.store.store import Store

__all__ = ["Arrival", "Batch", "Connection", "Holder", "Lease", "Pin", "PortState", "Publication", "State", "Store", "open_engine"]
