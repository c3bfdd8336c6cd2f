"""Names for the pods of one node, answered on the node itself by a process of its own.

The agent's side is ``client.DnsProcess``: it owns the sockets, so that what is asked while the process is started
again waits there and is answered. What a name means is decided in ``zone`` (pure); ``wire`` alone knows how questions
and answers look in packets; ``upstream`` asks the machine's servers for all other names.

Nothing here touches the machine's own resolver.
"""

from pathlib import Path

CLUSTER_DOMAIN = "cluster.local"
PORT = 53
RESOLV_CONF = Path("/etc/resolv.conf")
"""The machine's own, which is only ever read."""
