"""The one framing of exec, attach and port-forward, from the client to the container. No Django here.

It is Kubernetes' ``v5.channel.k8s.io``: websocket messages whose first byte names a channel. The server speaks it on
both of its sides, so between kubectl and a node's door it is a pipe that looks at nothing.

    0    input: to the process, or to the forwarded port
    1    output of the process, or of the port; empty messages mean nothing and ask only "are you still there?"
    2    the process's second output
    3    a Status, the last word: Success, an exit code, or what went wrong
    4    the client's window: {"Width": 80, "Height": 24}
    255  half-close; one more byte says which channel: 0 from the client, 1 from a port that has said everything

The door takes it as websockets, one for each process and one for each connection to a port:

    GET /exec/<namespace>/<pod>/<container>?command=ls&command=-l&stdin=true&stdout=true&stderr=true&tty=true
    GET /attach/<namespace>/<pod>/<container>?stdin=true&stdout=true&stderr=true
    GET /portforward/<namespace>/<pod>?port=80

It refuses before the websocket opens: 400, 404 or 503 and words. Asked without a websocket, the same address answers
200 or the same refusal, and nothing is started. When the websocket ends, so does the process or the connection.

Each hop stops reading while the next one does not take more, so memory is bounded by a few messages per hop,
whatever is copied. A container that does not read its input holds up a whole websocket: kubectl's port-forward
carries all its connections over one, so there a connection that is not read may hold up the others, as it does in
Kubernetes.

Nobody pings: who waits for a slow container could not answer. ``KEEP_ALIVE`` has the kernels ask each other, so that a
machine that is gone without a word ends what was open to it within ``GONE_SECONDS``.
"""

import socket
from typing import Any

from apps.cluster.types.base import encode

SUBPROTOCOL = "v5.channel.k8s.io"
INPUT, OUTPUT, ERRORS, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
MOST_BYTES = 4 * 2**20 + 1
"""The longest message."""

GONE_SECONDS = 20
KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, GONE_SECONDS // 4),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, GONE_SECONDS // 4),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_SECONDS * 1000),
)
"""Options of the sockets on both ends of a hop between server and node."""

END_OF_INPUT = bytes((CLOSE, INPUT))
END_OF_OUTPUT = bytes((CLOSE, OUTPUT))
NOTHING = bytes((OUTPUT,))


def frame(channel: int, content: bytes) -> bytes:
    return bytes((channel,)) + content


def success() -> bytes:
    return _status({"status": "Success"})


def failure(message: str, reason: str = "InternalError", code: int = 500) -> bytes:
    """The end of a stream that went wrong; clients show the message."""
    return _status({"status": "Failure", "reason": reason, "message": message, "code": code})


def exited(code: int) -> bytes:
    """The end of a process, in the words from which clients take its exit code."""
    if code == 0:
        return success()
    return _status(
        {
            "status": "Failure",
            "reason": "NonZeroExitCode",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    )


def _status(status: dict[str, Any]) -> bytes:
    return frame(STATUS, encode({"metadata": {}, **status}))
