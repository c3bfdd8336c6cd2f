"""Images: who may pull when, one pull per image at a time, from the mirror first, and failures in words."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from node_agent import credentials
from node_agent.backoff import BackOff
from node_agent.runtime.base import ImageFacts, NoSuchImage, Runtime, RuntimeTrouble
from node_agent.waiting import utcnow

DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\.?)+(?::[0-9]+)?"
PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REFERENCE = re.compile(
    rf"(?:(?P<domain>{DOMAIN})/)?(?P<path>{PART}(?:/{PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
HUB = "docker.io"
MIRROR_ANSWERS_SECONDS = 0.5
MIRROR_ASKED_AGAIN_SECONDS = 5.0
HOPELESS = timedelta(seconds=30)  # nothing but somebody loading the image by hand can help
FAILURE_SHOWN = timedelta(seconds=1)  # as ErrImagePull, before it becomes ImagePullBackOff


class InvalidImageName(Exception):
    """The reference cannot be one."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A complete image reference."""

    domain: str
    path: str
    version: str  # ":tag" or "@digest"

    @classmethod
    def parse(cls, text: str) -> Reference:
        """As Docker reads it: no domain means the hub, no tag means latest."""
        found = REFERENCE.fullmatch(text)
        if found is None or len(text) > 255:
            raise InvalidImageName(f'couldn\'t parse image reference "{text}": invalid reference format')
        domain, path = found["domain"] or "", found["path"]
        if domain and not (set(domain) & set(".:") or domain == "localhost" or domain != domain.lower()):
            domain, path = "", f"{domain}/{path}"
        version = f"@{found['digest']}" if found["digest"] else f":{found['tag'] or 'latest'}"
        if domain in ("", HUB, "index.docker.io"):
            return cls(HUB, path.removeprefix("library/"), version)
        return cls(domain, path, version)

    @property
    def repository(self) -> str:
        """All but the version."""
        return self.path if self.domain == HUB else f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        return self.repository + self.version

    def on(self, registry: str) -> Reference:
        """The same image as a mirror names it: the hub's by their paths, others' behind their registry's name."""
        path = self.path if self.domain == HUB else f"{self.domain.replace(':', '_')}/{self.path}"
        return Reference(registry, path, self.version)

    @property
    def by_digest(self) -> bool:
        return self.version.startswith("@")

    def digest(self, known: Iterable[str], mirror: str) -> str:
        """``repository@digest`` of the image, which engines know by ``known``. Under its own name where it came from
        its registry or from the mirror, else under the one it came by; "" for an image of no registry."""
        if self.by_digest:
            return str(self)
        names = sorted(known)
        own = (self.repository, self.on(mirror).repository)
        for name in names:
            repository, _, digest = name.partition("@")
            if repository in own:
                return f"{self.repository}@{digest}"
        return next(iter(names), "")


@dataclass(frozen=True, slots=True)
class Present:
    facts: ImageFacts
    digest: str = ""  # repository@digest, "" for an image that no registry knows


@dataclass(frozen=True, slots=True)
class Pulling:
    """A pull is under way; the asker is woken when it ends."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """No image, and why. Ask again at ``retry_at``."""

    reason: str
    message: str
    retry_at: datetime


Answer = Present | Pulling | Trouble


@dataclass(frozen=True, slots=True)
class Wish:
    """One start of one container asks for its image; ``key`` names that start."""

    key: str
    image: str
    policy: str
    credentials: Mapping[str, dict[str, str]] = field(default_factory=dict)  # by registry


class _Errand(NamedTuple):
    """What is pulled, and as whom: nobody shares the pull, or the refusal, of somebody else's credentials."""

    reference: str
    user: str = ""
    password: str = ""

    @property
    def auth(self) -> dict[str, str] | None:
        return {"username": self.user, "password": self.password} if self.user or self.password else None


@dataclass(slots=True)
class _Pull:
    """One pull and everybody who waits for it."""

    askers: dict[str, Callable[[], None]] = field(default_factory=dict)


@dataclass(slots=True)
class _Asker:
    """What one container's wish came to."""

    present: Present | None = None
    fresh: bool = False  # pulled for this wish: Always is satisfied
    failure: str = ""
    failed_at: datetime | None = None
    backoff: BackOff = field(default_factory=BackOff)


class Tell(Protocol):
    """Where what happens to an asker's image is told: reason, message, and whether it is a warning."""

    def __call__(self, reason: str, message: str, /, *, warning: bool = False) -> None: ...


class Images:
    """Safe to ask from many threads; never blocks longer than a look at the local images."""

    def __init__(
        self,
        runtime: Runtime,
        mirror: str = "",
        pulled: Callable[[str, datetime], None] = lambda reference, at: None,
    ) -> None:
        self._runtime = runtime
        self._pulled = pulled
        self._mirror = Mirror(mirror) if mirror else None
        self._lock = threading.Lock()
        self._pulls: dict[_Errand, _Pull] = {}
        self._askers: dict[str, _Asker] = {}

    def want(self, wish: Wish, *, now: datetime, wake: Callable[[], None], tell: Tell) -> Answer:
        """The image, or that it is on its way (``wake`` is called when that ends), or why there is none.

        A failed pull is a Trouble once as ErrImagePull, and then as ImagePullBackOff until the next try.
        """
        try:
            reference = Reference.parse(wish.image)
        except InvalidImageName as error:
            return Trouble("InvalidImageName", f"Failed to apply default image tag: {error}", now + HOPELESS)
        auth = credentials.for_image(wish.credentials, reference.domain, reference.path)
        errand = _Errand(str(reference), *(auth or {}).values())
        with self._lock:
            asker = self._askers.setdefault(wish.key, _Asker())
            if asker.present is not None:
                return asker.present
            if errand in self._pulls and wish.key in self._pulls[errand].askers:
                return Pulling()
        answer = self._look(reference, wish, asker, tell=tell, now=now)
        if answer is None and asker.failure:
            answer = _trouble(asker, wish.image, now)
        if answer is None:
            self._pull(errand, wish, wake, tell)
        return answer or Pulling()

    def _look(
        self, reference: Reference, wish: Wish, asker: _Asker, *, tell: Tell, now: datetime
    ) -> Present | Trouble | None:
        """What is here already, as far as the policy lets it count."""
        if wish.policy == "Always" and not asker.fresh:
            return None
        try:
            facts = self._runtime.image(str(reference))
        except NoSuchImage:
            if wish.policy != "Never":
                return None
            words = f'Container image "{wish.image}" is not present with pull policy of Never'
            return Trouble("ErrImageNeverPull", words, now + HOPELESS)
        if not asker.fresh:
            tell("Pulled", f'Container image "{wish.image}" already present on machine')
        mirror = "" if self._mirror is None else self._mirror.registry
        asker.present = Present(facts, reference.digest(facts.digests, mirror))
        return asker.present

    def forget(self, prefix: str) -> None:
        """Drop what is remembered of askers whose key begins so."""
        with self._lock:
            for key in [key for key in self._askers if key.startswith(prefix)]:
                del self._askers[key]

    def _pull(self, errand: _Errand, wish: Wish, wake: Callable[[], None], tell: Tell) -> None:
        key = wish.key
        tell("Pulling", f'Pulling image "{wish.image}"')
        with self._lock:
            if errand in self._pulls:
                self._pulls[errand].askers[key] = wake
                return
            self._pulls[errand] = _Pull({key: wake})
        threading.Thread(
            target=self._run_pull, args=(errand, wish, tell), name=f"pull {errand.reference}", daemon=True
        ).start()

    def _run_pull(self, errand: _Errand, wish: Wish, tell: Tell) -> None:
        began, failure = time.monotonic(), ""
        try:
            self._fetch(Reference.parse(errand.reference), errand.auth)
            self._pulled(errand.reference, utcnow())
            seconds = time.monotonic() - began
            tell("Pulled", f'Successfully pulled image "{wish.image}" in {seconds:.2f}s')
        except RuntimeTrouble as error:
            failure = str(error) or "the engine gave no reason"
        except Exception as error:  # whoever waits must be told, whatever went wrong
            failure = f"{type(error).__name__}: {error}"
        with self._lock:
            pull = self._pulls.pop(errand)
            for asker in (self._askers[key] for key in pull.askers if key in self._askers):
                asker.fresh, asker.failure = not failure, failure
                asker.failed_at = None
        for wake in pull.askers.values():
            wake()

    def _fetch(self, reference: Reference, auth: dict[str, str] | None) -> None:
        """From the mirror where it has the image, else from the image's own registry."""
        if self._mirror is not None and reference.domain != self._mirror.registry and self._mirror.answers():
            mirrored = reference.on(self._mirror.registry)
            try:  # by its digest: so the engine keeps it, and no name of the mirror's is left that somebody could move
                found = str(mirrored) if reference.by_digest else self._runtime.digest(str(mirrored))
                self._runtime.pull(found)
            except NoSuchImage:
                pass
            else:
                if not reference.by_digest:
                    self._runtime.tag(found, str(reference))
                return
        self._runtime.pull(str(reference), auth)


def _trouble(asker: _Asker, image: str, now: datetime) -> Trouble | None:
    """What to answer after a failed pull; None when it is time to try again."""
    if asker.failed_at is None:
        asker.failed_at = now
        asker.backoff = asker.backoff.taken(now, now)
        words = f'Failed to pull image "{image}": {asker.failure}'
        return Trouble("ErrImagePull", words, now + FAILURE_SHOWN)
    due = asker.failed_at + asker.backoff.delay
    if now < due:
        return Trouble("ImagePullBackOff", f'Back-off pulling image "{image}": {asker.failure}', due)
    return None


class Mirror:
    """A registry that may hold copies of other registries' images, and may be away."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.registry = parts.netloc
        self._secure = parts.scheme == "https"
        self._asked = -MIRROR_ASKED_AGAIN_SECONDS
        self._answered = False

    def answers(self) -> bool:
        """Whether it is there; asked at most every few seconds."""
        if time.monotonic() - self._asked >= MIRROR_ASKED_AGAIN_SECONDS:
            self._answered = self._ask()
            self._asked = time.monotonic()
        return self._answered

    def _ask(self) -> bool:
        make = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = make(self.registry, timeout=MIRROR_ANSWERS_SECONDS)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
