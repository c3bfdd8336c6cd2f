"""Many nodes in one process whose engine, network, proxy and volumes are only pretended.

What talks to the server is the real thing: connection, view, outbox, and the pure planning of pods. Nothing here
has a thread of its own, so that thousands of idle nodes cost little.
"""
