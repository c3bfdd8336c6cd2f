"""The Docker Engine as a runtime. The only file that knows Docker."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn, cast

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions

from node_agent.names import INSTANCE_LABEL, Names
from node_agent.runtime.base import (
    LABEL_ATTEMPT,
    LABEL_CONTAINER,
    LABEL_DIGEST,
    LABEL_NAMESPACE,
    LABEL_POD,
    LABEL_SANDBOX,
    LABEL_UID,
    ContainerSpec,
    EngineAway,
    Happening,
    ImageFacts,
    LogWish,
    NoSuchContainer,
    NoSuchImage,
    RuntimeTrouble,
    Seen,
    State,
    Stream,
)

LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}
ANSWER_SECONDS = 120
STATES = {"created": State.CREATED, "running": State.RUNNING, "paused": State.RUNNING}
MISSING_IMAGE = re.compile(r"manifest unknown|not found|does not exist|name unknown", re.IGNORECASE)


class DockerRuntime:
    """See ``runtime.base.Runtime``."""

    def __init__(self, names: Names, base_url: str) -> None:
        self._names = names
        self._base_url = base_url
        self._lock = threading.Lock()
        self._closed = False
        self._streams: deque[Any] = deque(maxlen=4)  # of happenings, to be closed from outside
        self._client: Any = None  # its published types lack half of what it has

    @property
    def _api(self) -> Any:
        """The client, made at the first use: making it asks the engine which version it speaks."""
        with self._lock:
            if self._client is None:
                self._client = docker.APIClient(
                    base_url=self._base_url, version="auto", timeout=ANSWER_SECONDS, max_pool_size=32
                )
            return self._client

    def version(self) -> str:
        with _words():
            return f"docker://{self._api.version()['Version']}"

    def directory(self) -> str:
        """Where the engine keeps its images."""
        with _words():
            return str(self._api.info()["DockerRootDir"])

    def containers(self) -> list[Seen]:
        label = f"{INSTANCE_LABEL}={self._names.instance}"
        with _words():
            rows = self._api.containers(all=True, filters={"label": label})
        return [
            Seen(
                id=row["Id"],
                state=STATES.get(row["State"], State.EXITED),
                image=row["Image"],
                image_id=row["ImageID"],
                **_from_labels(row["Labels"]),
            )
            for row in rows
        ]

    def inspect(self, id: str) -> Seen:
        with _words():
            raw = self._api.inspect_container(id)
        state, config = raw["State"], raw["Config"]
        return Seen(
            id=raw["Id"],
            state=STATES.get(state["Status"], State.EXITED),
            pid=state["Pid"],
            image=config["Image"],
            image_id=raw["Image"],
            started_at=_time(state["StartedAt"]),
            finished_at=_time(state["FinishedAt"]),
            exit_code=state["ExitCode"],
            oom_killed=state["OOMKilled"],
            error=state["Error"],
            stop_signal=config.get("StopSignal") or "SIGTERM",
            **_from_labels(config["Labels"]),
        )

    def create(self, spec: ContainerSpec) -> str:
        body = _body(spec)
        with _words():
            try:
                return self._create(spec.name, body)
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise
            return self._ours(spec)

    def _create(self, name: str, body: dict[str, Any]) -> str:
        try:
            return cast(str, self._api.create_container_from_config(body, name)["Id"])
        except docker.errors.ImageNotFound as error:
            raise NoSuchImage(str(error.explanation)) from error

    def _ours(self, spec: ContainerSpec) -> str:
        """The container whose name was taken: made by us a moment ago (then adopted), or by somebody else."""
        try:
            taken = self._api.inspect_container(spec.name)
        except docker.errors.NotFound:
            return self._create(spec.name, _body(spec))
        if taken["Config"]["Labels"].get(INSTANCE_LABEL) != self._names.instance:
            raise RuntimeTrouble(f"the name {spec.name} is taken by a container that is not ours")
        return cast(str, taken["Id"])

    def start(self, id: str) -> None:
        with _words():
            self._api.start(id)

    def signal(self, id: str, signal: str) -> None:
        with _words():
            try:
                self._api.kill(id, signal)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):
                    raise

    def remove(self, id: str) -> None:
        with _words():
            try:
                self._api.remove_container(id, force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):  # gone, or another call is removing it
                    raise

    def image(self, reference: str) -> ImageFacts:
        try:
            with _words():
                name = self._known_as(reference)
                raw = self._api.inspect_image(name)
        except NoSuchContainer as error:
            raise NoSuchImage(str(error)) from error
        return ImageFacts(
            id=raw["Id"],
            user=(raw.get("Config") or {}).get("User") or "",
            digests=tuple(raw.get("RepoDigests") or ()),
            name="" if name == reference else name,
        )

    def _known_as(self, reference: str) -> str:
        """The engine keeps a digest under the repository that it was pulled from: a mirror's, or another."""
        _, by_digest, digest = reference.partition("@")
        names = [name for row in self._api.images() for name in row["RepoDigests"] or ()] if by_digest else []
        if reference in names:
            return reference
        return next((name for name in names if name.endswith(f"@{digest}")), reference)

    def digest(self, reference: str) -> str:
        try:
            with _words():
                found = self._api.inspect_distribution(reference)
        except NoSuchContainer as error:
            raise NoSuchImage(str(error)) from error
        except RuntimeTrouble as error:
            raise _pull_trouble(str(error)) from error
        return f"{_split(reference)[0]}@{found['Descriptor']['digest']}"

    def pull(self, reference: str, auth: dict[str, str] | None = None) -> None:
        repository, tag = _split(reference)
        try:
            with _words():
                steps = self._api.pull(repository, tag=tag, stream=True, decode=True, auth_config=auth)
                for step in steps:
                    if "error" in step:
                        raise _pull_trouble(step["error"])
        except NoSuchContainer as error:
            raise NoSuchImage(str(error)) from error
        except RuntimeTrouble as error:
            raise _pull_trouble(str(error)) from error

    def tag(self, source: str, reference: str) -> None:
        repository, tag = _split(reference)
        with _words():
            self._api.tag(source, repository, tag, force=True)

    def untag(self, reference: str) -> None:
        with _words(), contextlib.suppress(docker.errors.NotFound):
            name = self._known_as(reference)
            held = self._api.inspect_image(name)
            self._api.remove_image(name, noprune=True)
            if set(held["RepoTags"] or ()) <= {name}:
                for digest in held["RepoDigests"] or ():
                    with contextlib.suppress(docker.errors.NotFound):
                        self._api.remove_image(digest, noprune=True)

    def load(self, archive: bytes) -> None:
        with _words():
            for _ in self._api.load_image(archive):
                pass

    def happenings(self, since: datetime | None) -> Iterator[Happening]:
        wanted = {
            "type": "container",
            "label": f"{INSTANCE_LABEL}={self._names.instance}",
            "event": ["start", "die", "oom", "destroy"],
        }
        with _words():
            stream = DockerStream(
                self._api.events(since=since.timestamp() if since else None, filters=wanted, decode=True)
            )
            self._streams.append(stream)
            if self._closed:  # while it was being opened
                stream.close()
            for event in stream:
                attributes = event["Actor"]["Attributes"]
                yield Happening(
                    id=event["Actor"]["ID"],
                    action=event["Action"],
                    labels=attributes,
                    exit_code=int(attributes.get("exitCode", 0)),
                    at=datetime.fromtimestamp(event["timeNano"] / 1e9, UTC),
                )
        raise EngineAway("the engine ended its stream of events")

    def close(self) -> None:
        self._closed = True
        for stream in self._streams:
            stream.close()
        self._api.close()

    def logs(self, id: str, wish: LogWish) -> Stream:
        with _words():
            return DockerStream(
                self._api.logs(
                    id,
                    stream=True,
                    follow=wish.follow,
                    timestamps=wish.timestamps,
                    tail="all" if wish.tail is None else wish.tail,
                    since=wish.since,
                )
            )


class DockerStream:
    """An endless answer. Closed from another thread it ends at once, and it gives its connection back."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._closed = False

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._stream
        except Exception:
            if not self._closed:  # what a stream raises when it is closed under its reader is of no interest
                raise
        finally:
            self.close()

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(docker.errors.DockerException, OSError, AttributeError):
            self._stream.close()  # wakes whoever reads
        self._stream._response.close()


@contextlib.contextmanager
def _words() -> Iterator[None]:
    """Turns what Docker and its client raise into our own types, with the engine's own sentence."""
    try:
        yield
    except RuntimeTrouble:
        raise
    except docker.errors.APIError as error:
        _raise_api(error)
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise EngineAway(f"the container engine does not answer: {error}") from error


def _raise_api(error: docker.errors.APIError) -> NoReturn:
    words = str(error.explanation or error)
    raise (NoSuchContainer if error.status_code == 404 else RuntimeTrouble)(words) from error


def _pull_trouble(words: str) -> RuntimeTrouble:
    return NoSuchImage(words) if MISSING_IMAGE.search(words) else RuntimeTrouble(words)


def _split(reference: str) -> tuple[str, str]:
    """Repository and tag (or digest) of a complete reference."""
    if "@" in reference:
        repository, _, digest = reference.partition("@")
        return repository, digest
    repository, _, tag = reference.rpartition(":")
    return repository, tag


def _from_labels(labels: dict[str, str]) -> dict[str, Any]:
    return {
        "uid": labels.get(LABEL_UID, ""),
        "name": labels.get(LABEL_CONTAINER, ""),
        "attempt": int(labels.get(LABEL_ATTEMPT, "0")),
        "namespace": labels.get(LABEL_NAMESPACE, ""),
        "pod": labels.get(LABEL_POD, ""),
        "sandbox": labels.get(LABEL_SANDBOX, ""),
        "digest": labels.get(LABEL_DIGEST, ""),
    }


def _time(text: str) -> datetime | None:
    """Docker writes nine digits of a second and the year 1 for never."""
    if text.startswith("0001-"):
        return None
    seconds, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    return moment.replace(microsecond=int(fraction[:6].ljust(6, "0")))


def _body(spec: ContainerSpec) -> dict[str, Any]:
    """The engine's own words for a container."""
    host: dict[str, Any] = {
        "NetworkMode": spec.network,
        "LogConfig": {"Type": "json-file", "Config": LOG_OPTIONS},
        "Mounts": [
            {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}
            for mount in spec.mounts
        ],
        "Privileged": spec.privileged,
        "ReadonlyRootfs": spec.read_only,
        "CapAdd": spec.capabilities_add or None,
        "CapDrop": spec.capabilities_drop or None,
        "GroupAdd": spec.groups or None,
        "SecurityOpt": [
            *(["no-new-privileges"] if spec.no_new_privileges else []),
            *(["seccomp=unconfined"] if spec.unconfined else []),
        ],
        "OomScoreAdj": spec.oom_score,
        "CpuShares": spec.cpu_shares,
        "Memory": spec.memory,
        "MemorySwap": spec.memory,  # equal to memory: no swap
        "PidsLimit": spec.pids or None,
        "Sysctls": spec.sysctls or None,
    }
    if spec.ipc:
        host["IpcMode"] = spec.ipc
    if spec.pid:
        host["PidMode"] = spec.pid
    if spec.cpu_quota:
        host |= {"CpuPeriod": 100_000, "CpuQuota": spec.cpu_quota}
    body: dict[str, Any] = {
        "Image": spec.image,
        # Else the engine keeps books of the empty network too, and 20.10 stops for good when many leave at once.
        "NetworkDisabled": spec.network == "none",
        "Labels": spec.labels,
        "Env": spec.env,
        "User": spec.user,
        "WorkingDir": spec.working_dir,
        "Tty": spec.tty,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin_once,
        "HostConfig": host,
    }
    if spec.hostname:
        body["Hostname"] = spec.hostname
    if spec.command:
        body["Entrypoint"] = spec.command
    if spec.args:
        body["Cmd"] = spec.args
    return body
