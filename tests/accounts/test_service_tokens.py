"""Tokens of service accounts: what they prove, whom they speak for, and everything that ends them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from apps.accounts import authentication, service_tokens
from apps.accounts.service_tokens import AUDIENCE, Bound, check, issue
from apps.cluster import store, types
from apps.cluster.actors import system
from apps.cluster.errors import Unauthorized
from apps.cluster.kinds import POD, SERVICE_ACCOUNT
from tests.builders import build

pytestmark = pytest.mark.usefixtures("cluster")
TEST = system("test")
NOW = datetime.now(UTC)


def account(name: str = "reader") -> types.ServiceAccount:
    made: types.ServiceAccount = store.write(
        TEST, lambda tx: tx.create(SERVICE_ACCOUNT, build(SERVICE_ACCOUNT, name=name))
    )
    return made


def pod() -> types.Pod:
    made: types.Pod = store.write(TEST, lambda tx: tx.create(POD, build(POD, name="web")))
    return made


def remove(kind: Any, name: str) -> None:
    store.write(
        TEST, lambda tx: tx.delete(kind, "default", name, types.DeleteOptions(grace_period_seconds=0))
    )


def anew(text: str) -> Any:
    """As another process would judge it: nothing remembered."""
    service_tokens.forget()
    return check(text)


def test_it_speaks_for_the_account_and_its_groups() -> None:
    owner = account()
    actor = check(issue(owner).text)
    assert actor is not None
    assert actor.name == "system:serviceaccount:default:reader"
    assert actor.groups == {
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    }
    assert actor.uid == owner.metadata.uid
    header = {"authorization": f"Bearer {issue(owner).text}"}
    assert authentication.authenticate(header) == actor


def test_it_ends_with_its_time() -> None:
    past = issue(account(), seconds=600, now=NOW - timedelta(seconds=601))
    assert past.expires_at < NOW
    assert check(past.text) is None


def test_it_lasts_ten_minutes_at_least_and_a_year_at_most() -> None:
    owner = account()
    assert issue(owner, seconds=1, now=NOW).expires_at - NOW <= timedelta(seconds=600)
    assert issue(owner, seconds=2**32, now=NOW).expires_at - NOW <= timedelta(days=365)


def test_it_ends_with_its_account_and_does_not_come_back_with_its_name() -> None:
    text = issue(account()).text
    assert check(text) is not None
    remove(SERVICE_ACCOUNT, "reader")
    assert anew(text) is None
    account()
    assert anew(text) is None


def test_bound_to_a_pod_it_ends_with_the_pod() -> None:
    owner, web = account(), pod()
    text = issue(owner, bound=Bound("Pod", "web", web.metadata.uid)).text
    assert check(text) is not None
    remove(POD, "web")
    assert anew(text) is None
    pod()
    assert anew(text) is None, "another pod of that name is not the one it was bound to"


def test_for_another_audience_it_is_nothing_here() -> None:
    text = issue(account(), audiences=["vault"]).text
    assert check(text) is None
    assert check(text, ["vault"]) is not None
    assert check(text, [AUDIENCE, "vault"]) is not None


@pytest.mark.parametrize(
    "forged",
    [
        lambda claims, _: jwt.encode(claims, "", algorithm="none"),
        lambda claims, _: jwt.encode(claims, "x" * 64, algorithm="HS256"),
        lambda _, text: text[:-4] + ("AAAA" if not text.endswith("AAAA") else "BBBB"),
        lambda _, text: ".".join((text.split(".")[0], "e30", text.split(".")[2])),
        lambda *_: "a.b.c",
        lambda *_: "..",
        lambda *_: "\udcff.b.c",
    ],
    ids=[
        "unsigned",
        "another algorithm",
        "another signature",
        "another content",
        "garbage",
        "empty",
        "no text",
    ],
)
def test_a_forged_one_speaks_for_nobody(forged: Any) -> None:
    text = issue(account()).text
    claims = jwt.decode(text, options={"verify_signature": False})
    assert check(forged(claims, text)) is None
    with pytest.raises(Unauthorized):
        authentication.authenticate({"authorization": f"Bearer {forged(claims, text)}"})


def test_another_clusters_token_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = account()
    other = ec.generate_private_key(ec.SECP256R1())
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(service_tokens, "_signing_key", lambda: other)
        text = issue(owner).text
    assert check(text) is None
