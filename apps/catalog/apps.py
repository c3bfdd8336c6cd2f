"""The app's registration; loading it registers the kinds of drover.dev."""

from importlib import import_module

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "apps.catalog"
    label = "catalog"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("apps.catalog.kinds")
