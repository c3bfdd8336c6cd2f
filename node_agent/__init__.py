"""The node agent: runs the pods of one machine on its container engine and tells the server how they are.

A process of its own without Django. Everything it makes on the machine carries a name derived from its state
directory, so several agents can share one machine and each can be removed without a trace.
"""

import re
from pathlib import Path

NUMBER = "v1.32.0-drover"
_FOLDER = Path(__file__).resolve().parent.parent.name
"""Named after its content where a join line put it."""
VERSION = f"{NUMBER}+{_FOLDER}" if re.fullmatch("[0-9a-f]{16}", _FOLDER) else NUMBER
