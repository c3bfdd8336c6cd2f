"""What a server shows over TLS, and the operator's kubeconfig: made anew in good time, and taken while it serves.
Connections that are open go on."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from django.db.utils import Error as DatabaseError

from apps.accounts import bootstrap, certificates
from apps.cluster.seal import SealBroken
from apps.cluster.work import in_db

EVERY = 30.0
"""Seconds between two looks: an address that the machine is given is in its certificate as soon as that."""

logger = logging.getLogger(__name__)


async def keep(state: Path, address: str, shown: ssl.SSLContext, every: float = EVERY) -> None:
    """Let ``shown`` show whoever comes next a pair that is good, and keep the kubeconfig good. Runs until cancelled.

    What goes wrong is said once and tried again: the old pair is good for two months more.
    """
    last, trouble = _load(state, shown), ""
    while True:
        await asyncio.sleep(every)
        try:
            served = await in_db(bootstrap.ensure_certificates, state, address)
            if served.fingerprint != last:
                last = _load(state, shown)
                logger.warning("this server shows a new certificate: SHA-256 %s", last)
            if await in_db(bootstrap.renew_kubeconfig, state):
                logger.warning("the kubeconfig has a new token; copies with the one before are good until its end")
            trouble = ""
        except (DatabaseError, OSError, SealBroken) as error:  # an SSLError is an OSError
            if str(error) != trouble:
                trouble = str(error)
                logger.warning("the server's certificate and kubeconfig could not be looked after: %s", error)


def _load(state: Path, shown: ssl.SSLContext) -> str:
    """Its fingerprint. A pair that does not fit together is refused before it is shown to anybody."""
    served = certificates.server_files(state)
    for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), shown):
        context.load_cert_chain(served.certificate, served.key)
    return served.fingerprint
