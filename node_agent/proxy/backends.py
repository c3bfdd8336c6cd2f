"""Chooses what writes the rules on this machine."""

from __future__ import annotations

from node_agent.names import Names
from node_agent.network import NetworkError
from node_agent.proxy import ProxyBackend, ProxyError, iptables, nftables

SETTING = "DROVER_PROXY_BACKEND"
IPTABLES, NFTABLES = "iptables", "nftables"


def choose(names: Names, forced: str = "") -> tuple[str, ProxyBackend]:
    """The forced one, else iptables where its legacy tables work, else nftables."""
    if forced not in {"", IPTABLES, NFTABLES}:
        raise ProxyError(f"{SETTING} is {forced!r}: it must be {IPTABLES} or {NFTABLES}")
    if forced == IPTABLES or (not forced and iptables.available()):
        return IPTABLES, iptables.IptablesBackend(names)
    if forced == NFTABLES or nftables.available():
        return NFTABLES, nftables.NftablesBackend(names)
    raise ProxyError(
        "services need the legacy iptables tables or the command nft: install iptables or nftables"
    )


def remove_all(names: Names) -> None:
    """Takes away the rules of one instance, whichever backend wrote them."""
    try:
        iptables.remove(names)
        nftables.remove(names)
    except NetworkError as error:
        raise ProxyError(f"cannot remove the service rules: {error}") from error
