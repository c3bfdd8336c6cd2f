"""The cluster's own certificate authority and what it signs: the server, each node's agent, the server at a
door.

The authority lives in the database, its key wrapped; files in STATE are copies for the processes that serve
TLS. They are made anew when they near their end, or when the machine has gained a name or address they do not
hold.
"""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from apps.cluster import errors, files, ranges
from apps.cluster.actors import NODE_PREFIX
from apps.cluster.seal import keyring

AUTHORITY_LIFE = timedelta(days=3650)
LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=60)
CLOCK_SKEW = timedelta(hours=1)
DOOR_NAME = "drover-server"
KUBERNETES_ADDRESS = str(ranges.KUBERNETES_IP)
STEADY_NAMES = (
    "localhost",
    "127.0.0.1",
    "::1",
    KUBERNETES_ADDRESS,
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: bytes
    key: bytes

    @property
    def parsed(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate)


@dataclass(frozen=True)
class ServerFiles:
    """Where the web process finds what it serves TLS with, and what it shows at a node's door."""

    ca: Path
    certificate: Path
    key: Path
    door_certificate: Path
    door_key: Path
    fingerprint: str


def server_files(state: Path) -> ServerFiles:
    """The paths, and the fingerprint of the certificate that is there ("" before ``ensure``)."""
    folder = state / "tls"
    certificate = folder / "server.crt"
    shown = fingerprint(certificate.read_bytes()) if certificate.exists() else ""
    return ServerFiles(
        ca=state / "ca.crt",
        certificate=certificate,
        key=folder / "server.key",
        door_certificate=folder / "door.crt",
        door_key=folder / "door.key",
        fingerprint=shown,
    )


def ensure(state: Path, names: Iterable[str] = (), now: datetime | None = None) -> ServerFiles:
    """Put in STATE the authority's certificate, the server's pair (with the steady names and ``names``),
    the door's."""
    now = now or datetime.now(UTC)
    authority = ensure_authority()
    where = server_files(state)
    files.folder(where.key.parent)
    files.put(where.ca, authority.certificate, 0o644)
    _ensure_pair(
        authority,
        where.certificate,
        where.key,
        common_name="kubernetes",
        names=(*STEADY_NAMES, *names),
        usage=ExtendedKeyUsageOID.SERVER_AUTH,
        now=now,
    )
    _ensure_pair(
        authority,
        where.door_certificate,
        where.door_key,
        common_name=DOOR_NAME,
        names=(),
        usage=ExtendedKeyUsageOID.CLIENT_AUTH,
        now=now,
    )
    return server_files(state)


def ensure_for_node(folder: Path, node: str, addresses: Iterable[str], now: datetime | None = None) -> None:
    """Put a node's pair and the authority's certificate in the agent's folder: ``agent.crt agent.key
    ca.crt``."""
    authority = ensure_authority()
    files.put(folder / "ca.crt", authority.certificate, 0o600)
    _ensure_pair(
        authority,
        folder / "agent.crt",
        folder / "agent.key",
        common_name=_node_common_name(node),
        names=(node_server_name(node), *addresses),
        usage=ExtendedKeyUsageOID.SERVER_AUTH,
        now=now or datetime.now(UTC),
    )


def node_server_name(node: str) -> str:
    """The name that a node's door proves with its certificate, whatever address it is reached at.

    A name below one of our own, so that no node's certificate can pass for another service.
    """
    return f"{node}.node.drover.internal"


def _node_common_name(node: str) -> str:
    return f"{NODE_PREFIX}{node}"


def serves(state: Path, name: str) -> bool:
    """Whether the server's certificate proves this name or address."""
    served = x509.load_pem_x509_certificate(server_files(state).certificate.read_bytes())
    return _plain(name) in names_in(served)


def ensure_authority() -> Pair:
    """The cluster's authority; made on the first call."""
    both = keyring.get_secret("ca", _make_authority)
    key, _, certificate = both.partition(b"-----BEGIN CERTIFICATE-----")
    return Pair(b"-----BEGIN CERTIFICATE-----" + certificate, key)


def fingerprint(certificate: bytes) -> str:
    """``AB:CD:...``: the SHA-256 of a PEM certificate, as browsers and openssl show it."""
    digest = x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def authority_hash() -> str:
    """What a machine that joins is given to know the cluster by: the SHA-256 of the authority's certificate."""
    return ensure_authority().parsed.fingerprint(hashes.SHA256()).hex()


def authority_der() -> bytes:
    return ensure_authority().parsed.public_bytes(serialization.Encoding.DER)


def door_context(state: Path) -> ssl.SSLContext:
    """TLS for asking a node: trusts the cluster's authority alone and shows the server's door certificate."""
    where = server_files(state)
    context = ssl.create_default_context(cafile=str(where.ca))
    context.load_cert_chain(where.door_certificate, where.door_key)
    return context


def issue(
    authority: Pair,
    *,
    common_name: str,
    names: Iterable[str],
    usage: x509.ObjectIdentifier,
    now: datetime,
    life: timedelta = LIFE,
) -> Pair:
    """A new key and its certificate. ``names`` are DNS names and IP addresses mixed."""
    key = ec.generate_private_key(ec.SECP256R1())
    signed = _sign(
        authority, key.public_key(), common_name=common_name, names=names, usage=usage, now=now, life=life
    )
    return _pem(signed, key)


def sign_for_node(node: str, request: bytes, now: datetime) -> bytes:
    """The PEM certificate of a node's door for the key in ``request``, a PEM signing request. Raises Invalid.

    Nothing but the key is taken from the request: what the certificate says is the server's to say.
    """
    certificate = _sign(
        ensure_authority(),
        _key_in(request),
        common_name=_node_common_name(node),
        names=(node_server_name(node),),
        usage=ExtendedKeyUsageOID.SERVER_AUTH,
        now=now,
        life=LIFE,
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_digest(request: bytes) -> str:
    """The SHA-256 of the key that signed a PEM signing request. Raises Invalid."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(_key_in(request).public_bytes(serialization.Encoding.DER, form)).hexdigest()


def _key_in(request: bytes) -> ec.EllipticCurvePublicKey:
    try:
        asked = x509.load_pem_x509_csr(request)
        key = asked.public_key()
        if asked.is_signature_valid and isinstance(key, ec.EllipticCurvePublicKey):
            return key
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise errors.Invalid("request: must be a PEM signing request, signed with the EC key that it holds")


def _sign(
    authority: Pair,
    key: ec.EllipticCurvePublicKey,
    *,
    common_name: str,
    names: Iterable[str],
    usage: x509.ObjectIdentifier,
    now: datetime,
    life: timedelta,
) -> x509.Certificate:
    signer = serialization.load_pem_private_key(authority.key, password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the cluster's authority must have an EC key")
    builder = (
        _builder(common_name, key, now, life)
        .issuer_name(authority.parsed.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    wanted = sorted(set(names))
    if wanted:
        alternatives = x509.SubjectAlternativeName([_general(name) for name in wanted])
        builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(signer, hashes.SHA256())


def names_in(certificate: x509.Certificate) -> frozenset[str]:
    """DNS names and IP addresses a certificate holds, as text."""
    try:
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    dns = held.get_values_for_type(x509.DNSName)
    return frozenset(dns) | {str(address) for address in held.get_values_for_type(x509.IPAddress)}


def _ensure_pair(
    authority: Pair,
    certificate: Path,
    key: Path,
    *,
    common_name: str,
    names: Iterable[str],
    usage: x509.ObjectIdentifier,
    now: datetime,
) -> None:
    wanted = frozenset(_plain(name) for name in names)
    if _still_good(authority, certificate, key, wanted, now):
        return
    pair = issue(authority, common_name=common_name, names=wanted, usage=usage, now=now)
    files.put(key, pair.key, 0o600)
    files.put(certificate, pair.certificate, 0o644)


def _still_good(authority: Pair, certificate: Path, key: Path, names: frozenset[str], now: datetime) -> bool:
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        own = serialization.load_pem_private_key(key.read_bytes(), password=None)
        found.verify_directly_issued_by(authority.parsed)
    except Exception:  # noqa: BLE001 - whatever is wrong with the files, the answer is a new pair
        return False
    return (
        found.not_valid_before_utc <= now
        and now + RENEW_BEFORE < found.not_valid_after_utc
        and names <= names_in(found)
        and found.public_key() == own.public_key()
    )


def _make_authority() -> bytes:
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder("drover-ca", key.public_key(), now, AUTHORITY_LIFE)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "drover-ca")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    pair = _pem(certificate, key)
    return pair.key + pair.certificate


def _builder(
    common_name: str, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _plain(name: str) -> str:
    """Addresses in the one spelling that ``names_in`` gives back."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()
