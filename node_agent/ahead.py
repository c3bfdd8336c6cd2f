"""Images that the node is to have before a pod needs them: pulled one after the other, told as events of the node."""

from __future__ import annotations

from collections.abc import Callable

from apps.cluster import types
from apps.cluster.types.agent import IMAGES_AHEAD, EventReport
from node_agent.images import Images, Present, Pulling, Trouble, Wish
from node_agent.pods.tools import AlarmClock
from node_agent.waiting import utcnow

KEY = "ahead/"


class Ahead:
    """``look`` is called from one thread; ``again`` asks, from any, that it be called once more."""

    def __init__(
        self, images: Images, alarms: AlarmClock, tell: Callable[[EventReport], None], again: Callable[[], None]
    ) -> None:
        self._images, self._alarms, self._tell, self._again = images, alarms, tell, again
        self._present: set[str] = set()

    def look(self, node: types.Node) -> None:
        """Ask for what the node's annotation names. One pull at a time: pods that start meanwhile need the line too."""
        wanted = [image.strip() for image in node.metadata.annotations.get(IMAGES_AHEAD, "").split(",")]
        for image in wanted:
            if not image or image in self._present:
                continue
            wish = Wish(key=KEY + image, image=image, policy="IfNotPresent")
            answer = self._images.want(wish, now=utcnow(), wake=self._again, tell=self._say(node))
            match answer:
                case Present():
                    self._present.add(image)
                case Pulling():
                    return
                case Trouble():
                    if answer.reason != "ImagePullBackOff":
                        self._say(node)("Failed", answer.message, warning=True)
                    self._alarms.at(answer.retry_at, self._again)

    def _say(self, node: types.Node) -> Callable[..., None]:
        def tell(reason: str, message: str, /, *, warning: bool = False) -> None:
            name, kind = node.metadata.name, "Warning" if warning else "Normal"
            self._tell(EventReport(namespace="", name=name, uid="", reason=reason, message=message, type=kind))

        return tell
