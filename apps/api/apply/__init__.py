"""Server-side apply: who owns which field, and how what several clients want becomes one object.

``fields`` names the fields of an object, ``merging`` puts them together, ``owners`` keeps ``managedFields``. All pure.
"""
