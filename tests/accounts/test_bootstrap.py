"""A cluster begins: once by making everything, later by changing nothing."""

import base64
import ssl
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.exceptions import ImproperlyConfigured

from apps.accounts import bootstrap, certificates, tokens
from apps.accounts.models import Token
from apps.cluster import ranges, store
from apps.cluster.actors import system
from apps.cluster.conditions import is_ready
from apps.cluster.errors import Invalid
from apps.cluster.kinds import CLUSTER_ROLE, NAMESPACE, NODE, SERVICE
from tests.builders import build

pytestmark = pytest.mark.usefixtures("database")


def start(state: Path, port: int = 8000, address: str = "192.0.2.7") -> bootstrap.Platform:
    tokens.forget()
    return bootstrap.ensure_platform(state, port, address)


def test_an_empty_database_becomes_a_cluster(tmp_path: Path) -> None:
    start(tmp_path)
    default = store.get(NAMESPACE, "", "default").object
    assert default.metadata.labels["drover.dev/host-ports"] == "allowed"
    assert store.find(NAMESPACE, "", "kube-system")
    service = store.get(SERVICE, "default", "kubernetes").object
    assert service.spec.cluster_ip == "10.254.0.1"
    assert [(port.name, port.port, port.target_port) for port in service.spec.ports] == [("https", 443, "https")]
    dns = store.get(SERVICE, "kube-system", "kube-dns").object
    assert (dns.spec.cluster_ip, dns.spec.selector) == ("10.254.0.10", {})
    assert [(port.port, port.protocol) for port in dns.spec.ports] == [(53, "UDP"), (53, "TCP")]
    assert "Every node answers" in dns.metadata.annotations["kubernetes.io/description"]
    assert store.find(CLUSTER_ROLE, "", "cluster-admin")


def test_a_second_start_writes_nothing(tmp_path: Path) -> None:
    start(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    number = store.clock()
    start(tmp_path)
    assert store.clock() == number
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert Token.objects.count() == 1


@pytest.mark.parametrize(
    ("setting", "moved", "words"),
    [
        ("KUBERNETES_ADDRESS", "10.200.0.1", r"SERVICE_CIDR=.* its API server has 10\.254\.0\.1"),
        ("POD_CIDR", IPv4Network("10.128.0.0/10"), r"POD_CIDR=10\.128\.0\.0/10, but node n1 has 10\.64\.0\.0/24"),
    ],
)
def test_a_range_that_no_longer_holds_what_was_given_is_refused_before_anything_is_written(
    setting: str, moved: object, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path)
    store.write(system("test"), lambda tx: tx.create(NODE, build(NODE, name="n1")))
    monkeypatch.setattr(certificates if setting == "KUBERNETES_ADDRESS" else ranges, setting, moved)
    number = store.clock()
    with pytest.raises(ImproperlyConfigured, match=words):
        start(tmp_path)
    assert store.clock() == number


def test_what_the_platform_needs_is_put_right_and_what_people_changed_stays(tmp_path: Path) -> None:
    start(tmp_path)

    def spoil(tx: Any) -> None:
        service = tx.get(SERVICE, "default", "kubernetes")
        service.metadata.labels["mine"] = "yes"
        tx.update(SERVICE, service)
        for name, keep in (("view", ""), ("edit", "false")):
            role = tx.get(CLUSTER_ROLE, "", name)
            role.rules = []
            role.metadata.annotations["rbac.authorization.kubernetes.io/autoupdate"] = keep
            tx.update(CLUSTER_ROLE, role)

    store.write(system("test"), spoil)
    start(tmp_path)
    service = store.get(SERVICE, "default", "kubernetes").object
    assert service.metadata.labels["mine"] == "yes"
    assert store.get(CLUSTER_ROLE, "", "view").object.rules
    assert not store.get(CLUSTER_ROLE, "", "edit").object.rules


def test_the_kubeconfig_leads_here_with_a_token_that_may_everything(tmp_path: Path) -> None:
    made = start(tmp_path)
    assert made.kubeconfig.stat().st_mode & 0o777 == 0o600
    config = yaml.safe_load(made.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    assert cluster["server"] == "https://127.0.0.1:8443"
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    ssl.create_default_context(cadata=authority)
    actor = tokens.check(config["users"][0]["user"]["token"])
    assert actor is not None
    assert "system:masters" in actor.groups


@pytest.mark.parametrize("how", ["revoked", "missing", "spoilt", "soon over"])
def test_a_kubeconfig_that_is_no_good_any_more_is_made_anew(how: str, tmp_path: Path) -> None:
    old = start(tmp_path).kubeconfig.read_bytes()
    if how == "revoked":
        tokens.revoke(purpose=tokens.ADMIN_KUBECONFIG)
    elif how == "missing":
        (tmp_path / "kubeconfig").unlink()
    elif how == "spoilt":
        (tmp_path / "kubeconfig").write_text("users: [x]")
    else:
        row = Token.objects.get()
        Token.objects.update(expires_at=row.created_at + bootstrap.RENEW_BEFORE)
    new = start(tmp_path).kubeconfig.read_bytes()
    assert new != old
    assert tokens.check(yaml.safe_load(new)["users"][0]["user"]["token"])


def test_a_nodes_credentials_are_complete_kept_and_private(tmp_path: Path) -> None:
    start(tmp_path)
    folder = tmp_path / "handover" / "n1"
    bootstrap.ensure_node(folder, "n1", ["192.0.2.7"])
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(first) == {"token", "ca.crt", "agent.crt", "agent.key"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "token").stat().st_mode & 0o777 == 0o600
    actor = tokens.check(first["token"].decode().strip())
    assert actor is not None
    assert actor.node == "n1"
    bootstrap.ensure_node(folder, "n1", ["192.0.2.7"])
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    bootstrap.ensure_node(folder, "n1", ["192.0.2.8"])
    changed = {path.name for path in folder.iterdir() if path.read_bytes() != first[path.name]}
    assert changed == {"agent.crt", "agent.key"}


def test_a_node_is_seen_before_its_agent_has_said_a_word(tmp_path: Path) -> None:
    start(tmp_path)
    bootstrap.ensure_node(tmp_path / "n1", "n1", [])
    before = store.clock()
    (node,) = store.list(NODE).objects
    assert (node.metadata.name, is_ready(node.status.conditions)) == ("n1", False)
    bootstrap.ensure_node(tmp_path / "n1", "n1", [])
    assert store.clock() == before, "and what it says later stands"


def test_another_nodes_token_is_not_taken_over(tmp_path: Path) -> None:
    start(tmp_path)
    bootstrap.ensure_node(tmp_path / "n1", "n1", [])
    bootstrap.ensure_node(tmp_path / "n1", "n2", [])
    actor = tokens.check((tmp_path / "n1" / "token").read_text().strip())
    assert actor is not None
    assert actor.node == "n2"


@pytest.mark.parametrize("name", ["", "N1", "../n1", "a b", "n1/x", "-n", "x" * 254])
def test_a_name_that_no_node_may_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        bootstrap.ensure_node(tmp_path / "x", name, [])
    assert not (tmp_path / "x").exists()


def test_the_machines_own_address_is_found() -> None:
    assert bootstrap.address_of_this_machine()
