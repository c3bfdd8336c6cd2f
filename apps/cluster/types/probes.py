"""How a container is asked how it is, and what is done when it starts and before it stops."""

from apps.cluster.types.base import Wire

PortName = int | str


class ExecAction(Wire):
    command: list[str] = []


class HTTPHeader(Wire):
    name: str
    value: str


class HTTPGetAction(Wire):
    port: PortName
    path: str = ""
    host: str = ""
    scheme: str = ""
    http_headers: list[HTTPHeader] = []


class TCPSocketAction(Wire):
    port: PortName
    host: str = ""


class GRPCAction(Wire):
    port: int
    service: str = ""


class SleepAction(Wire):
    seconds: int


class Probe(Wire):
    exec_: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: GRPCAction | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int | None = None
    period_seconds: int | None = None
    success_threshold: int | None = None
    failure_threshold: int | None = None
    termination_grace_period_seconds: int | None = None


class LifecycleHandler(Wire):
    exec_: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(Wire):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
