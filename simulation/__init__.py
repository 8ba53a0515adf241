"""How does the real data arrive? The operational systems of New York's airports in 2013, replayed into a landing folder.

    landing/flights/2013-01-01.csv    the flights of one local day, 365 files
    landing/weather/2013-01-01.csv    the hourly observations of one local day, 364 files
    landing/aircraft/planes.csv       registers, one file each
    landing/airports/airports.csv
    landing/airlines/airlines.csv

It stands for the source systems: it imports nothing of the platform, and the platform nothing of it. Next: `arrivals.py`.
"""

from simulation.arrivals import KINDS, Days, replay
from simulation.spoiled import Spoiled, spoil

__all__ = ["KINDS", "Days", "Spoiled", "replay", "spoil"]
