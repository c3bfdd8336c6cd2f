"""Chooses what writes the rules on this machine, and hands over from one to the other."""

from __future__ import annotations

from node_agent.names import Names
from node_agent.network import NetworkError
from node_agent.proxy import ProxyBackend, ProxyError, iptables, nftables
from node_agent.proxy.rules import Wanted

SETTING = "DROVER_PROXY_BACKEND"
IPTABLES, NFTABLES = "iptables", "nftables"
MANY = 1000
"""Portals above which a packet's way along the iptables chains, and each change of them, takes too long."""


class Backends:
    """A ``ProxyBackend`` by the best of both: iptables for few services where it works, nftables for many.

    It never goes back while it lives. What the other one has left here, in this life or an earlier one, is taken away
    once the rules stand: at no time is a service without any, and a connection is rewritten by whichever sees it first.
    """

    def __init__(self, names: Names, forced: str = "") -> None:
        """Raises ProxyError when nothing here can write rules, or not what is ``forced``."""
        if forced not in {"", IPTABLES, NFTABLES}:
            raise ProxyError(f"{SETTING} is {forced!r}: it must be {IPTABLES} or {NFTABLES}")
        self._names, self._forced = names, forced
        self._alone = False
        if forced == IPTABLES or (not forced and iptables.available()):
            self._used: ProxyBackend = iptables.IptablesBackend(names)
        elif forced == NFTABLES or nftables.available():
            self._used = nftables.NftablesBackend(names)
        else:
            raise ProxyError(
                "services need the legacy iptables tables or nftables: install iptables or nftables"
            )

    @property
    def name(self) -> str:
        return self._used.name

    def sync(self, wanted: Wanted) -> None:
        if self._is_too_much(wanted):
            other = nftables.NftablesBackend(self._names)
            other.sync(wanted)
            self._used, self._alone = other, False
        else:
            self._used.sync(wanted)
        if not self._alone:
            self._leave_alone()

    def verify(self) -> list[str]:
        return self._used.verify()

    def remove(self) -> None:
        remove_all(self._names)

    def _is_too_much(self, wanted: Wanted) -> bool:
        few = self._forced or self._used.name == NFTABLES or len(wanted.portals) <= MANY
        return not few and nftables.available()

    def _leave_alone(self) -> None:
        """Take away what the backend that is not used has here."""
        try:
            (iptables if self._used.name == NFTABLES else nftables).remove(self._names)
        except NetworkError as error:
            raise ProxyError(f"cannot remove the rules of before: {error}") from error
        self._alone = True


def remove_all(names: Names) -> None:
    """Takes away the rules of one instance, whichever backend wrote them."""
    try:
        iptables.remove(names)
        nftables.remove(names)
    except NetworkError as error:
        raise ProxyError(f"cannot remove the service rules: {error}") from error
