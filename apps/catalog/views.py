"""What of the catalog is for everybody: the schema of the format, at an address that stays."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from apps.catalog.schema import schema
from apps.cluster import types


@require_safe
def template_schema(_: HttpRequest) -> HttpResponse:
    return HttpResponse(types.encode(schema()), content_type="application/schema+json")
