"""A container's environment: values from fields, keys and services, with $(VARIABLES) expanded."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from apps.cluster import quantities, types
from node_agent.pods.variables import service_variables

LABEL_PATH = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
LONGEST = 128 * 1024 - 1  # bytes that Linux takes as one argument or variable
MOST = 6 * 1024 * 1024  # and as all arguments and variables of a process
NODE_IS_THE_LIMIT = {"limits.cpu", "limits.memory", "limits.ephemeral-storage"}


class ConfigTrouble(Exception):
    """The pod asks for something that is not there (yet); the message says what."""


class Sources(Protocol):
    """Where values come from; the agent's view of the cluster."""

    def config_map(self, namespace: str, name: str) -> types.ConfigMap | None: ...

    def secret(self, namespace: str, name: str) -> types.Secret | None: ...

    def services(self) -> Iterable[types.Service]: ...

    def token(self, pod: types.Pod, audience: str, seconds: int) -> str: ...

    def claim(self, namespace: str, name: str) -> types.PersistentVolumeClaim | None: ...

    def volume(self, name: str) -> types.PersistentVolume | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What only the node knows about a pod."""

    node: str
    host_ip: str
    pod_ip: str
    allocatable: Mapping[str, str | int | float]


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by its value; an unknown name stays as it is, and ``$$`` is one dollar sign.

    Raises ConfigTrouble when the result is more than a process can be given: variables that name each other twice
    would else grow without end, in the agent's memory.
    """
    out: list[str] = []
    size = 0
    for piece in _pieces(text, values):
        size += len(piece)
        if size > LONGEST:
            what = f'"{text[:40]}" and so on, with its variables,'
            raise ConfigTrouble(f"{what} is longer than the {LONGEST} bytes that a process can be given")
        out.append(piece)
    return "".join(out)


def fitting(words: Iterable[str]) -> Iterator[str]:
    """The words as they come. Raises ConfigTrouble at the one that is too much for a process."""
    size = 0
    for word in words:
        size += len(word)
        _check_total(size)
        yield word


def _check_total(size: int) -> None:
    if size > MOST:
        raise ConfigTrouble(f"its arguments or variables are more than the {MOST} bytes a process can be given")


def _pieces(text: str, values: Mapping[str, str]) -> Iterator[str]:
    position = 0
    while (dollar := text.find("$", position)) >= 0 and dollar + 1 < len(text):
        yield text[position:dollar]
        position = dollar + 2
        following = text[dollar + 1]
        if following == "$":
            yield "$"
        elif following == "(" and (end := text.find(")", position)) > 0:
            name = text[position:end]
            yield values.get(name, f"$({name})")
            position = end + 1
        else:
            yield "$" + following
    yield text[position:]


def environment(pod: types.Pod, container: types.Container, sources: Sources, place: Place) -> dict[str, str]:
    """The container's variables in the API's order of precedence: env, then envFrom, then services.

    Raises ConfigTrouble when something that is not optional is missing, or all of it is too much.
    """
    namespace = pod.metadata.namespace
    links = pod.spec.enable_service_links is not False
    services = service_variables(sources.services(), namespace, links)
    values: dict[str, str] = {}
    for source in container.env_from:
        values |= _all_of(source, namespace, sources)
    written = 0
    for variable in container.env:
        if variable.value_from is None:
            values[variable.name] = expand(variable.value, services | values)
            written += len(values[variable.name])
            _check_total(written)
            continue
        value = _from(variable.value_from, pod, container, sources=sources, place=place)
        if value is not None:
            values[variable.name] = value
    return values | {name: value for name, value in services.items() if name not in values}


def uses_pod_address(container: types.Container) -> bool:
    """Whether the environment can be known only once the pod has its address."""
    return any(
        variable.value_from is not None
        and variable.value_from.field_ref is not None
        and variable.value_from.field_ref.field_path.startswith("status.podIP")
        for variable in container.env
    )


def decoded(data: Mapping[str, str]) -> dict[str, bytes]:
    """A Secret's data (or a ConfigMap's binaryData), which travels in base64."""
    try:
        return {key: base64.b64decode(value) for key, value in data.items()}
    except binascii.Error as error:
        raise ConfigTrouble(f"a value is not base64: {error}") from error


def config_map_content(config_map: types.ConfigMap) -> dict[str, bytes]:
    return {key: value.encode() for key, value in config_map.data.items()} | decoded(config_map.binary_data)


def _all_of(source: types.EnvFromSource, namespace: str, sources: Sources) -> dict[str, str]:
    if source.config_map_ref is not None:
        wanted, optional, what = source.config_map_ref.name, source.config_map_ref.optional, "configmap"
        config_map = sources.config_map(namespace, wanted)
        found = None if config_map is None else config_map.data
    elif source.secret_ref is not None:
        wanted, optional, what = source.secret_ref.name, source.secret_ref.optional, "secret"
        secret = sources.secret(namespace, wanted)
        found = None if secret is None else _texts(decoded(secret.data), what, wanted)
    else:
        return {}
    if found is None:
        if optional:
            return {}
        raise ConfigTrouble(f'{what} "{wanted}" not found')
    return {source.prefix + key: value for key, value in found.items()}


def _from(
    source: types.EnvVarSource, pod: types.Pod, container: types.Container, *, sources: Sources, place: Place
) -> str | None:
    if source.field_ref is not None:
        return field_value(source.field_ref.field_path, pod, place)
    if source.resource_field_ref is not None:
        return resource_value(source.resource_field_ref, pod, container, place)
    namespace = pod.metadata.namespace
    if (key := source.config_map_key_ref) is not None:
        config_map = sources.config_map(namespace, key.name)
        return _one(None if config_map is None else config_map.data, key, "configmap", namespace)
    if (key_of_secret := source.secret_key_ref) is not None:
        secret = sources.secret(namespace, key_of_secret.name)
        data = None if secret is None else _texts(decoded(secret.data), "secret", key_of_secret.name)
        return _one(data, key_of_secret, "secret", namespace)
    return ""


def _one(
    data: Mapping[str, str] | None,
    wanted: types.ConfigMapKeySelector | types.SecretKeySelector,
    what: str,
    namespace: str,
) -> str | None:
    if data is not None and wanted.key in data:
        return data[wanted.key]
    if wanted.optional:
        return None
    if data is None:
        raise ConfigTrouble(f'{what} "{wanted.name}" not found')
    raise ConfigTrouble(f"couldn't find key {wanted.key} in {what} {namespace}/{wanted.name}")


def _texts(data: Mapping[str, bytes], what: str, name: str) -> dict[str, str]:
    try:
        return {key: value.decode() for key, value in data.items()}
    except UnicodeDecodeError as error:
        words = f'{what} "{name}" holds bytes that are no text; a variable cannot carry them'
        raise ConfigTrouble(words) from error


def field_value(path: str, pod: types.Pod, place: Place) -> str:
    """One of the pod's own fields, as ``fieldRef`` names them."""
    if found := LABEL_PATH.fullmatch(path):
        held = pod.metadata.labels if found[1] == "labels" else pod.metadata.annotations
        return held.get(found[2], "")
    fields = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": place.node,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": place.host_ip,
        "status.hostIPs": place.host_ip,
        "status.podIP": place.pod_ip,
        "status.podIPs": place.pod_ip,
    }
    if path not in fields:
        raise ConfigTrouble(f"the field {path} is not one a variable can take")
    return fields[path]


def resource_value(
    wanted: types.ResourceFieldSelector, pod: types.Pod, container: types.Container, place: Place
) -> str:
    """A request or limit in units of the divisor, rounded up; the node's amount where no limit is set."""
    if wanted.container_name:
        named = [each for each in pod.spec.all_containers() if each.name == wanted.container_name]
        if not named:
            raise ConfigTrouble(f"container {wanted.container_name} not found")
        container = named[0]
    side, _, resource = wanted.resource.partition(".")
    held = container.resources.limits if side == "limits" else container.resources.requests
    amount = held.get(resource)
    if amount is None:
        amount = place.allocatable.get(resource, 0) if wanted.resource in NODE_IS_THE_LIMIT else 0
    divisor = wanted.divisor if wanted.divisor not in ("", "0", 0) else 1
    unit = quantities.exact(divisor) or quantities.exact(1)
    return str(-(-quantities.exact(amount) // unit))
