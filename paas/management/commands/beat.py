"""``manage.py beat``: beat, where an operator starts the processes one by one."""

from paas.management.process import CeleryCommand


class Command(CeleryCommand):
    name = "beat"
    help = "Remind the workers of the rare looks, in the foreground; one is enough, two do no harm."
