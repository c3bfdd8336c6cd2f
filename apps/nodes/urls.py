"""``/join/...``: what a machine that joins asks for; included by paas.urls at the root."""

from __future__ import annotations

from django.urls import path

from apps.nodes import views

urlpatterns = [
    path("join/ca", views.authority, name="join-authority"),
    path("join/start", views.start, name="join-start"),
    path("join/needs", views.needs, name="join-needs"),
    path("join/agent", views.agent, name="join-agent"),
    path("join", views.join, name="join"),
]
