"""What a detail page shows beyond what every kind has: panels, declared per kind as data."""

from apps.dashboard.panels.base import Panel, Subject, panels_of

__all__ = ["Panel", "Subject", "panels_of"]
