"""Asking for a service account's token."""

from datetime import datetime

from msgspec import field

from apps.cluster.types.base import Wire
from apps.cluster.types.meta import Resource


class BoundObjectReference(Wire):
    kind: str = ""
    api_version: str = ""
    name: str = ""
    uid: str = ""


class TokenRequestSpec(Wire):
    audiences: list[str] = []
    expiration_seconds: int | None = None
    bound_object_ref: BoundObjectReference | None = None


class TokenRequestStatus(Wire):
    token: str = ""
    expiration_timestamp: datetime | None = None


class TokenRequest(Resource):
    spec: TokenRequestSpec = field(default_factory=TokenRequestSpec)
    status: TokenRequestStatus = field(default_factory=TokenRequestStatus)
