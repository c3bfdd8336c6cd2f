"""What probes and lifecycle hooks must obey, and which containers may have them."""

from __future__ import annotations

from collections.abc import Iterator

from apps.cluster import names, types
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem

SCHEMES = ("HTTP", "HTTPS")
LARGEST = 2**31 - 1
LARGEST_PORT = 65535
HEADER_NAME = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
PATH_LIMIT = 4096


def care_problems(container: types.Container, path: str) -> Iterator[Problem]:
    """Of a container that stays: an ordinary one."""
    if container.restart_policy:
        yield refusals.forbidden(f"{path}.restartPolicy", "may not be set for non-init containers")
    yield from _care_problems(container, path)


def init_problems(container: types.Container, path: str) -> Iterator[Problem]:
    """Of one that runs before the others; only if it goes on beside them there is something to ask it."""
    if container.restart_policy not in ("", "Always"):
        yield refusals.unsupported(f"{path}.restartPolicy", container.restart_policy, ("Always",))
    if container.restart_policy == "Always":
        yield from _care_problems(container, path)
        return
    for field in ("lifecycle", "liveness_probe", "readiness_probe", "startup_probe"):
        if getattr(container, field) is not None:
            yield refusals.forbidden(
                f"{path}.{types.wire_name(field)}",
                "may not be set for init containers without restartPolicy=Always",
            )


def _care_problems(container: types.Container, path: str) -> Iterator[Problem]:
    for field in ("liveness_probe", "readiness_probe", "startup_probe"):
        probe: types.Probe | None = getattr(container, field)
        if probe is not None:
            yield from _probe_problems(
                probe, container, f"{path}.{types.wire_name(field)}", for_ready=field == "readiness_probe"
            )
    if container.lifecycle is not None:
        for field in ("post_start", "pre_stop"):
            hook: types.LifecycleHandler | None = getattr(container.lifecycle, field)
            if hook is not None:
                yield from _hook_problems(hook, container, f"{path}.lifecycle.{types.wire_name(field)}")


def _probe_problems(
    probe: types.Probe, container: types.Container, path: str, *, for_ready: bool
) -> Iterator[Problem]:
    handlers = {"exec": probe.exec_, "httpGet": probe.http_get, "tcpSocket": probe.tcp_socket, "grpc": probe.grpc}
    yield from _one_handler(path, **handlers)
    yield from _exec_problems(probe.exec_, f"{path}.exec")
    yield from _get_problems(probe.http_get, container, f"{path}.httpGet")
    if probe.tcp_socket is not None:
        yield from _port_problems(probe.tcp_socket.port, container, f"{path}.tcpSocket.port")
        yield from _host_problems(probe.tcp_socket.host, f"{path}.tcpSocket.host")
    if probe.grpc is not None:
        yield from _port_problems(probe.grpc.port, container, f"{path}.grpc.port")
        yield from refusals.plain(f"{path}.grpc.service", probe.grpc.service, PATH_LIMIT)
    for field, low in (
        ("initial_delay_seconds", 0),
        ("timeout_seconds", 1),
        ("period_seconds", 1),
        ("success_threshold", 1),
        ("failure_threshold", 1),
        ("termination_grace_period_seconds", 1),
    ):
        yield from refusals.between(f"{path}.{types.wire_name(field)}", getattr(probe, field), low, LARGEST)
    if not for_ready and probe.success_threshold not in (None, 1):
        yield refusals.invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1")
    if for_ready and probe.termination_grace_period_seconds is not None:
        yield refusals.invalid(
            f"{path}.terminationGracePeriodSeconds",
            probe.termination_grace_period_seconds,
            "must not be set for readinessProbes",
        )


def _hook_problems(hook: types.LifecycleHandler, container: types.Container, path: str) -> Iterator[Problem]:
    yield from _one_handler(path, exec=hook.exec_, httpGet=hook.http_get, sleep=hook.sleep)
    yield from _exec_problems(hook.exec_, f"{path}.exec")
    yield from _get_problems(hook.http_get, container, f"{path}.httpGet")
    if hook.sleep is not None:
        yield from refusals.between(f"{path}.sleep.seconds", hook.sleep.seconds, 0, LARGEST)


def _one_handler(path: str, **handlers: object) -> Iterator[Problem]:
    given = [name for name, handler in handlers.items() if handler is not None]
    if not given:
        yield refusals.required(path, "must specify a handler type")
    for extra in given[1:]:
        yield refusals.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")


def _exec_problems(action: types.ExecAction | None, path: str) -> Iterator[Problem]:
    if action is None:
        return
    if not action.command:
        yield refusals.required(f"{path}.command")
    for index, word in enumerate(action.command):
        yield from refusals.without_nul(f"{path}.command[{index}]", word)


def _get_problems(
    action: types.HTTPGetAction | None, container: types.Container, path: str
) -> Iterator[Problem]:
    if action is None:
        return
    yield from refusals.one_of(f"{path}.scheme", action.scheme, SCHEMES)
    yield from refusals.plain(f"{path}.path", action.path, PATH_LIMIT)
    yield from _port_problems(action.port, container, f"{path}.port")
    yield from _host_problems(action.host, f"{path}.host")
    for index, header in enumerate(action.http_headers):
        at = f"{path}.httpHeaders[{index}]"
        if not header.name or not set(header.name) <= HEADER_NAME:
            yield refusals.invalid(f"{at}.name", header.name, "must be an HTTP header name")
        yield from refusals.plain(f"{at}.value", header.value, PATH_LIMIT)


def _host_problems(host: str, path: str) -> Iterator[Problem]:
    if host and not (
        set(host) <= set("0123456789abcdefABCDEF:.") or names.dns_subdomain_problem(host) is None
    ):
        yield refusals.invalid(path, host, "must be an address or a host name")


def _port_problems(port: int | str, container: types.Container, path: str) -> Iterator[Problem]:
    if isinstance(port, int):
        yield from refusals.between(path, port, 1, LARGEST_PORT)
    elif not any(each.name == port for each in container.ports):
        yield refusals.invalid(path, port, "must be a number, or the name of one of the container's ports")
