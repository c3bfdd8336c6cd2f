"""``manage.py worker``: a worker, where an operator starts the processes one by one."""

from paas.management.process import CeleryCommand


class Command(CeleryCommand):
    name = "worker"
    help = "Run the scheduler and the controllers in the foreground, as one of any number of workers."
