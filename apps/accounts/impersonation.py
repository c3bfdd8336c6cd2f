"""Acting as someone else (``--as``): for whoever a role allows the verb ``impersonate`` on what they want to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.accounts import policy, service_tokens
from apps.cluster.actors import ANONYMOUS, Actor
from apps.cluster.errors import BadRequest, Forbidden

PREFIX = "impersonate-"
USER, GROUP, UID = "impersonate-user", "impersonate-group", "impersonate-uid"
AUTHENTICATED = "system:authenticated"
LONGEST = 200
MOST_GROUPS = 50

Wanted = tuple[str, str, str, str]  # API group, resource, namespace, name


def acting(actor: Actor, headers: Mapping[str, str]) -> Actor:
    """Whom the request speaks for: ``actor``, or whom its headers name. Header names in any case; groups apart by
    commas, as several headers of one name arrive.

    Raises Forbidden for what no role grants, BadRequest for headers that make no sense.
    """
    asked = {name.lower(): value for name, value in headers.items() if name.lower().startswith(PREFIX)}
    if not asked:
        return actor
    name, uid = asked.pop(USER, "").strip(), asked.pop(UID, "").strip()
    groups = [group.strip() for group in asked.pop(GROUP, "").split(",") if group.strip()]
    if asked:
        raise BadRequest(f"{', '.join(sorted(asked))}: an identity here has a name, groups and a uid, nothing else")
    if not name:
        raise BadRequest("Impersonate-User: Required value: groups or a uid alone are nobody")
    for word in (name, uid, *groups):
        if len(word) > LONGEST or not word.isprintable():
            raise BadRequest(f"Impersonate-*: Invalid value: at most {LONGEST} characters, all printable")
    if len(groups) > MOST_GROUPS:
        raise BadRequest(f"Impersonate-Group: Invalid value: at most {MOST_GROUPS} groups")
    for wanted in _wanted(name, groups, uid):
        _require(actor, wanted)
    return Actor(name, frozenset(_all_groups(name, groups)), uid, behind=actor.behind or actor.name)


def _wanted(name: str, groups: list[str], uid: str) -> Iterator[Wanted]:
    """Everything of an identity is asked for by itself."""
    account = service_tokens.account_of(name)
    yield ("", "serviceaccounts", *account) if account else ("", "users", "", name)
    for group in groups:
        yield "", "groups", "", group
    if uid:
        yield "authentication.k8s.io", "uids", "", uid


def _all_groups(name: str, groups: list[str]) -> list[str]:
    account = service_tokens.account_of(name)
    if account and not groups:
        return sorted(service_tokens.groups_of(account[0]))
    own = ANONYMOUS.groups if name == ANONYMOUS.name else {AUTHENTICATED}
    return [*groups, *own]


def _require(actor: Actor, wanted: Wanted) -> None:
    group, resource, namespace, name = wanted
    decision = policy.authorize(actor, "impersonate", group, resource, "", namespace, name)
    if not decision.allowed:
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        raise Forbidden(
            f'{resource} "{name}" is forbidden: User "{actor.name}" cannot impersonate resource "{resource}" '
            f'in API group "{group}" {where}',
            name=name, kind=resource, group=group,
        )  # fmt: skip
