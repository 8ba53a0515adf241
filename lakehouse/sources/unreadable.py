"""What it means that a file cannot be read at all: the delivery is refused, with the reason the system gave."""

from __future__ import annotations

import zlib

from lakehouse.errors import BatchRefused

CAUSES = (OSError, EOFError, UnicodeError, zlib.error)


def refused(
    name: str, error: Exception, hint: str = "deliver it again, whole, and readable for the user that runs the mesh"
) -> BatchRefused:
    """The refusal of the file called `name`."""
    lines = str(error).splitlines()
    return BatchRefused(f"the file cannot be read: {lines[0] if lines else type(error).__name__}", hint=hint, place=name)
