"""What pods are given besides their images: the kinds ConfigMap, Secret and ServiceAccount."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from apps.cluster import names, types
from apps.cluster.kinds import ages, meta, refusals
from apps.cluster.quantities import NANO
from apps.cluster.registry import Column, Kind, register
from apps.cluster.types import Problem, ways

SIZE_LIMIT = 1024 * 1024
TYPE_LIMIT = 253
ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name"
DOCKER_CONFIGS = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}
KEYS_OF_TYPE = {
    ways.TLS: ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    **{kind: (key,) for kind, key in DOCKER_CONFIGS.items()},
}
BASIC_AUTH = ("username", "password")


def _default_secret(secret: types.Secret) -> None:
    secret.type = secret.type or "Opaque"
    for key, text in secret.string_data.items():
        secret.data[key] = base64.b64encode(text.encode()).decode()
    secret.string_data = {}


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _key_problems(keys: Iterable[str], path: str) -> Iterator[Problem]:
    for key in keys:
        yield from refusals.spelled(f"{path}[{key}]", key, names.config_key_problem)


def _encoded_problems(data: Mapping[str, str], path: str, *, show: bool) -> Iterator[Problem]:
    """Values that are not base64; a secret's are not repeated in the message."""
    for key, text in data.items():
        if _decoded(text) is None:
            shown = text if show else "<hidden>"
            yield refusals.invalid(f"{path}[{key}]", shown, "must be base64 (RFC 4648, with padding)")


def _secret_problems(secret: types.Secret) -> Iterator[Problem]:
    yield from _key_problems(secret.data, "data")
    yield from refusals.plain("type", secret.type, TYPE_LIMIT)
    wrong = list(_encoded_problems(secret.data, "data", show=False))
    yield from wrong
    if wrong:
        return
    if sum(len(_decoded(text) or b"") for text in secret.data.values()) > SIZE_LIMIT:
        yield refusals.too_long("data", SIZE_LIMIT)
    for key in KEYS_OF_TYPE.get(secret.type, ()):
        if key not in secret.data:
            yield refusals.required(f"data[{key}]")
    yield from _content_problems(secret)
    if secret.type == "kubernetes.io/basic-auth" and not any(key in secret.data for key in BASIC_AUTH):
        for key in BASIC_AUTH:
            yield refusals.required(f"data[{key}]")
    if secret.type == "kubernetes.io/service-account-token" and not secret.metadata.annotations.get(
        ACCOUNT_ANNOTATION
    ):
        yield refusals.required(f"metadata.annotations[{ACCOUNT_ANNOTATION}]")


def _content_problems(secret: types.Secret) -> Iterator[Problem]:
    """Of types whose values mean something to the platform itself."""
    if secret.type == ways.TLS:
        yield from _pair_problems(secret)
    key = DOCKER_CONFIGS.get(secret.type, "")
    if key in secret.data and not _is_json_object(_decoded(secret.data[key]) or b""):
        yield refusals.invalid(f"data[{key}]", "<hidden>", "must be a JSON object")


def _pair_problems(secret: types.Secret) -> Iterator[Problem]:
    """A certificate and the key that fits. Empty ones are let in: some programs fill them later."""
    chain, private = (_decoded(secret.data.get(key, "")) or b"" for key in KEYS_OF_TYPE[ways.TLS])
    if not chain or not private:
        return
    try:
        found = x509.load_pem_x509_certificates(chain)[0].public_key()
    except ValueError:
        yield refusals.invalid("data[tls.crt]", "<hidden>", "must be certificates in PEM, the host's own first")
        return
    try:
        key = serialization.load_pem_private_key(private, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        yield refusals.invalid("data[tls.key]", "<hidden>", "must be a private key in PEM, without a password")
        return
    if key.public_key() != found:
        yield refusals.invalid("data[tls.key]", "<hidden>", "must be the key of the certificate in `tls.crt`")


def _is_json_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _frozen_problems(
    old: types.Secret | types.ConfigMap, new: types.Secret | types.ConfigMap, fields: Iterable[str]
) -> Iterator[Problem]:
    if not old.immutable:
        return
    why = "field is immutable when `immutable` is set"
    if not new.immutable:
        yield refusals.forbidden("immutable", why)
    for field in fields:
        if getattr(old, field) != getattr(new, field):
            yield refusals.forbidden(types.wire_name(field), why)


def _secret_update_problems(old: types.Secret, new: types.Secret) -> Iterator[Problem]:
    if old.type != new.type:
        yield refusals.invalid("type", new.type, "field is immutable")
    yield from _frozen_problems(old, new, ("data",))


def _config_map_problems(config: types.ConfigMap) -> Iterator[Problem]:
    yield from _key_problems(config.data, "data")
    yield from _key_problems(config.binary_data, "binaryData")
    yield from _encoded_problems(config.binary_data, "binaryData", show=True)
    for key in config.data.keys() & config.binary_data.keys():
        yield refusals.invalid(f"data[{key}]", key, "also present in binaryData")
    size = sum(len(text.encode()) for text in config.data.values())
    if size + sum(len(text) * 3 // 4 for text in config.binary_data.values()) > SIZE_LIMIT:
        yield refusals.too_long("", SIZE_LIMIT)


def _config_map_update_problems(old: types.ConfigMap, new: types.ConfigMap) -> Iterator[Problem]:
    yield from _frozen_problems(old, new, ("data", "binary_data"))


def _account_problems(account: types.ServiceAccount) -> Iterator[Problem]:
    for index, reference in enumerate(account.image_pull_secrets):
        path = f"imagePullSecrets[{index}].name"
        yield from refusals.named(path, reference.name, names.dns_subdomain_problem)


SECRET = register(
    Kind(
        name="Secret",
        plural="secrets",
        schema=types.Secret,
        sealed=("data",),
        charges=lambda _: {"secrets": NANO},
        default=_default_secret,
        validate=meta.checked(names.dns_subdomain_problem, _secret_problems),
        validate_update=meta.checked_update(_secret_update_problems),
        fields={"type": lambda secret: secret.type},
        columns=(
            ages.NAME,
            Column("Type", lambda secret, now: secret.type, description="What its keys mean."),
            Column(
                "Data", lambda secret, now: len(secret.data), "integer", description="How many keys it has."
            ),
            ages.AGE,
        ),
    )
)

CONFIG_MAP = register(
    Kind(
        name="ConfigMap",
        plural="configmaps",
        short=("cm",),
        schema=types.ConfigMap,
        charges=lambda _: {"configmaps": NANO},
        validate=meta.checked(names.dns_subdomain_problem, _config_map_problems),
        validate_update=meta.checked_update(_config_map_update_problems),
        columns=(
            ages.NAME,
            Column(
                "Data",
                lambda config, now: len(config.data) + len(config.binary_data),
                "integer",
                description="How many keys it has.",
            ),
            ages.AGE,
        ),
    )
)

SERVICE_ACCOUNT = register(
    Kind(
        name="ServiceAccount",
        plural="serviceaccounts",
        short=("sa",),
        schema=types.ServiceAccount,
        subresources=frozenset({"token"}),
        validate=meta.checked(names.dns_subdomain_problem, _account_problems),
        validate_update=meta.checked_update(),
        columns=(
            ages.NAME,
            Column(
                "Secrets", lambda account, now: len(account.secrets), "integer", description="Its secrets."
            ),
            ages.AGE,
        ),
    )
)
