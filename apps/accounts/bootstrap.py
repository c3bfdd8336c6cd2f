"""Makes a cluster of an empty database, and puts right at each start what every cluster needs. Safe to
repeat."""

from __future__ import annotations

import base64
import logging
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from apps.accounts import addresses, certificates, node_identity, roles, setup, tokens
from apps.accounts.rules import MASTERS
from apps.cluster import errors, files, kinds, names, ranges, store, types
from apps.cluster.actors import node as node_actor
from apps.cluster.actors import system
from apps.cluster.kinds import storage
from apps.cluster.kinds.priorities import system_classes
from apps.cluster.registry import Kind
from apps.cluster.transaction import Transaction
from apps.cluster.types import ways
from apps.cluster.types.persistent import LOCAL

TLS_OFFSET = 443
ADMIN_ACTOR = "system:admin"
CLUSTER = "drover"
TOKEN_LIFE = node_identity.LIFE
RENEW_BEFORE = node_identity.RENEW_BEFORE
BOOTSTRAP = system("bootstrap")
DESCRIPTION = "kubernetes.io/description"
HOST_PORTS_LABEL = {"drover.dev/host-ports": "allowed"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Platform:
    """Where things are that a person or another process needs."""

    kubeconfig: Path
    served: certificates.ServerFiles
    address: str


def ensure_platform(state: Path | None = None, port: int | None = None, address: str = "") -> Platform:
    """Everything but the nodes: certificates, first objects, roles, kubeconfig, the operator's chosen
    password.

    ``address`` is the one under which nodes and pods reach this server; found out when not given. Raises
    ImproperlyConfigured before anything is written.
    """
    _check_ranges()
    state = state or Path(settings.STATE)
    tls_port = (port or settings.PORT) + TLS_OFFSET
    address = address or server_address()
    served = ensure_certificates(state, address)
    _ensure_objects(_first_objects())
    kubeconfig = _ensure_kubeconfig(state, tls_port)
    remark = setup.admin_from_environment()
    if remark:
        logger.warning(remark)
    return Platform(kubeconfig, served, address)


def _check_ranges() -> None:
    """An address that was handed out stays: a range that no longer holds it would cut the cluster in two."""
    own = store.find(kinds.SERVICE, "default", "kubernetes")
    if own is not None and own.object.spec.cluster_ip != certificates.KUBERNETES_ADDRESS:
        raise ImproperlyConfigured(
            f"SERVICE_CIDR={ranges.SERVICE_CIDR}, but this cluster was made with another: its API server has "
            f"{own.object.spec.cluster_ip}. Start it with the range it was made with."
        )
    for node in store.list(kinds.NODE).rows:
        given = node.object.spec.pod_cidr
        if given and not IPv4Network(given).subnet_of(ranges.POD_CIDR):
            raise ImproperlyConfigured(
                f"POD_CIDR={ranges.POD_CIDR}, but node {node.name} has {given}: start the cluster with the range it "
                "was made with, or with a wider one."
            )


def ensure_certificates(state: Path, address: str) -> certificates.ServerFiles:
    """What a server on this machine shows, good for every name and address that the machine has."""
    return certificates.ensure(state, (*addresses.of_this_machine(), address, *settings.SERVER_NAMES))


def ensure_node(folder: Path, name: str, node_addresses: Iterable[str] = ()) -> Path:
    """Put a node's credentials into ``folder``: ``token ca.crt agent.crt agent.key``, kept while they are
    good. The node itself is there from now on, not ready until its agent says so.

    Raises Invalid for a name that cannot be a node's.
    """
    problem = names.dns_subdomain_problem(name)
    if problem:
        raise errors.Invalid(f'Node "{name}" is invalid: metadata.name: {problem}')
    files.folder(folder)
    certificates.ensure_for_node(folder, name, node_addresses)
    files.put(folder / "token", _node_token(folder, name).encode() + b"\n", 0o600)
    _ensure_objects([(kinds.NODE, _awaited_node(name))])
    return folder


def ensure_tokens(folder: Path, nodes: Iterable[str], state: Path | None = None) -> None:
    """Only what many pretended nodes need to talk to the server: ``ca.crt``, and a ``token`` in a folder each."""
    files.folder(folder)
    authority = certificates.server_files(state or Path(settings.STATE)).ca
    files.put(folder / "ca.crt", authority.read_bytes(), 0o644)
    wanted = list(nodes)
    for name in wanted:
        problem = names.dns_subdomain_problem(name)
        if problem:
            raise errors.Invalid(f'Node "{name}" is invalid: metadata.name: {problem}')
    with transaction.atomic():
        texts = {name: _node_token(folder / name, name) for name in wanted}
    for name, token in texts.items():
        files.put(files.folder(folder / name) / "token", token.encode() + b"\n", 0o600)


def server_address() -> str:
    """Where nodes and pods reach this server: as it was set, else the machine's own."""
    return settings.SERVER_ADDRESS or address_of_this_machine()


def address_of_this_machine() -> str:
    """The address that this machine uses towards others; no packet is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            found: str = probe.getsockname()[0]
        except OSError:
            found = ""
    if found and not found.startswith("127."):
        return found
    return next((address for address in addresses.of_this_machine() if "." in address), "127.0.0.1")


def _node_token(folder: Path, node: str) -> str:
    """The token that is kept there while it is good, else a new one."""
    actor = node_actor(node)
    held = _kept(_token_file(folder / "token"), actor.name)
    return held or tokens.issue(actor.name, actor.groups, TOKEN_LIFE, tokens.NODE)


def _first_objects() -> list[tuple[Kind, Any]]:
    meta = types.ObjectMeta
    service = types.Service(
        metadata=meta(
            name="kubernetes",
            namespace="default",
            labels={"component": "apiserver", "provider": "kubernetes"},
        ),
        spec=types.ServiceSpec(
            cluster_ip=certificates.KUBERNETES_ADDRESS,
            ports=[types.ServicePort(name="https", port=443, protocol="TCP", target_port="https")],
        ),
    )
    dns = types.Service(
        metadata=meta(
            name="kube-dns",
            namespace="kube-system",
            labels={"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true"},
            annotations={
                DESCRIPTION: "Names of services and pods. Every node answers here itself, so there are no endpoints."
            },
        ),
        spec=types.ServiceSpec(
            cluster_ip=str(ranges.DNS_IP),
            ports=[
                types.ServicePort(name="dns", port=53, protocol="UDP", target_port=53),
                types.ServicePort(name="dns-tcp", port=53, protocol="TCP", target_port=53),
            ],
        ),
    )
    return [
        (kinds.NAMESPACE, types.Namespace(metadata=meta(name="default", labels=dict(HOST_PORTS_LABEL)))),
        (kinds.NAMESPACE, types.Namespace(metadata=meta(name="kube-system"))),
        (kinds.SERVICE, service),
        (kinds.SERVICE, dns),
        (kinds.STORAGE_CLASS, _local_storage()),
        (kinds.INGRESS_CLASS, _edge_class()),
        *((kinds.PRIORITY_CLASS, found) for found in system_classes()),
        *((kinds.CLUSTER_ROLE, role) for role in roles.cluster_roles()),
        *((kinds.CLUSTER_ROLE_BINDING, binding) for binding in roles.cluster_role_bindings()),
    ]


def _local_storage() -> types.StorageClass:
    """What claims get that ask for nothing else: a directory on the node of their first pod."""
    meta = types.ObjectMeta(name="local", annotations={storage.DEFAULT_CLASS: "true"})
    return types.StorageClass(metadata=meta, provisioner=LOCAL, allow_volume_expansion=True)


def _edge_class() -> types.IngressClass:
    """What Ingresses get that name no other: the edge nodes. Its annotations are the edge's settings."""
    meta = types.ObjectMeta(name="edge", annotations={ways.DEFAULT_CLASS: "true"})
    return types.IngressClass(metadata=meta, spec=types.IngressClassSpec(controller=ways.CONTROLLER))


def _awaited_node(name: str) -> types.Node:
    return types.Node(metadata=types.ObjectMeta(name=name, labels={"kubernetes.io/hostname": name}))


def _ensure_objects(wanted: Iterable[tuple[Kind, Any]]) -> None:
    """Write what is missing or differs; nothing at all on a usual start."""
    todo = [(kind, obj) for kind, obj in wanted if _differs(kind, obj)]
    if todo:
        store.write(BOOTSTRAP, lambda tx: _put_all(tx, todo))


def _put_all(tx: Transaction, todo: Iterable[tuple[Kind, Any]]) -> None:
    for kind, obj in todo:
        _put(tx, kind, obj)


def _differs(kind: Kind, wanted: Any) -> bool:
    row = store.find(kind, wanted.metadata.namespace, wanted.metadata.name)
    return row is None or _put_right(kind, row.object, wanted)


def _put(tx: Transaction, kind: Kind, wanted: Any) -> None:
    fresh = types.decode(kind.schema, types.encode(wanted))
    found = tx.find(kind, wanted.metadata.namespace, wanted.metadata.name)
    if found is None:
        tx.create(kind, fresh)
    elif _put_right(kind, found, fresh):
        tx.update(kind, found)


def _put_right(kind: Kind, found: Any, wanted: Any) -> bool:
    """Bring ``found`` to what the platform needs, leaving what people may change. Says whether it had to
    change."""
    repair = _REPAIRS.get(kind.key)
    kept = found.metadata.annotations.get(roles.KEEP_MINE) == "false"
    return repair is not None and not kept and repair(found, wanted)


def _right_binding(found: types.ClusterRoleBinding, wanted: types.ClusterRoleBinding) -> bool:
    missing = [subject for subject in wanted.subjects if subject not in found.subjects]
    return _assign(found, "subjects", [*found.subjects, *missing])


def _assign(obj: Any, attribute: str, value: Any) -> bool:
    if types.encode(getattr(obj, attribute)) == types.encode(value):
        return False
    setattr(obj, attribute, value)
    return True


_REPAIRS: dict[str, Callable[[Any, Any], bool]] = {
    kinds.CLUSTER_ROLE.key: lambda found, wanted: _assign(found, "rules", wanted.rules),
    kinds.CLUSTER_ROLE_BINDING.key: _right_binding,
}


def _ensure_kubeconfig(state: Path, port: int) -> Path:
    """A kubeconfig for the operator: kept while its token is good, so that copies of it go on working."""
    path = state / "kubeconfig"
    held = _kept(_token_in_kubeconfig(path), ADMIN_ACTOR)
    token = held or tokens.issue(ADMIN_ACTOR, (MASTERS,), TOKEN_LIFE, tokens.ADMIN_KUBECONFIG)
    authority = certificates.server_files(state).ca.read_bytes()
    files.put(path, _kubeconfig(f"https://127.0.0.1:{port}", authority, token), 0o600)
    return path


def renew_kubeconfig(state: Path) -> bool:
    """Exchange the operator's token in good time; the one before is good until its own end, for copies of it.

    Says whether it did. A token that was revoked, or has ended, is nobody's to renew: ``up`` makes another.
    """
    path = state / "kubeconfig"
    old = _token_in_kubeconfig(path)
    if not old or not tokens.ends_within(old, RENEW_BEFORE, tokens.ADMIN_KUBECONFIG):
        return False
    new = tokens.issue(ADMIN_ACTOR, (MASTERS,), TOKEN_LIFE, tokens.ADMIN_KUBECONFIG)
    files.put(path, path.read_bytes().replace(old.encode(), new.encode()), 0o600)
    return True


def _kept(text: str, actor: str) -> str:
    """The token, when it is still good for a while and speaks for ``actor``; else ""."""
    known = tokens.check(text) if text else None
    if known is None or known.name != actor:
        return ""
    end = tokens.expiry(text)
    return text if end is None or end - RENEW_BEFORE > datetime.now(UTC) else ""


def _token_file(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _token_in_kubeconfig(path: Path) -> str:
    try:
        return str(yaml.safe_load(path.read_text())["users"][0]["user"]["token"])
    except (OSError, ValueError, LookupError, TypeError, yaml.YAMLError):
        return ""


def _kubeconfig(server: str, authority: bytes, token: str) -> bytes:
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(authority).decode()}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CLUSTER, "cluster": cluster}],
        "users": [{"name": ADMIN_ACTOR, "user": {"token": token}}],
        "contexts": [{"name": CLUSTER, "context": {"cluster": CLUSTER, "user": ADMIN_ACTOR}}],
        "current-context": CLUSTER,
    }
    return yaml.safe_dump(config, sort_keys=False).encode()
