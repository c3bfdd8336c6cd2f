"""The dashboard: one list view and one detail view for any kind, live over one websocket per tab.

Reads through the store and policy, writes through ``store.write`` after ``authorize``; it holds no rule of its own.
What differs between kinds is data (columns in the registry, panels in ``panels/``); templates know no kind by name
except the panels made for one.
"""
