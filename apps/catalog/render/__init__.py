"""From a definition and its values to ordinary objects. Pure: same input, same output, nothing read or rolled here."""

from apps.catalog.render.application import Identity, Refused, Rendered, render

__all__ = ["Identity", "Refused", "Rendered", "render"]
