"""As whom the commands of whoever owns STATE act."""

from apps.accounts.rules import MASTERS
from apps.cluster.actors import Actor

ADMINISTRATOR = Actor("system:admin", frozenset({MASTERS, "system:authenticated"}))
