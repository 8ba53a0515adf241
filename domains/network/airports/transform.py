"""Where is it? The list of airports under names that say their units."""

from __future__ import annotations

import pyarrow as pa

_NAMES = {
    "faa": "airport",
    "name": "name",
    "lat": "latitude_deg",
    "lon": "longitude_deg",
    "alt": "altitude_ft",
    "tz": "utc_offset_h",
    "dst": "daylight_saving",
    "tzone": "time_zone",
}


def airports(landed: pa.Table) -> pa.Table:
    """Rename the list's columns."""
    return landed.rename_columns(_NAMES)
