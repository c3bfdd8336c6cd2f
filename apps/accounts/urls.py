"""``/login``, ``/logout`` and ``/setup/<token>``; included by paas.urls at the root."""

from __future__ import annotations

from django.urls import path

from apps.accounts import views

urlpatterns = [
    path("login", views.Login.as_view(), name="login"),
    path("logout", views.Logout.as_view(), name="logout"),
    path("setup/<str:token>", views.first_admin, name="setup"),
]
