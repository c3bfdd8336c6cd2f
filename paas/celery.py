"""The Celery application: the worker runs the controllers, beat reminds it now and then of everything.

Tasks are reminders. Losing one costs a second, doubling one costs a look, so nothing is kept or acknowledged
late.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paas.settings")

from django.conf import settings  # noqa: E402  the line above says whose settings

MINUTE = 60.0


def broker(url: str) -> str:
    """``unix:///path`` is ``redis+socket:///path`` here."""
    return "redis+socket://" + url.removeprefix("unix://") if url.startswith("unix://") else url


def reminder(task: str, seconds: float) -> dict[str, object]:
    """A periodic task that is dropped, not done later, when nobody took it in time."""
    return {
        "task": f"apps.controllers.tasks.{task}",
        "schedule": seconds,
        "options": {"expires": min(seconds, MINUTE)},
    }


app = Celery("drover")
app.conf.update(
    broker_url=broker(settings.REDIS_URL),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # Seconds for which one question to Redis waits for a task; each question costs both sides something.
    broker_transport_options={"polling_interval": 10},
    timezone="UTC",
    enable_utc=True,
    imports=("apps.controllers.tasks",),
    task_default_queue="drover",
    task_ignore_result=True,
    task_acks_late=False,
    worker_cancel_long_running_tasks_on_connection_loss=True,  # of those acknowledged late: none; unset it warns
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    beat_schedule={
        "resync": reminder("resync", 5 * MINUTE),
        "trim": reminder("trim", MINUTE),
    },
)
# Else the database connection is closed before and after every task.
app.conf["CELERY_DB_REUSE_MAX"] = 10**9
# Nudges are sent from threads of their own, which see only the default application.
app.set_default()
