"""What does a team's `domain.yaml` say? Its purpose, its people and its time zone.

Next: `products.py`.
"""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

from lakehouse.address import name_problem
from lakehouse.declare import document
from lakehouse.declare.contract import Place
from lakehouse.declare.entry import shaped
from lakehouse.declare.findings import Findings
from lakehouse.declare.node import Node
from lakehouse.declare.odcs import agree
from lakehouse.declare.product import Domain, Team

FILE = "domain.yaml"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Shape):
    username: str
    name: str = ""
    role: str = ""


class TeamShape(_Shape):
    name: str
    description: str = ""
    members: list[Member] = []


class DomainFile(_Shape):
    """The root of `domain.yaml`."""

    purpose: str
    team: TeamShape
    name: str = ""
    timezone: str = "UTC"


def read(folder: Path, root: Path, findings: Findings) -> Domain | None:
    """The domain in `folder`, or None when its file is missing or wrong."""
    if problem := name_problem(folder.name):
        findings.error(Place(file=folder.relative_to(root).as_posix()), problem, "rename the folder")
    found = document.read(folder / FILE, root, findings)
    shape = shaped(DomainFile, Node.root(found), findings) if found else None
    if found is None or shape is None:
        return None
    node = Node.root(found)
    agree(node, "name", folder.name, findings)
    _check_zone(node, shape.timezone, findings)
    return Domain(
        name=folder.name,
        team=Team(name=shape.team.name, members=tuple(member.username for member in shape.team.members)),
        purpose=shape.purpose,
        timezone=shape.timezone,
        place=node.place(),
    )


def _check_zone(node: Node, zone: str, findings: Findings) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        findings.error(node.place("timezone"), f"{zone!r} is no time zone", "write an IANA name, such as America/New_York")
