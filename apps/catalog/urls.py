"""``/schemas/...``; included by paas.urls at the root."""

from __future__ import annotations

from django.urls import path

from apps.catalog import schema, views

urlpatterns = [path(schema.PATH, views.template_schema, name="template-schema")]
