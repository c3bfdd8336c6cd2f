"""Wiring only: settings, urls, the ASGI and Celery applications, and the supervisor behind ``manage.py up``.

Nothing in here knows a kind; whatever has an opinion about the cluster lives in ``apps``.
"""

VERSION = "0.1.0"
