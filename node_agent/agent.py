"""The parts of the agent, put together and kept running."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

from node_agent import VERSION, identity, machine, usage
from node_agent.ahead import Ahead
from node_agent.collect import Collector, Usage, references
from node_agent.connection import Connection, Identity, Left
from node_agent.dns.client import DnsProcess
from node_agent.door import Door
from node_agent.edge import sight
from node_agent.edge.plan import plan
from node_agent.edge.process import EdgeProcess
from node_agent.ended import EndedLogs
from node_agent.health_ports import HealthPorts, checks
from node_agent.herd import Herd, host_ports
from node_agent.images import Images
from node_agent.leaving import Farewell, Programmed
from node_agent.names import Names
from node_agent.network.announcing import Announcer
from node_agent.network.bridge import BridgeNetwork
from node_agent.outbox import Outbox
from node_agent.persistent import LocalVolumes
from node_agent.pods import files
from node_agent.pods.tools import Node, Tools
from node_agent.probes.prober import Prober
from node_agent.proxy.client import ProxyProcess
from node_agent.proxy.rules import HostPort, Target
from node_agent.renewal import Renewal
from node_agent.runtime import pause
from node_agent.runtime.base import NoSuchImage, RuntimeTrouble
from node_agent.runtime.docker import DockerRuntime
from node_agent.runtime.docker_streams import DockerStreams
from node_agent.servers import Servers
from node_agent.settings import Settings
from node_agent.sizes import overfull
from node_agent.upkeep import Troubles, Upkeep
from node_agent.view import Touched, View
from node_agent.volumes import Volumes
from node_agent.waiting import Alarms, Clock, Coalesced, Gate, utcnow

log = logging.getLogger(__name__)

STARTS_AT_ONCE = 4
UPKEEP_SECONDS = 5.0
SAMPLE_SECONDS = 10.0
SWEEP_SECONDS = 10.0
ENGINE_RETRY_SECONDS = 0.5
GOODBYE_SECONDS = 0.4


class Agent:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = Names.of(settings.state)
        self._outbox = Outbox()
        self._view = View(settings.view)
        self._runtime = DockerRuntime(self._names, settings.docker)
        self._network = BridgeNetwork(self._names, settings.network, settings.address, settings.pod_network)
        self._health_ports = HealthPorts()
        self._announcer = Announcer(self._names, settings.address)
        self._programmed = Programmed(self._outbox.programmed)
        self._farewell = Farewell(self._view.offers, self._outbox.waiting)
        self._proxy = ProxyProcess(self._names, settings.node, on_applied=self._programmed.applied)
        self._dns = DnsProcess(self._names, settings.dns, (settings.service_cidr, settings.cluster_cidr))
        self._edge = EdgeProcess(settings.edge, lambda trouble: self._keeping_up.poke(), self._outbox.about_node)
        self._edging = Coalesced("edge", self._lead_in)
        self._taken: dict[int, str] = {}
        self._node = Node(
            name=settings.node,
            address=settings.address,
            allocatable=machine.capacity(settings.state),
            memory=machine.memory_bytes(),
            lowest_oom_score=machine.lowest_oom_score(),
        )
        self._rewire = Coalesced("rewire", self._wire)
        self._meter = usage.Meter()
        self._sampling = Coalesced("sampling", self._sample, every=SAMPLE_SECONDS)
        self._collector = Collector(
            self._runtime,
            settings.state / "images.json",
            in_use=lambda: references(self._view.pods().values()),
            usage=self._image_disk,
            tell=self._outbox.event,
        )
        self._sweeping = Coalesced("sweeping", self._sweep, every=SWEEP_SECONDS)
        self._persistent = LocalVolumes(settings.volumes)
        self._reclaiming = Coalesced("reclaiming", self._reclaim, every=SWEEP_SECONDS)
        self._ended = EndedLogs(settings.ended)
        tools = Tools(
            names=self._names,
            node=self._node,
            runtime=self._runtime,
            network=self._network,
            images=Images(self._runtime, settings.mirror, self._collector.pulled),
            volumes=Volumes(settings.pods, self._persistent),
            view=self._view,
            reports=self._outbox,
            alarms=Alarms(),
            gate=Gate(STARTS_AT_ONCE),
            prober=Prober(DockerStreams(settings.docker)),
            ended=self._ended,
            resolv_conf=files.machine_resolv_conf,
            dns=settings.dns,
            moved=self._rewire.poke,
            farewell=self._farewell.said,
        )
        self._herd = Herd(tools, self._view)
        self._fetching = Coalesced("images ahead", self._fetch)
        self._ahead = Ahead(tools.images, tools.alarms, self._outbox.event, self._fetching.poke)
        self._door = Door(settings, self._herd, self._runtime, DockerStreams(settings.docker), self._ended)
        self._upkeep = Upkeep(
            settings, self._node, self._view, self._runtime, self._network, self._announcer, self._outbox,
            up=self._herd.network_is_up, troubles=self._troubles,
        )  # fmt: skip
        self._clock = Clock()
        self._leave: Callable[[], object] = lambda: None
        self._keeping_up = Coalesced("upkeep", self._keep_up, every=UPKEEP_SECONDS)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Containers, rules and routes stay as they are."""
        for private in (self._settings.view, self._settings.pods, self._settings.volumes):
            private.mkdir(mode=0o700, parents=True, exist_ok=True)
        identity.finish(self._settings.state)
        self._view.load()
        self._proxy.start()
        self._dns.start()
        self._edge.start()
        self._edging.start()
        self._door.start()
        self._keeping_up.start()
        self._rewire.start()
        self._sampling.start()
        self._sweeping.start()
        self._reclaiming.start()
        threading.Thread(target=self._begin, name="begin", daemon=True).start()
        left = asyncio.run(self._connect())
        goodbyes = [threading.Thread(target=each.stop, daemon=True) for each in (self._dns, self._proxy)]
        for goodbye in goodbyes:
            goodbye.start()
        until = time.monotonic() + GOODBYE_SECONDS
        for goodbye in goodbyes:
            goodbye.join(max(0.0, until - time.monotonic()))
        logging.shutdown()
        if left:
            self._take_down()
        os._exit(0)  # workers may be in the middle of a step: the next start goes on from there

    def _take_down(self) -> None:
        """Become what removes everything: no worker of this process may start anything again meanwhile."""
        settings = self._settings
        words = ["--state", str(settings.state), "--docker", settings.docker, "--left"]
        os.execv(sys.executable, [sys.executable, "-m", "node_agent", "down", *words])

    async def _connect(self) -> bool:
        """Until this process is asked to end, or (True) the node was taken out of the cluster."""
        who = Identity(
            node=self._settings.node,
            version=VERSION,
            boot_id=machine.boot_id(),
            token=self._settings.token,
            ca=self._settings.ca,
        )
        renewal = Renewal(self._settings.state, self._settings.node, self._door.renewed)
        connection = Connection(
            who, Servers(self._settings.server, self._settings.servers), self._view, self._outbox, self._synced,
            renewal=renewal, everywhere=self._rules_follow, settled=self._settled,
        )  # fmt: skip
        task = asyncio.create_task(connection.run())
        loop = asyncio.get_running_loop()
        self._leave = partial(loop.call_soon_threadsafe, task.cancel)
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, task.cancel)
        await asyncio.wait([task])
        if task.cancelled():
            return False
        try:
            task.result()
        except Left as words:
            log.warning("%s: what ran here is taken down; it can join again with a new line", words)
            return True
        return False

    def _keep_up(self) -> None:
        """What waits for a moment would wait so much longer, pods that are to end too: a new agent counts anew."""
        back = self._clock.set_back()
        if back:
            log.warning("the clock was set back by %.0f s: this agent ends, to be started again", back)
            self._leave()
        self._upkeep.look()

    def _begin(self) -> None:
        """What needs the engine: its first answer, the pause image, the containers that run."""
        self._upkeep.network()
        wait = threading.Event()
        while True:
            try:
                self._ensure_pause_image()
                break
            except RuntimeTrouble as error:
                log.warning("waiting for the container engine: %s", error)
                wait.wait(ENGINE_RETRY_SECONDS)
        self._herd.start()
        self._fetching.start()
        self._keeping_up.poke()
        self._rewire.poke()

    def _ensure_pause_image(self) -> None:
        try:
            self._runtime.image(self._names.pause_image)
        except NoSuchImage:
            self._runtime.load(pause.archive(self._names.pause_image, pause.architecture()))

    def _synced(self, touched: Touched) -> None:
        if touched.kinds & {"services", "endpointslices"}:
            self._rewire.poke()
        if touched.kinds & sight.CONCERNED:
            self._edging.poke()
        if "peers" in touched.kinds or ("nodes" in touched.kinds and not self._node.network_up):
            self._keeping_up.poke()
        if "persistentvolumes" in touched.kinds:
            self._reclaiming.poke()
        if "nodes" in touched.kinds:
            self._fetching.poke()
        self._herd.synced(touched)

    def _fetch(self) -> None:
        node = self._view.node(self._settings.node)
        if node is not None:
            self._ahead.look(node)

    def _rules_follow(self, number: int) -> None:
        """Every node's do, up to there."""
        self._farewell.everywhere(number)
        self._herd.farewell()

    def _settled(self, number: int) -> bool:
        """Whether this node's own rules follow the log up to there, and, if it counts as lost, none of its pods runs
        on that were replaced meanwhile."""
        node = self._view.node(self._settings.node)
        lost = node is not None and any(
            each.type == "Ready" and each.status == "Unknown" for each in node.status.conditions
        )
        return self._programmed.follow(number) and not (lost and self._herd.has_orphans())

    def _troubles(self) -> Troubles:
        return Troubles(self._dns.error, self._edge.trouble_with(self._taken))

    def _image_disk(self) -> Usage:
        try:
            found = shutil.disk_usage(self._runtime.directory())
        except (OSError, RuntimeTrouble):
            found = shutil.disk_usage(self._settings.state)
        return Usage(found.total - found.free, found.total)

    def _sweep(self) -> None:
        """Images that nobody uses, logs kept long enough, and pods that took more room than they may."""
        self._ended.sweep(utcnow())
        self._collector.sweep(utcnow())
        for worker in self._herd.workers():
            pod = worker.record.pod
            words = "" if pod is None else overfull(pod, self._settings.pods / pod.metadata.uid / "volumes")
            if words:
                worker.evict(words)

    def _sample(self) -> None:
        containers = [seen for worker in self._herd.workers() for seen in [*worker.record.seen.values()]]
        samples = self._meter.read(containers)
        if samples is not None:
            self._outbox.samples(samples)

    def _reclaim(self) -> None:
        for report in self._persistent.reclaim(self._view.volumes()):
            self._outbox.volume(report)

    def _lead_in(self) -> None:
        """What comes from outside for host names, where the server told of any."""
        if self._view.number:
            self._edge.want(plan(sight.look(self._view, self._settings.node)))

    def _wire(self) -> None:
        """Hand the names' process and the proxy everything they need; they find out what is new."""
        number = self._view.number
        services, slices = self._view.services(), self._view.slices()
        if number:  # before the first word from the server, nothing may be denied
            self._dns.update(services, slices)
        pods = [
            (each.record.pod, each.record.address)
            for each in self._herd.workers()
            if each.record.pod is not None
        ]
        ports = [
            HostPort(
                protocol=port.protocol.lower() or "tcp",
                port=port.host_port or 0,
                target=Target(address=address, port=port.container_port),
                address="" if port.host_ip == "0.0.0.0" else port.host_ip,
                name=f"{pod.metadata.namespace}/{pod.metadata.name}",
            )
            for pod, port, address in host_ports(pods)
        ]
        self._taken = {each.port: each.name for each in ports if each.protocol == "tcp" and not each.address}
        # The node answers there itself: to rules it would look like a service with nothing behind it.
        routed = [each for each in services if each.spec.cluster_ip != self._settings.dns]
        order = self._proxy.update(routed, slices, ports)
        self._programmed.ordered(order, number)
        self._health_ports.update(checks(services, slices, self._settings.node))
        self._announcer.hold(self._view.announced(self._settings.node))
