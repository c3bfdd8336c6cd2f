"""What a pod may say about names: extra lines of its hosts file, and whom it asks for names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from apps.cluster import names, types
from apps.cluster.kinds import refusals
from apps.cluster.types import Problem

MOST_NAMESERVERS, MOST_SEARCHES, LONGEST_SEARCHES = 3, 32, 2048


def host_alias_problems(aliases: Sequence[types.HostAlias], path: str) -> Iterator[Problem]:
    for index, alias in enumerate(aliases):
        yield from _address_problems(f"{path}[{index}].ip", alias.ip)
        for position, name in enumerate(alias.hostnames):
            at = f"{path}[{index}].hostnames[{position}]"
            yield from refusals.spelled(at, name, names.dns_subdomain_problem)


def dns_problems(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    config, at = spec.dns_config or types.PodDNSConfig(), f"{path}.dnsConfig"
    if spec.dns_policy == "None" and not config.nameservers:
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield refusals.required(f"{at}.nameservers", why)
    if len(config.nameservers) > MOST_NAMESERVERS:
        why = f"must not have more than {MOST_NAMESERVERS} nameservers"
        yield refusals.invalid(f"{at}.nameservers", config.nameservers, why)
    for index, server in enumerate(config.nameservers):
        yield from _address_problems(f"{at}.nameservers[{index}]", server)
    if len(config.searches) > MOST_SEARCHES or len(" ".join(config.searches)) > LONGEST_SEARCHES:
        why = f"must not have more than {MOST_SEARCHES} search paths or {LONGEST_SEARCHES} characters"
        yield refusals.invalid(f"{at}.searches", config.searches, why)
    for index, search in enumerate(config.searches):
        if search != ".":
            name = search.removesuffix(".").replace("_", "-")
            yield from refusals.spelled(f"{at}.searches[{index}]", name, names.dns_subdomain_problem)
    yield from _option_problems(config.options, f"{at}.options")


def _option_problems(options: Sequence[types.PodDNSConfigOption], path: str) -> Iterator[Problem]:
    for index, option in enumerate(options):
        at = f"{path}[{index}]"
        if not option.name:
            yield refusals.required(f"{at}.name")
        for text in (option.name, option.value or ""):
            yield from refusals.plain(at, text)
            if " " in text:
                yield refusals.invalid(at, text, "must not contain a space")


def _address_problems(path: str, text: str) -> Iterator[Problem]:
    try:
        sound = "%" not in text and bool(ip_address(text))
    except ValueError:
        sound = False
    if not sound:
        yield refusals.invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
