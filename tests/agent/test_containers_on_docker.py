"""What a container finds when it runs: variables, files, limits, its neighbours."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from apps.cluster import types
from tests.agent.machine import IMAGE, Machine, app, wait_for

pytestmark = pytest.mark.docker


def config_map(**data: str) -> types.ConfigMap:
    return types.ConfigMap(metadata=types.ObjectMeta(name="conf", namespace="default"), data=data)


def secret(**data: str) -> types.Secret:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return types.Secret(metadata=types.ObjectMeta(name="keys", namespace="default"), data=encoded)


def volume(name: str, path: str, **mount: object) -> types.VolumeMount:
    return types.VolumeMount(name=name, mount_path=path, **mount)  # type: ignore[arg-type]


def field(path: str) -> types.EnvVarSource:
    return types.EnvVarSource(field_ref=types.ObjectFieldSelector(field_path=path))


def test_variables_names_and_addresses(machine: Machine) -> None:
    redis = types.Service(
        metadata=types.ObjectMeta(name="redis-master", namespace="default"),
        spec=types.ServiceSpec(cluster_ip="10.254.0.11", ports=[types.ServicePort(port=6379)]),
    )
    machine.put("services", redis)
    container = app(
        env=[
            types.EnvVar(name="MY_IP", value_from=field("status.podIP")),
            types.EnvVar(name="URL", value="redis://$(REDIS_MASTER_SERVICE_HOST)/$(MY_IP)"),
        ],
    )
    pod = machine.run(container)
    status = machine.ready(pod)
    found = machine.shell(status.container_statuses[0], "env; hostname; cat /etc/hosts /etc/resolv.conf")
    assert "URL=redis://10.254.0.11/10.64.0.2\n" in found
    assert "REDIS_MASTER_PORT_6379_TCP_ADDR=10.254.0.11\n" in found
    assert "\nweb\n" in found and "10.64.0.2\tweb\n" in found
    assert "nameserver 10.254.0.10\n" in found


def test_what_is_made_after_the_machines_name_servers_changed_asks_the_new_ones(machine: Machine) -> None:
    first = machine.run(app(), name="first", dns_policy="Default")
    machine.ready(first)
    machine.resolv_conf = "nameserver 192.0.2.54\n"
    second = machine.run(app(), name="second", dns_policy="Default")
    machine.ready(second)
    for pod, server in ((first, "192.0.2.53"), (second, "192.0.2.54")):
        assert machine.shell(machine.container(pod), "cat /etc/resolv.conf") == f"nameserver {server}\n"


def test_containers_of_a_pod_share_network_ipc_and_volumes(machine: Machine) -> None:
    shared = types.Volume(name="data", empty_dir=types.EmptyDirVolumeSource())
    memory = types.Volume(
        name="fast", empty_dir=types.EmptyDirVolumeSource(medium="Memory", size_limit="1Mi")
    )
    mounts = [volume("data", "/data"), volume("fast", "/fast")]
    pod = machine.run(
        app(volume_mounts=mounts), app(name="other", volume_mounts=mounts), volumes=[shared, memory]
    )
    first, other = machine.ready(pod).container_statuses
    machine.shell(first, "echo from-app > /data/file; echo quick > /fast/file")
    assert machine.shell(other, "cat /data/file /fast/file") == "from-app\nquick\n"
    assert "No space left" in machine.shell(first, "dd if=/dev/zero of=/fast/big bs=1k count=2000 2>&1")
    for kind in ("net", "ipc"):
        assert machine.shell(first, f"readlink /proc/1/ns/{kind}") == machine.shell(
            other, f"readlink /proc/1/ns/{kind}"
        )
    machine.api.remove_container(first.container_id.removeprefix("docker://"), force=True)
    wait_for(lambda: machine.container(pod).ready and machine.container(pod).restart_count == 1, "restart")
    assert machine.shell(machine.container(pod), "cat /data/file") == "from-app\n", (
        "volumes outlive containers"
    )


def test_config_maps_and_secrets_are_files_and_follow_changes(machine: Machine) -> None:
    machine.put("configmaps", config_map(greeting="hello"))
    machine.put("secrets", secret(password="hush"))
    pod = machine.run(
        app(volume_mounts=[volume("conf", "/conf"), volume("keys", "/keys")]),
        volumes=[
            types.Volume(
                name="conf", config_map=types.ConfigMapVolumeSource(name="conf", default_mode=0o440)
            ),
            types.Volume(name="keys", secret=types.SecretVolumeSource(secret_name="keys")),
        ],
    )
    status = machine.ready(pod).container_statuses[0]
    assert machine.shell(status, "cat /conf/greeting /keys/password; stat -L -c %a /conf/greeting") == (
        "hellohush440\n"
    )
    assert "Read-only" in machine.shell(status, "touch /keys/new 2>&1")
    machine.put("configmaps", config_map(greeting="goodbye"))
    wait_for(lambda: machine.shell(status, "cat /conf/greeting") == "goodbye", "new content")
    assert machine.container(pod).restart_count == 0


def test_files_of_labels_and_annotations_follow_them(machine: Machine) -> None:
    shown = [
        types.DownwardAPIVolumeFile(path=word, field_ref=types.ObjectFieldSelector(field_path=f"metadata.{word}"))
        for word in ("labels", "annotations")
    ]
    about = types.Volume(name="about", downward_api=types.DownwardAPIVolumeSource(items=shown))
    pod = machine.run(app(volume_mounts=[volume("about", "/about")]), volumes=[about])
    status = machine.ready(pod).container_statuses[0]
    for word in ("labels", "annotations"):
        setattr(pod.metadata, word, {"colour": "blue"})
        machine.put("pods", pod)
        wait_for(lambda: machine.shell(status, f"cat /about/{word}") == 'colour="blue"', word)  # noqa: B023
    assert machine.container(pod).restart_count == 0


def test_a_pod_has_its_whole_name_and_kernel_settings_of_its_own(machine: Machine) -> None:
    wish = types.Sysctl(name="net.ipv4.tcp_fin_timeout", value="17")
    wanted: dict[str, Any] = {"subdomain": "db", "set_hostname_as_fqdn": True}
    pod = machine.run(app(), **wanted, security_context=types.PodSecurityContext(sysctls=[wish]))
    status = machine.ready(pod).container_statuses[0]
    whole = "web.db.default.svc.cluster.local"
    assert machine.shell(status, "hostname; cat /proc/sys/net/ipv4/tcp_fin_timeout") == f"{whole}\n17\n"
    long = machine.run(app(), **wanted, name="x" * 50)
    wait_for(lambda: "FailedCreatePodSandBox" in machine.reasons(long), "refusal")
    assert any("more than 64 characters" in each.message for each in machine.events)


def test_a_pod_waits_in_words_for_a_config_map_and_goes_on_when_it_comes(machine: Machine) -> None:
    reference = types.ConfigMapKeySelector(name="conf", key="a")
    variable = types.EnvVar(name="A", value_from=types.EnvVarSource(config_map_key_ref=reference))
    pod = machine.run(app(env=[variable]))
    wait_for(lambda: "Failed" in machine.reasons(pod), "refusal")
    wait_for(lambda: machine.container(pod).state.waiting, "report")
    assert machine.container(pod).state.waiting == types.ContainerStateWaiting(
        "CreateContainerConfigError", 'configmap "conf" not found'
    )
    machine.put("configmaps", config_map(a="1"))
    status = machine.ready(pod)
    assert machine.shell(status.container_statuses[0], "echo $A") == "1\n"


def test_a_pod_waits_in_words_for_a_volume(machine: Machine) -> None:
    source = types.SecretVolumeSource(secret_name="keys")
    pod = machine.run(
        app(volume_mounts=[volume("keys", "/keys")]), volumes=[types.Volume(name="keys", secret=source)]
    )
    wait_for(lambda: "FailedMount" in machine.reasons(pod), "refusal")
    machine.put("secrets", secret(password="hush"))
    machine.ready(pod)


def test_containers_of_a_pod_share_their_processes_where_they_ask_for_it(machine: Machine) -> None:
    context = types.SecurityContext(seccomp_profile=types.SeccompProfile(type="Unconfined"))
    pod = machine.run(
        app(security_context=context),
        app(name="other"),
        share_process_namespace=True,
        host_aliases=[types.HostAlias(ip="192.0.2.7", hostnames=["alias.example"])],
    )
    first, other = machine.ready(pod).container_statuses
    assert "/pause" in machine.shell(first, "ps")
    assert machine.shell(first, "readlink /proc/self/ns/pid") == machine.shell(
        other, "readlink /proc/self/ns/pid"
    )
    assert "192.0.2.7\talias.example\n" in machine.shell(first, "cat /etc/hosts")
    seccomp = "grep Seccomp: /proc/self/status"
    assert machine.shell(first, seccomp).split() == ["Seccomp:", "0"]
    assert machine.shell(other, seccomp).split() == ["Seccomp:", "2"]


def test_limits_reach_the_kernel(machine: Machine) -> None:
    resources = types.ResourceRequirements(limits={"cpu": "250m", "memory": "32Mi"}, requests={"cpu": "100m"})
    pod = machine.run(app(resources=resources))
    machine.ready(pod)
    host = machine.inspect(machine.container(pod))["HostConfig"]
    assert (host["CpuQuota"], host["CpuPeriod"], host["CpuShares"]) == (25_000, 100_000, 102)
    assert host["Memory"] == host["MemorySwap"] == 32 << 20
    assert host["PidsLimit"] > 0
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}


def test_who_takes_too_much_memory_is_told_so(machine: Machine) -> None:
    pod = machine.run(
        app(
            "sh",
            "-c",
            "x=a; while :; do x=$x$x; done",
            resources=types.ResourceRequirements(limits={"memory": "16Mi"}),
        ),
        restart_policy="Never",
    )
    wait_for(lambda: machine.reported(pod).phase == "Failed", "end")
    ended = machine.container(pod).state.terminated
    assert ended is not None and (ended.reason, ended.exit_code) == ("OOMKilled", 137)


def test_security_settings_hold(machine: Machine) -> None:
    context = types.SecurityContext(
        run_as_user=1000, run_as_group=2000, read_only_root_filesystem=True, allow_privilege_escalation=False
    )
    pod = machine.run(app(security_context=context))
    status = machine.ready(pod).container_statuses[0]
    assert machine.shell(status, "id -u; id -g") == "1000\n2000\n"
    assert "Read-only" in machine.shell(status, "touch /new 2>&1")
    assert "NoNewPrivs:\t1" in machine.shell(status, "cat /proc/1/status")


def test_an_image_that_must_not_run_as_root_does_not(machine: Machine) -> None:
    pod = machine.run(app(security_context=types.SecurityContext(run_as_non_root=True)))
    wait_for(lambda: "Failed" in machine.reasons(pod), "refusal")
    waiting = wait_for(lambda: machine.container(pod).state.waiting, "report")
    assert waiting.reason == "CreateContainerConfigError"
    assert "runAsNonRoot and the image runs as root" in waiting.message


def test_an_image_that_nobody_has_is_told_in_words_and_tried_again(machine: Machine) -> None:
    pod = machine.run(app(image="127.0.0.1:9/nothing:1", image_pull_policy="IfNotPresent"))

    def backing_off() -> bool:
        waiting = machine.container(pod).state.waiting
        return waiting is not None and waiting.reason == "ImagePullBackOff"

    wait_for(backing_off, "back-off")
    reasons = {
        each.status.container_statuses[0].state.waiting.reason
        for each in machine.history
        if each.status.container_statuses and each.status.container_statuses[0].state.waiting
    }
    assert {"ErrImagePull", "ImagePullBackOff"} <= reasons
    waiting = machine.container(pod).state.waiting
    assert waiting is not None and "connection refused" in waiting.message
    assert {"Pulling", "Failed", "BackOff"} <= set(machine.reasons(pod))
    machine.api.tag(IMAGE, "127.0.0.1:9/nothing", "1")
    try:
        machine.ready(pod)
    finally:
        machine.api.remove_image("127.0.0.1:9/nothing:1", force=True)


def test_a_deleted_pod_leaves_no_files_and_no_mounts(machine: Machine) -> None:
    machine.put("secrets", secret(password="hush"))
    pod = machine.run(
        app(volume_mounts=[volume("keys", "/keys", sub_path="password")]),
        volumes=[types.Volume(name="keys", secret=types.SecretVolumeSource(secret_name="keys"))],
    )
    machine.ready(pod)
    directory = machine.state / "pods" / pod.metadata.uid
    assert directory.exists()
    machine.delete(pod, grace=0)
    wait_for(lambda: machine.gone(pod), "end")
    assert not directory.exists()
    with open("/proc/self/mountinfo") as mounts:
        assert str(directory) not in mounts.read()
