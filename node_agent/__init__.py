"""The node agent: runs the pods of one machine on its container engine and tells the server how they are.

A process of its own without Django. Everything it makes on the machine carries a name derived from its state
directory, so several agents can share one machine and each can be removed without a trace.
"""

VERSION = "v1.32.0-drover"
