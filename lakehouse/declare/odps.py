"""What may a product file say? The data product standard (Bitol ODPS 1.1) as models, written from its text.

They accept what the standard's schema accepts and refuse what it refuses; what the platform wants beyond it is asked by
`products.py`, which is next.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CustomProperty(_Part):
    property: str
    value: JsonValue
    id: str = ""
    description: str = ""
    vendor: str = ""


class AuthoritativeDefinition(_Part):
    type: str
    url: str
    id: str = ""
    description: str = ""


class _Annotated(_Part):
    """What nearly every part may carry."""

    customProperties: list[CustomProperty] = []
    authoritativeDefinitions: list[AuthoritativeDefinition] = []


class _Tagged(_Annotated):
    tags: list[str] = []


class Synonym(_Part):
    synonym: str
    id: str = ""
    description: str = ""
    locale: str = ""
    source: str = ""
    status: str = ""
    customProperties: list[CustomProperty] = []


class Description(_Annotated):
    purpose: str = ""
    limitations: str = ""
    usage: str = ""


class VerifiedStatement(_Tagged):
    question: str
    id: str = ""
    answer: str = ""


class Constraint(_Tagged):
    constraint: str
    id: str = ""


class Context(_Part):
    instructions: str = ""
    verifiedStatements: list[VerifiedStatement] = []
    constraints: list[Constraint] = []


class InputPort(_Tagged):
    name: str
    id: str = ""
    version: str = ""
    contractId: str = ""
    deprecated: bool = False


class SoftwareBill(_Tagged):
    id: str = ""
    type: str = "external"
    url: str = ""


class InputContract(_Part):
    id: str
    version: str


class OutputPort(_Tagged):
    name: str
    id: str = ""
    description: str = ""
    type: str = ""
    version: str = ""
    contractId: str = ""
    deprecated: bool = False
    sbom: list[SoftwareBill] = []
    inputContracts: list[InputContract] = []
    synonyms: list[Synonym] = []
    context: Context = Context()


class ManagementPort(_Tagged):
    name: str
    content: str
    id: str = ""
    type: str = "rest"
    url: str = ""
    channel: str = ""
    description: str = ""
    deprecated: bool = False


class Support(_Tagged):
    channel: str
    url: str
    id: str = ""
    description: str = ""
    tool: str = ""
    scope: str = ""
    invitationUrl: str = ""


class TeamMember(_Tagged):
    username: str
    id: str = ""
    name: str = ""
    description: str = ""
    role: str = ""
    dateIn: str = ""
    dateOut: str = ""
    replacedByUsername: str = ""


class Team(_Tagged):
    name: str = ""
    description: str = ""
    members: list[TeamMember] = []


class DataProduct(_Tagged):
    """The root of `product.odps.yaml`."""

    apiVersion: Literal["v1.1.0", "v1.0.0", "v0.9.0"]
    kind: Literal["DataProduct"]
    id: str
    name: str = ""
    version: str = ""
    status: str = ""
    deprecated: bool = False
    synonyms: list[Synonym] = []
    domain: str = ""
    type: str = ""
    context: Context = Context()
    tenant: str = ""
    description: Description = Description()
    inputPorts: list[InputPort] = []
    outputPorts: list[OutputPort] = []
    managementPorts: list[ManagementPort] = []
    support: list[Support] = []
    team: Team = Team()
    productCreatedTs: str = ""
