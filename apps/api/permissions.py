"""The REST adapter's permission by default: no. Apart from the views, because loading those asks for it."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request as DrfRequest


class DenyAll(BasePermission):
    """The default of every view: no. A view says itself whom it lets in."""

    def has_permission(self, request: DrfRequest, view: Any) -> bool:
        return False
