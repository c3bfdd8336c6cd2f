"""The key of a node's door, which never leaves the node, and what asks for a certificate for it.

Apart from ``identity``, for an agent that only serves needs none of it in memory.
"""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from node_agent import disk
from node_agent.identity import FILES


def new() -> str:
    """PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def kept(state: Path) -> str:
    """The key that is there, with which a machine shows that it is the same as before; a new one when there is none."""
    path = state / FILES["key"]
    try:
        serialization.load_pem_private_key(path.read_bytes(), password=None)
        return path.read_text()
    except (OSError, ValueError, TypeError):
        made = new()
        disk.write(path, made.encode())
        return made


def request(node: str, key: str) -> str:
    """A PEM signing request for the key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"[:64])])
    own = serialization.load_pem_private_key(key.encode(), password=None)
    if not isinstance(own, ec.EllipticCurvePrivateKey):
        raise ValueError("a node's key must be an EC key")
    signed = x509.CertificateSigningRequestBuilder().subject_name(name).sign(own, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()
