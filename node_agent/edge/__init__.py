"""The way in from outside: on edge nodes Caddy takes what comes for host names and leads it to services.

``plan`` decides (pure) what Caddy is to do for the Ingresses that the server tells this node; ``process`` has one serve
that, and each change has another: ``serving`` is what one of them is from its start until its last stream has ended.
Where there is no Ingress, nothing runs.

Caddy leads to the services' own addresses: the node's rules choose the pod, and pass by those that are about to end,
so pods come and go without a new configuration. It serves without rights of its own but for low ports, and outlives
the agent: the next one takes it over.
"""
