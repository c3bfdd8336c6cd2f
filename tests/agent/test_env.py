"""A container's environment: expansion, fields, keys, and the variables of services as in the articles."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from node_agent.pods.env import (
    ConfigTrouble,
    Place,
    environment,
    expand,
    field_value,
    fitting,
    uses_pod_address,
)
from node_agent.pods.variables import service_variables


@dataclass
class Held:
    """What the cluster holds, for a test."""

    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    known: list[types.Service] = field(default_factory=list)
    claims: dict[str, types.PersistentVolumeClaim] = field(default_factory=dict)
    volumes: dict[str, types.PersistentVolume] = field(default_factory=dict)

    def config_map(self, namespace: str, name: str) -> types.ConfigMap | None:
        return types.ConfigMap(data=self.config_maps[name]) if name in self.config_maps else None

    def secret(self, namespace: str, name: str) -> types.Secret | None:
        if name not in self.secrets:
            return None
        return types.Secret(
            data={key: base64.b64encode(value).decode() for key, value in self.secrets[name].items()}
        )

    def claim(self, namespace: str, name: str) -> types.PersistentVolumeClaim | None:
        return self.claims.get(name)

    def volume(self, name: str) -> types.PersistentVolume | None:
        return self.volumes.get(name)

    def services(self) -> list[types.Service]:
        return self.known

    def token(self, pod: types.Pod, audience: str, seconds: int) -> str:
        return f"{pod.spec.service_account_name} for {audience} for {seconds}" if seconds else ""


PLACE = Place(
    node="node-1", host_ip="10.0.0.1", pod_ip="10.64.0.7", allocatable={"cpu": "2", "memory": "4Gi"}
)


def service(name: str, address: str, *ports: types.ServicePort, namespace: str = "default") -> types.Service:
    meta = types.ObjectMeta(name=name, namespace=namespace)
    return types.Service(metadata=meta, spec=types.ServiceSpec(cluster_ip=address, ports=list(ports)))


def variables(*wanted: types.EnvVar, held: Held | None = None, **fields: object) -> dict[str, str]:
    container = types.Container(name="app", env=list(wanted), **fields)  # type: ignore[arg-type]
    pod = types.Pod(
        metadata=types.ObjectMeta(name="web", namespace="default", uid="u1", labels={"app": "web"}),
        spec=types.PodSpec(containers=[container], service_account_name="default"),
    )
    return environment(pod, container, held or Held(), PLACE)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(B)z", "x1y2z"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$", "$"),
        ("a$", "a$"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("$($(A))", "$($(A))"),
        ("$$$$", "$$"),
    ],
)
def test_variables_expand_as_the_api_says(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expanded


@given(st.text(alphabet="ab$() "))
def test_text_without_a_known_name_survives_but_for_doubled_dollars(text: str) -> None:
    assert expand(text.replace("$", "$$"), {"a": "1"}) == text


@given(st.text())
def test_expansion_takes_any_text(text: str) -> None:
    expand(text, {"A": "1"})


def test_variables_that_name_each_other_twice_are_refused_before_they_fill_the_agents_memory() -> None:
    doubling = [types.EnvVar(name=f"V{n}", value=f"$(V{n - 1})$(V{n - 1})" if n else "x") for n in range(60)]
    with pytest.raises(ConfigTrouble, match=r"V16.* longer than the 131071 bytes that a process can be given"):
        variables(*doubling)


def test_variables_and_arguments_that_are_too_much_together_are_refused() -> None:
    many = [types.EnvVar(name=f"V{n}", value="$(BASE)") for n in range(100)]
    with pytest.raises(ConfigTrouble, match="more than the 6291456 bytes"):
        variables(types.EnvVar(name="BASE", value="x" * 100_000), *many)
    with pytest.raises(ConfigTrouble, match="more than the 6291456 bytes"):
        list(fitting(expand("$(BASE)", {"BASE": "x" * 100_000}) for _ in many))


def test_a_service_has_the_variables_of_the_articles() -> None:
    redis = service("redis-master", "10.254.0.11", types.ServicePort(port=6379, protocol="TCP"))
    assert service_variables([redis], "default", links=True) == {
        "REDIS_MASTER_SERVICE_HOST": "10.254.0.11",
        "REDIS_MASTER_SERVICE_PORT": "6379",
        "REDIS_MASTER_PORT": "tcp://10.254.0.11:6379",
        "REDIS_MASTER_PORT_6379_TCP": "tcp://10.254.0.11:6379",
        "REDIS_MASTER_PORT_6379_TCP_PROTO": "tcp",
        "REDIS_MASTER_PORT_6379_TCP_PORT": "6379",
        "REDIS_MASTER_PORT_6379_TCP_ADDR": "10.254.0.11",
    }


def test_several_ports_are_told_apart_by_number_and_name() -> None:
    dns = service(
        "dns", "10.254.0.10",
        types.ServicePort(port=53, protocol="UDP", name="dns-udp"), types.ServicePort(port=53, name="tcp"),
    )  # fmt: skip
    found = service_variables([dns], "default", links=True)
    assert found["DNS_SERVICE_PORT"] == "53"
    assert found["DNS_SERVICE_PORT_DNS_UDP"] == "53"
    assert found["DNS_PORT"] == "udp://10.254.0.10:53"
    assert found["DNS_PORT_53_TCP"] == "tcp://10.254.0.10:53"


def test_pods_see_services_of_their_namespace_and_the_api_server() -> None:
    api = service("kubernetes", "10.254.0.1", types.ServicePort(port=443, name="https"))
    mine = service("mine", "10.254.0.5", types.ServicePort(port=80), namespace="team")
    other = service("other", "10.254.0.6", types.ServicePort(port=80), namespace="elsewhere")
    headless = service("headless", "None", types.ServicePort(port=80), namespace="team")
    known = [api, mine, other, headless]
    linked = service_variables(known, "team", links=True)
    assert {name.split("_SERVICE_")[0] for name in linked if name.endswith("_SERVICE_HOST")} == {
        "KUBERNETES", "MINE",
    }  # fmt: skip
    alone = service_variables(known, "team", links=False)
    assert {name.split("_")[0] for name in alone} == {"KUBERNETES"}


def test_own_variables_come_before_those_of_services_and_may_use_them() -> None:
    held = Held(known=[service("db", "10.254.0.9", types.ServicePort(port=5432))])
    found = variables(
        types.EnvVar(name="URL", value="pg://$(DB_SERVICE_HOST):$(DB_SERVICE_PORT)/$(NAME)"),
        types.EnvVar(name="NAME", value="later"),
        types.EnvVar(name="DB_SERVICE_PORT", value="1"),
        held=held,
    )
    assert found["URL"] == "pg://10.254.0.9:5432/$(NAME)", "only what stands before it is known"
    assert found["DB_SERVICE_PORT"] == "1"
    assert found["DB_SERVICE_HOST"] == "10.254.0.9"


def test_values_come_from_keys_and_whole_maps() -> None:
    held = Held(config_maps={"conf": {"a": "1", "b": "2"}}, secrets={"keys": {"password": b"hush"}})
    reference = types.EnvVarSource(secret_key_ref=types.SecretKeySelector(name="keys", key="password"))
    found = variables(
        types.EnvVar(name="PASSWORD", value_from=reference),
        types.EnvVar(name="P_b", value="own"),
        held=held,
        env_from=[
            types.EnvFromSource(prefix="P_", config_map_ref=types.EnvSource(name="conf")),
            types.EnvFromSource(secret_ref=types.EnvSource(name="absent", optional=True)),
        ],
    )
    assert found == {"P_a": "1", "P_b": "own", "PASSWORD": "hush"}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            types.EnvVarSource(config_map_key_ref=types.ConfigMapKeySelector(name="none", key="k")),
            'configmap "none" not found',
        ),
        (
            types.EnvVarSource(config_map_key_ref=types.ConfigMapKeySelector(name="conf", key="k")),
            "couldn't find key k in configmap default/conf",
        ),
        (
            types.EnvVarSource(secret_key_ref=types.SecretKeySelector(name="none", key="k")),
            'secret "none" not found',
        ),
        (
            types.EnvVarSource(secret_key_ref=types.SecretKeySelector(name="bytes", key="k")),
            'secret "bytes" holds bytes that are no text; a variable cannot carry them',
        ),
        (
            types.EnvVarSource(field_ref=types.ObjectFieldSelector(field_path="spec.secretOfTheNode")),
            "the field spec.secretOfTheNode is not one a variable can take",
        ),
    ],
)
def test_what_is_missing_is_named(source: types.EnvVarSource, words: str) -> None:
    held = Held(config_maps={"conf": {}}, secrets={"bytes": {"k": b"\xff\xfe"}})
    with pytest.raises(ConfigTrouble) as trouble:
        variables(types.EnvVar(name="V", value_from=source), held=held)
    assert str(trouble.value) == words


def test_an_optional_key_that_is_missing_sets_nothing() -> None:
    source = types.EnvVarSource(
        config_map_key_ref=types.ConfigMapKeySelector(name="none", key="k", optional=True)
    )
    assert variables(types.EnvVar(name="V", value_from=source)) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "u1"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "default"),
        ("status.hostIP", "10.0.0.1"),
        ("status.podIP", "10.64.0.7"),
    ],
)
def test_a_pods_own_fields(path: str, value: str) -> None:
    source = types.EnvVarSource(field_ref=types.ObjectFieldSelector(field_path=path))
    assert variables(types.EnvVar(name="V", value_from=source)) == {"V": value}
    pod = types.Pod(spec=types.PodSpec(containers=[]))
    assert isinstance(field_value("metadata.name", pod, PLACE), str)


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", "", "1"),
        ("limits.cpu", "1m", "500"),
        ("requests.cpu", "1m", "0"),
        ("limits.memory", "", "4294967296"),
        ("limits.memory", "1Gi", "4"),
        ("requests.memory", "1Mi", "64"),
    ],
)
def test_a_containers_resources_in_units_of_the_divisor(resource: str, divisor: str, value: str) -> None:
    source = types.EnvVarSource(
        resource_field_ref=types.ResourceFieldSelector(resource=resource, divisor=divisor)
    )
    limits = types.ResourceRequirements(limits={"cpu": "500m"}, requests={"memory": "64Mi"})
    assert variables(types.EnvVar(name="V", value_from=source), resources=limits) == {"V": value}


def test_only_some_environments_wait_for_the_address() -> None:
    def uses(path: str) -> bool:
        source = types.EnvVarSource(field_ref=types.ObjectFieldSelector(field_path=path))
        container = types.Container(name="app", env=[types.EnvVar(name="V", value_from=source)])
        return uses_pod_address(container)

    assert uses("status.podIP") and uses("status.podIPs")
    assert not uses("status.hostIP")
