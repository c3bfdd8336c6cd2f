"""Applications: the format, its rules, rendering to ordinary objects, revisions. Decides; the store writes.

``render`` and all it rests on (``format``, ``references``, ``parameters``, ``graph``) are pure. Nothing here knows of
requests, pages or tasks.
"""
