"""Making a pod's containers: image, volumes, environment and files, and what keeps them from being made."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from apps.cluster import types
from node_agent import credentials, disk, images
from node_agent.pods import files, plan, spec
from node_agent.pods.env import ConfigTrouble, environment, uses_pod_address
from node_agent.pods.record import Record
from node_agent.pods.sight import Life
from node_agent.pods.tools import Tools
from node_agent.pods.voice import Voice
from node_agent.runtime.base import EngineAway, Mount, NoSuchImage, RuntimeTrouble

log = logging.getLogger(__name__)

CONFIG_RETRY = timedelta(seconds=10)


class Making:
    """Runs in the pod's worker thread; images and volumes are prepared in one beside it."""

    def __init__(
        self, record: Record, tools: Tools, voice: Voice, tell: Callable[[Callable[[], None]], None]
    ) -> None:
        self._record, self._tools, self._voice, self._tell = record, tools, voice, tell
        self._paths: dict[str, Path] | None = None  # of volumes, once prepared
        self._preparing: threading.Thread | None = None
        self._premade: dict[str, str] = {}

    def prepare_beside(self, sandbox: str, now: datetime) -> None:
        """While the sandbox starts: volumes, images, and the containers themselves as far as they can be made.

        What was made is told by ``join``. What failed is met again, and told, when its turn comes.
        """
        pod = self._pod()
        first = [each for each in plan.opening(pod) if self._record.life(each.name).attempt < 0]
        self._premade = {}

        def work() -> None:
            try:
                self._prepare_volumes()
                answers = [self._image(each, 0, now) for each in first]
                for container, answer in zip(first, answers, strict=True):
                    if not isinstance(answer, images.Present) or uses_pod_address(container):
                        break
                    step = plan.MakeContainer(container.name, 0, sandbox)
                    self._premade[container.name] = self._create(pod, container, step, answer)
            except Exception as error:
                log.debug("pod %s: preparing failed: %s", self._record.uid, error)

        self._preparing = threading.Thread(target=work, name="prepare", daemon=True)
        self._preparing.start()

    def join(self) -> dict[str, str]:
        """Wait for what is prepared beside; the engine ids of containers it made, once, by name."""
        if self._preparing is None:
            return {}
        self._preparing.join()
        self._preparing = None
        made, self._premade = self._premade, {}
        if made:
            self._write_etc(self._pod())
        return made

    def refresh_volumes(self) -> None:
        """Bring config maps and secrets of a running pod up to date."""
        if self._paths is None or self._record.ending():
            return
        try:
            self._prepare_volumes()
        except ConfigTrouble as error:
            log.info("pod %s keeps its volumes as they are: %s", self._record.uid, error)

    def make(self, step: plan.MakeContainer, now: datetime) -> str | None:
        """The new container's engine id; None when it cannot be made now, which its life then tells."""
        pod, life = self._pod(), self._record.life(step.name)
        container = next(each for each in pod.spec.all_containers() if each.name == step.name)
        answer = self._image(container, step.attempt, now)
        if not isinstance(answer, images.Present):
            self._hold(container, life, answer)
            return None
        try:
            return self._create(pod, container, step, answer)
        except ConfigTrouble as error:
            self._held(container, life, "CreateContainerConfigError", str(error), now)
        except NoSuchImage as error:
            self._tools.images.forget(self._key(container, step.attempt))
            self._held(container, life, "ErrImagePull", str(error), now)
        except EngineAway:
            raise
        except (RuntimeTrouble, OSError) as error:  # of its own files, as where the disk is full
            self._held(container, life, "CreateContainerError", str(error), now)
        return None

    def _create(
        self, pod: types.Pod, container: types.Container, step: plan.MakeContainer, image: images.Present
    ) -> str:
        tools = self._tools
        if self._paths is None:
            self._prepare_volumes()
        assert self._paths is not None
        place = tools.node.place(self._address(pod))
        env = environment(pod, container, tools.view, place)
        mounts = tools.volumes.mounts(pod, container, self._paths, step.attempt)
        wanted = spec.app_spec(
            tools.names,
            pod,
            container,
            attempt=step.attempt,
            sandbox=step.sandbox,
            image=image.facts,
            digest=image.digest,
            env=env,
            mounts=mounts + self._etc(pod, container),
            node_memory=tools.node.memory,
            lowest_oom_score=tools.node.lowest_oom_score,
            target=self._record.target_of(container.name),
        )
        return tools.runtime.create(wanted)

    def _address(self, pod: types.Pod) -> str:
        return self._tools.node.address if pod.spec.host_network else self._record.address

    def _etc(self, pod: types.Pod, container: types.Container) -> list[Mount]:
        """The mounted /etc/hosts and /etc/resolv.conf; a pod on the machine's network uses the machine's."""
        taken = {mount.mount_path for mount in container.volume_mounts}
        return [
            Mount(source=str(path), target=f"/etc/{path.name}")
            for path in self._write_etc(pod)
            if f"/etc/{path.name}" not in taken
        ]

    def _write_etc(self, pod: types.Pod) -> list[Path]:
        """They are mounted when a container starts, so until then the address in them may still change."""
        tools = self._tools
        content = files.etc(pod, self._address(pod), machine=tools.resolv_conf(), cluster=tools.dns)
        if not content:
            return []
        etc = self._tools.volumes.directory(pod.metadata.uid) / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        for name, text in content.items():
            path = etc / name
            if not path.exists() or path.read_text() != text:
                disk.write(path, text.encode(), 0o644)
        return [etc / name for name in content]

    def _image(self, container: types.Container, attempt: int, now: datetime) -> images.Answer:
        pod, tools = self._pod(), self._tools
        wish = images.Wish(
            key=self._key(container, attempt),
            image=container.image,
            policy=container.image_pull_policy,
            credentials=credentials.of_pod(pod, tools.view),
        )

        def wake() -> None:
            self._tell(lambda: self._pulled(container.name))

        def tell(reason: str, message: str, /, *, warning: bool = False) -> None:
            self._voice.say(reason, message, container=container.name, warning=warning)

        return tools.images.want(wish, now=now, wake=wake, tell=tell)

    def _pulled(self, name: str) -> None:
        life = self._record.life(name)
        life.pulling, life.retry_at = False, None

    def _hold(self, container: types.Container, life: Life, answer: images.Pulling | images.Trouble) -> None:
        if isinstance(answer, images.Pulling):
            life.pulling = True
            return
        new = life.reason != answer.reason
        life.reason, life.message, life.retry_at = answer.reason, answer.message, answer.retry_at
        if not new:
            return
        if answer.reason == "ImagePullBackOff":
            words = f'Back-off pulling image "{container.image}"'
            self._voice.say("BackOff", words, container=container.name)
        else:
            reason = "InspectFailed" if answer.reason == "InvalidImageName" else "Failed"
            self._voice.say(reason, answer.message, container=container.name, warning=True)
        self._voice.say("Failed", f"Error: {answer.reason}", container=container.name, warning=True)

    def _held(self, container: types.Container, life: Life, reason: str, message: str, now: datetime) -> None:
        """It cannot be made now; tried again later, or when what it lacks arrives."""
        mount = message.startswith("MountVolume")
        if (life.reason, life.message) != (reason, message):
            name = "FailedMount" if mount else "Failed"
            words = message if mount else f"Error: {message}"
            self._voice.say(name, words, container=container.name, warning=True)
        life.reason = "ContainerCreating" if mount else reason
        life.message, life.retry_at = message, now + CONFIG_RETRY

    def _prepare_volumes(self) -> None:
        pod, tools = self._pod(), self._tools
        self._paths = tools.volumes.prepare(pod, tools.view, tools.node.place(self._address(pod)))

    def _key(self, container: types.Container, attempt: int) -> str:
        return f"{self._record.uid}/{container.name}/{attempt}"

    def _pod(self) -> types.Pod:
        assert self._record.pod is not None
        return self._record.pod
