"""Exec, attach and port-forward: what a client's websocket says, carried to the door of the pod's node and back.

Who may, which container and which node is decided before a websocket opens (``targets``); what then passes is told in
``apps.cluster.types.streams``. ``processes`` is a pipe; ``forwarding`` takes the connections of a port-forward apart,
which kubectl sends as SPDY inside one websocket (``spdy``) and other clients as pairs of channels.
"""
