"""The app's registration; loading it sets the watch over roles, nodes and their identities."""

from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("apps.accounts.escalation").watch_over_roles()
        import_module("apps.accounts.node_writes").watch_over_nodes()
        import_module("apps.accounts.node_identity").watch_over_nodes()
