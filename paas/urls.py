"""Django's routes: what is neither the REST API's nor a socket's."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
