"""`python -m simulation`: let the year arrive in a landing folder, or make its bad days. Next: `arrivals.py`."""

from __future__ import annotations

import argparse
from pathlib import Path

from simulation.arrivals import KINDS, Days, replay
from simulation.spoiled import spoil


def main() -> None:
    """Replay what the arguments name and say how many files came."""
    options = _parser().parse_args()
    if options.spoil:
        bad = spoil(options.into)
        print(f"{bad.blocked} must be blocked, {bad.quarantined} has one row that cannot be read")
    else:
        came = replay(options.into, days=options.days, only=options.only)
        print(f"{came} file{'' if came == 1 else 's'} arrived in {options.into}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulation", description="Replay how a year of flights arrives.")
    parser.add_argument("--into", type=Path, default=Path("landing"), metavar="DIR", help="the landing folder (default: landing)")
    parser.add_argument("--days", type=_days, metavar="A..B", help="local days, such as 2013-01-01..2013-01-31 (default: all)")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--spoil", action="store_true", help="make the bad days of January 2014 instead")
    return parser


def _days(text: str) -> Days:
    try:
        return Days.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}\n  hint: write 2013-01-01..2013-01-31") from None


if __name__ == "__main__":
    main()
