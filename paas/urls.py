"""Django's routes: what is neither the REST API's nor a socket's."""

from django.urls import include, path

urlpatterns = [
    path("", include("apps.api.urls")),
    path("", include("apps.accounts.urls")),
    path("", include("apps.nodes.urls")),
    path("", include("apps.catalog.urls")),
    path("", include("apps.dashboard.urls")),
]

handler400 = "apps.dashboard.views.errors.bad_request"
handler403 = "apps.dashboard.views.errors.forbidden"
handler404 = "apps.dashboard.views.errors.not_found"
handler500 = "apps.dashboard.views.errors.failed"
