"""Which aircraft is it? The register under plain names, with one spelling for each maker."""

from __future__ import annotations

import pandas as pd

_NAMES = {"tailnum": "tail_number", "year": "built_year", "type": "kind", "engine": "engine_kind", "speed": "cruising_speed_mph"}
_SPELLINGS = {
    "AIRBUS INDUSTRIE": "AIRBUS",
    "CANADAIR LTD": "CANADAIR",
    "MCDONNELL DOUGLAS AIRCRAFT CO": "MCDONNELL DOUGLAS",
    "MCDONNELL DOUGLAS CORPORATION": "MCDONNELL DOUGLAS",
}


def aircraft(landed: pd.DataFrame) -> pd.DataFrame:
    """Rename the register's columns and unify its makers."""
    return landed.rename(columns=_NAMES).replace({"manufacturer": _SPELLINGS})
