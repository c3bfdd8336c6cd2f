"""Django's routes: what is neither the REST API's nor a socket's."""

from django.urls import include, path

urlpatterns = [
    path("", include("apps.api.urls")),
    path("", include("apps.accounts.urls")),
    path("", include("apps.dashboard.urls")),
]
