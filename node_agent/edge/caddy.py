"""How Caddy is told things: the pieces of its JSON, and nothing about what is to be served. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

OWN: Final = "own"
"""The part of its directory that it may write to."""
SHARED: Final = f"../{OWN}"
"""What all that run beside each other may write to: the certificates that they got."""
SOCKET: Final = f"{OWN}/admin.sock"
"""Where it listens for its configuration."""
HOLD: Final = f"{OWN}/hold.sock"
"""Where a request ends only with its body."""
ADMIN: Final = {"listen": f"unix/{SOCKET}", "config": {"persist": False}}
"""What it is told holds private keys, so it keeps none of it."""
CHALLENGE_PATH: Final = "/.well-known/acme-challenge/*"
PASSED_ON: Final = "X-Drover-Edge"
"""On a request that another edge node has passed on."""
TRIED_FOR, DIALLED_FOR = "5s", "1s"
"""Until a request is given up that no pod takes, and until another is tried in place of one that is silent."""

Json = dict[str, Any]


def start() -> Json:
    """What it is started with: ears only."""
    return {"admin": ADMIN}


def config(servers: Json, tls: Json) -> Json:
    log = {"output": "file", "filename": f"{SHARED}/caddy.log", "roll_size_mb": 5, "roll_keep": 1}
    apps: Json = {"http": {"servers": {**servers, "hold": HOLDING}}, "tls": tls}
    if any(issuer == {"module": "internal"} for policy in _policies(tls) for issuer in policy["issuers"]):
        apps["pki"] = {"certificate_authorities": {"local": {"install_trust": False}}}
    return {
        **start(),
        "logging": {"logs": {"default": {"level": "WARN", "writer": log}}},
        "storage": {"module": "file_system", "root": f"{SHARED}/storage"},
        "apps": apps,
    }


def _policies(tls: Json) -> list[Json]:
    found: list[Json] = tls.get("automation", {}).get("policies", [])
    return found


def server(port: int, routes: list[Json], policies: list[Json]) -> Json:
    """One port. What no route takes is not found; what fails is told as a status and no more."""
    words = "{http.error.status_code} {http.error.status_text}\n"
    made: Json = {
        "listen": [f":{port}"],
        "routes": [*routes, NOT_FOUND],
        "errors": {"routes": [{"handle": [_says("{http.error.status_code}", words)]}]},
        "automatic_https": {"disable": True},
        "protocols": ["h1", "h2"] if policies else ["h1"],
        "read_header_timeout": "30s",
        "idle_timeout": "2m",
    }
    return {**made, "tls_connection_policies": policies} if policies else made


def for_host(host: str, routes: list[Json]) -> Json:
    """What has the host and no path of it is not found: no other host's routes are tried."""
    route: Json = {"handle": [{"handler": "subroute", "routes": [*routes, NOT_FOUND]}], "terminal": True}
    return {"match": [{"host": [host]}], **route} if host else route


def for_path(pattern: str, handler: Json) -> Json:
    route: Json = {"handle": [handler], "terminal": True}
    return {"match": [{"path_regexp": {"pattern": pattern}}], **route} if pattern else route


def proxy(upstreams: Iterable[str]) -> Json:
    """Each request gets a connection of its own, so that each is led anew: one that is kept would go on to a pod that
    is about to end. X-Forwarded-For, -Proto and -Host are Caddy's own doing, and never the client's."""
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": each} for each in upstreams],
        "load_balancing": {"selection_policy": {"policy": "round_robin"}, "try_duration": TRIED_FOR},
        "transport": {"protocol": "http", "dial_timeout": DIALLED_FOR, "keep_alive": {"enabled": False}},
        "headers": {"request": {"set": {"X-Real-Ip": ["{http.request.remote.host}"]}}},
    }


def redirect(port: int) -> Json:
    at = "" if port == 443 else f":{port}"
    where = f"https://{{http.request.host}}{at}{{http.request.uri}}"
    return {"handler": "static_response", "status_code": 308, "headers": {"Location": [where]}}


def unavailable(words: str) -> Json:
    return _says(503, f"{words}\n")


def challenges(hosts: Iterable[str], peers: Iterable[str], port: int) -> Json:
    """The authority asks some edge node for what only the one that wants the certificate knows: each that does not know
    asks the others, one after the other, and these ask nobody."""
    handler: Json = _says(404, "")
    for peer in peers:
        handler = {
            "handler": "reverse_proxy",
            "upstreams": [{"dial": f"{peer}:{port}"}],
            "transport": {"protocol": "http", "dial_timeout": DIALLED_FOR},
            "headers": {"request": {"set": {PASSED_ON: ["1"]}}},
            "handle_response": [{"match": {"status_code": [404]}, "routes": [{"handle": [handler]}]}],
        }
    asked = {"match": [{"header": {PASSED_ON: ["*"]}}], "handle": [_says(404, "")], "terminal": True}
    match = {"host": list(hosts), "path": [CHALLENGE_PATH]}
    handlers = [{"handler": "subroute", "routes": [asked, {"handle": [handler]}]}]
    return {"match": [match], "handle": handlers, "terminal": True}


def _says(status: int | str, words: str) -> Json:
    return {"handler": "static_response", "status_code": status, "body": words}


NOT_FOUND: Final[Json] = {"handle": [_says(404, "no Ingress has this host and path\n")]}
HOLDING: Final[Json] = {
    "listen": [f"unix/{HOLD}"],
    "routes": [{"handle": [{"handler": "static_response", "body": "{http.request.body}"}]}],
    "automatic_https": {"disable": True},
    "protocols": ["h1"],
}


@dataclass(frozen=True, order=True)
class Authority:
    """Who signs certificates over ACME; without a directory, the authority that Caddy itself knows."""

    directory: str
    email: str
    roots: str
    """PEM certificates by which it is trusted; "" where the system's do."""
    http_port: int

    def issuer(self, file: Callable[[str], str]) -> Json:
        challenges = {"tls-alpn": {"disabled": True}, "http": {"alternate_port": self.http_port}}
        made: Json = {"module": "acme", "challenges": challenges}
        made |= {"ca": self.directory} if self.directory else {}
        made |= {"email": self.email} if self.email else {}
        return made | ({"trusted_roots_pem_files": [file(self.roots)]} if self.roots else {})


@dataclass
class Certificates:
    """Which host has which, of all ports. The first to say it decides."""

    _own: dict[str, str] = field(default_factory=dict)
    """The secret, by host."""
    _pairs: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Chain and key, by secret."""
    _asked: dict[str, Authority] = field(default_factory=dict)
    _signed: set[str] = field(default_factory=set)

    @property
    def asked(self) -> list[str]:
        """The hosts whose certificates an authority signs."""
        return sorted(self._asked)

    def own(self, host: str, secret: str, chain: str, key: str) -> None:
        if not self._has(host):
            self._own[host] = secret
            self._pairs[secret] = (chain, key)

    def ask(self, host: str, authority: Authority) -> None:
        if not self._has(host):
            self._asked[host] = authority

    def sign(self, host: str) -> None:
        """By an authority of the node's own, which nobody trusts."""
        if not self._has(host):
            self._signed.add(host)

    def _has(self, host: str) -> bool:
        return host in self._own or host in self._asked or host in self._signed

    def roots(self) -> set[str]:
        return {authority.roots for authority in self._asked.values() if authority.roots}

    def policies(self, hosts: Iterable[str]) -> list[Json]:
        """For each host its own certificate and no other, though another may bear its name. A host that lacks its
        own has none."""
        return [
            {"match": {"sni": [host]}, **self._selection(host)}
            for host in sorted(hosts, key=lambda host: (host.startswith("*"), host))
            if self._has(host)
        ] or [{"match": {"sni": ["invalid"]}}]

    def _selection(self, host: str) -> Json:
        return {"certificate_selection": {"any_tag": [self._own[host]]}} if host in self._own else {}

    def app(self, file: Callable[[str], str]) -> Json:
        """Caddy's part for certificates."""
        pairs = [
            {"certificate": chain, "key": key, "tags": [secret]} for secret, (chain, key) in sorted(self._pairs.items())
        ]
        policies = [
            {"subjects": sorted(host for host, of in self._asked.items() if of == each), "issuers": [each.issuer(file)]}
            for each in sorted(set(self._asked.values()))
        ]
        if self._signed:
            policies.append({"subjects": sorted(self._signed), "issuers": [{"module": "internal"}]})
        made: Json = {"certificates": {"load_pem": pairs, "automate": sorted({*self._asked, *self._signed})}}
        return {**made, "automation": {"policies": policies}} if policies else made
