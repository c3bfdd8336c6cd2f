"""The one next step for a pod, by tables, and as properties of carrying steps out until nothing is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.cluster import types
from node_agent.backoff import LONGEST, BackOff
from node_agent.pods import plan
from node_agent.pods.plan import next_step
from node_agent.pods.record import Record
from node_agent.pods.sight import Health, Life, PostStart, Sight, Stop
from node_agent.pods.status import ending_of, lives_from, pod_status
from node_agent.runtime.base import SANDBOX, Seen, State

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ENDED = types.ContainerStateTerminated(exit_code=1)


def pod(*names: str, policy: str = "Always", phase: str = "") -> types.Pod:
    containers = [types.Container(name=name, image="redis:7") for name in names or ("app",)]
    return types.Pod(
        metadata=types.ObjectMeta(name="web", namespace="default", uid="u1"),
        spec=types.PodSpec(containers=containers, restart_policy=policy),
        status=types.PodStatus(phase=phase),
    )


def seen(
    name: str, attempt: int = 0, state: State = State.RUNNING, sandbox: str = "", **more: object
) -> Seen:
    if name != SANDBOX and not sandbox:
        sandbox = "POD-0"
    return Seen(
        id=f"{name}-{attempt}", uid="u1", name=name, attempt=attempt, state=state, sandbox=sandbox,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


POD = seen(SANDBOX, pid=42)
DEAD_POD = replace(POD, state=State.EXITED)
RUN = Life(attempt=0)
OVER = Life(attempt=0, ending=ENDED, ended_at=NOW)
WAITS = Life(attempt=1, ending=ENDED, ended_at=NOW, backoff=BackOff(timedelta(seconds=10), NOW))
WIRED = "10.64.0.2"
SOON, BEFORE = NOW + timedelta(seconds=30), NOW - timedelta(seconds=30)


@pytest.mark.parametrize(
    ("name", "sight", "step"),
    [
        ("nothing yet", Sight(), plan.MakeSandbox(0)),
        ("services unknown", Sight(may_start=False), plan.Settled()),
        ("sandbox failed lately", Sight(retry_at=NOW + timedelta(seconds=1)),
         plan.Settled(NOW + timedelta(seconds=1))),
        ("sandbox made", Sight(seen=(replace(POD, state=State.CREATED),)), plan.StartSandbox("POD-0")),
        ("sandbox runs", Sight(seen=(POD,)), plan.Attach(42)),
        ("wired", Sight(seen=(POD,), address=WIRED), plan.MakeContainer("app", 0, "POD-0")),
        ("container made", Sight(seen=(POD, seen("app", state=State.CREATED)), address=WIRED,
                                 lives={"app": RUN}), plan.StartContainer("app-0", "app")),
        ("all runs", Sight(seen=(POD, seen("app")), address=WIRED, lives={"app": RUN}), plan.Settled()),
        ("ended once", Sight(seen=(POD, seen("app", state=State.EXITED)), address=WIRED,
                             lives={"app": OVER}), plan.MakeContainer("app", 1, "POD-0")),
        ("removed once", Sight(seen=(POD,), address=WIRED, lives={"app": OVER}),
         plan.MakeContainer("app", 1, "POD-0")),
        ("ended twice", Sight(seen=(POD, seen("app", 1, State.EXITED)), address=WIRED,
                              lives={"app": WAITS}), plan.Settled(NOW + timedelta(seconds=10))),
        ("image on its way", Sight(seen=(POD,), address=WIRED, lives={"app": Life(pulling=True)}),
         plan.Settled()),
        ("sandbox died", Sight(seen=(DEAD_POD, seen("app")), address=WIRED, lives={"app": RUN}),
         plan.Kill(("app-0",))),
        ("sandbox removed", Sight(seen=(seen("app"),), address=WIRED, lives={"app": RUN}),
         plan.Kill(("app-0",))),
        ("all dead", Sight(seen=(DEAD_POD, seen("app", state=State.EXITED)), address=WIRED,
                           lives={"app": OVER}), plan.DropSandbox(("POD-0",))),
        ("dropped", Sight(seen=(seen("app", state=State.EXITED),),
                          lives={"app": OVER, SANDBOX: Life(attempt=0)}), plan.MakeSandbox(1)),
        ("a stranger started the old one", Sight(
            seen=(POD, seen("app", 1), seen("app", 0)), address=WIRED, lives={"app": Life(attempt=1)}
        ), plan.Kill(("app-0",))),
        ("too many old ones", Sight(
            seen=(POD, seen("app", 2), seen("app", 1, State.EXITED), seen("app", 0, State.EXITED)),
            address=WIRED, lives={"app": Life(attempt=2)}
        ), plan.Remove(("app-0",))),
        ("deleted", Sight(seen=(POD, seen("app")), address=WIRED, ending=True), plan.Terminate(("app-0",))),
        ("nodes still send it requests", Sight(seen=(POD, seen("app")), address=WIRED, ending=True, served_until=SOON),
         plan.Settled(SOON)),
        ("they had their time", Sight(seen=(POD, seen("app")), address=WIRED, ending=True, served_until=NOW),
         plan.Terminate(("app-0",))),
        ("in its grace", Sight(seen=(POD, seen("app")), address=WIRED, ending=True, ending_since=NOW,
                               grace=timedelta(seconds=30), stops={"app-0": Stop(SOON, signalled=True)}),
         plan.Settled(SOON)),
        ("grace over", Sight(seen=(POD, seen("app")), address=WIRED, ending=True, ending_since=NOW,
                             stops={"app-0": Stop(NOW, signalled=True)}), plan.Kill(("app-0",))),
        ("grace cut short", Sight(seen=(POD, seen("app")), address=WIRED, ending=True, ending_since=NOW,
                                  stops={"app-0": Stop(SOON, hooked=True)}), plan.Kill(("app-0",))),
        ("hook under way", Sight(seen=(POD, seen("app")), address=WIRED, ending=True, ending_since=NOW,
                                 grace=timedelta(seconds=30), stops={"app-0": Stop(SOON, hooked=True)}),
         plan.Settled(SOON)),
        ("hook done", Sight(seen=(POD, seen("app")), address=WIRED, ending=True, ending_since=NOW,
                            grace=timedelta(seconds=30), stops={"app-0": Stop(SOON)}), plan.Signal(("app-0",))),
        ("hook took all", Sight(seen=(POD, seen("app")), address=WIRED, ending=True, ending_since=BEFORE,
                                grace=timedelta(seconds=30), stops={"app-0": Stop(NOW, hooked=True)}),
         plan.Signal(("app-0",))),
        ("a last moment", Sight(seen=(POD, seen("app")), address=WIRED, ending=True, ending_since=BEFORE,
                                grace=timedelta(seconds=30),
                                stops={"app-0": Stop(SOON, signalled=True, extended=True)}), plan.Settled(SOON)),
        ("to be hooked", Sight(seen=(POD, seen("app")), address=WIRED, lives={"app": RUN},
                               health={"app-0": Health(PostStart.DUE, started=False)}),
         plan.RunPostStart("app-0", "app")),
        ("unhealthy", Sight(seen=(POD, seen("app")), address=WIRED, lives={"app": RUN},
                            health={"app-0": Health(doomed=True)}), plan.Terminate(("app-0",))),
        ("on its way out", Sight(seen=(POD, seen("app")), address=WIRED, lives={"app": RUN},
                                 health={"app-0": Health(doomed=True)},
                                 stops={"app-0": Stop(SOON, signalled=True)}), plan.Settled(SOON)),
        ("stopped", Sight(seen=(POD, seen("app", state=State.EXITED)), address=WIRED, ending=True),
         plan.Remove(("app-0",))),
        ("containers removed", Sight(seen=(POD,), address=WIRED, ending=True), plan.DropSandbox(("POD-0",))),
        ("sandbox removed too", Sight(ending=True), plan.Release()),
        ("gone", Sight(ending=True, released=True), plan.Settled()),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)  # fmt: skip
def test_the_next_step(name: str, sight: Sight, step: plan.Step) -> None:
    assert next_step(pod(), sight, NOW) == step


@pytest.mark.parametrize(("grace", "seconds"), [(30, 5), (2, 1), (0, 0)])
def test_the_wait_for_other_nodes_is_part_of_the_grace(grace: int, seconds: int) -> None:
    record, ending = Record("u1"), pod()
    ending.metadata.deletion_timestamp, ending.metadata.deletion_grace_period_seconds = NOW, grace
    record.desire(ending)
    assert record.served_until(NOW) == NOW + timedelta(seconds=seconds)
    assert record.served_until(SOON) == NOW + timedelta(seconds=seconds)
    record.ending_since = NOW
    assert record.served_until(NOW) is None


def test_a_later_container_waits_for_the_first_start_of_an_earlier_one() -> None:
    two = pod("first", "second")
    blocked = Sight(seen=(POD,), address=WIRED, lives={"first": Life(pulling=True)})
    assert next_step(two, blocked, NOW) == plan.Settled()
    crashed = Sight(seen=(POD, seen("first", 1, State.EXITED)), address=WIRED, lives={"first": WAITS})
    assert next_step(two, crashed, NOW) == plan.MakeContainer("second", 0, "POD-0")


@pytest.mark.parametrize(
    ("policy", "exit_code", "again"),
    [
        ("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True),
        ("Never", 0, False), ("Never", 1, False),
    ],
)  # fmt: skip
def test_restart_policy(policy: str, exit_code: int, again: bool) -> None:
    life = Life(attempt=0, ending=types.ContainerStateTerminated(exit_code=exit_code), ended_at=NOW)
    sight = Sight(seen=(POD, seen("app", state=State.EXITED)), address=WIRED, lives={"app": life})
    step = next_step(pod(policy=policy), sight, NOW)
    assert step == (plan.MakeContainer("app", 1, "POD-0") if again else plan.DropSandbox(("POD-0",)))


def test_a_pod_that_ended_for_good_never_starts_again() -> None:
    for phase in types.FINISHED_PHASES:
        assert next_step(pod(phase=phase), Sight(), NOW) == plan.Settled()


def test_a_container_whose_sandbox_died_does_not_wait() -> None:
    new = replace(POD, id="POD-1", attempt=1)
    sight = Sight(seen=(new, seen("app", 1, State.EXITED, sandbox="POD-0")), address=WIRED,
                  lives={"app": WAITS})  # fmt: skip
    assert next_step(pod(), sight, NOW) == plan.MakeContainer("app", 2, "POD-1")


def test_a_container_that_ended_in_the_future_does_not_wait_until_then() -> None:
    sight = Sight(seen=(POD, seen("app", 1, State.EXITED)), address=WIRED, lives={"app": WAITS})
    assert next_step(pod(), sight, NOW) == plan.Settled(NOW + timedelta(seconds=10))
    set_back = NOW - timedelta(hours=1)
    assert next_step(pod(), sight, set_back) == plan.MakeContainer("app", 2, "POD-0")


class World:
    """An engine in a few lines: carries steps out at once, and can be hurt."""

    def __init__(self, wanted: types.Pod) -> None:
        self.record = Record("u1")
        self.record.desire(wanted)
        self.now = NOW
        self.started: list[str] = []

    def settle(self, limit: int = 200) -> int:
        """Take steps until there is nothing to do; how many it took."""
        for count in range(limit):
            step = next_step(self.record.pod, self.record.sight(True), self.now)
            if isinstance(step, plan.Settled):
                return count
            self.take(step)
        raise AssertionError("it never settles")

    def take(self, step: plan.Step) -> None:  # noqa: C901, PLR0912 (one line a step)
        record = self.record
        match step:
            case plan.MakeSandbox():
                record.made(replace(POD, id=f"POD-{step.attempt}", attempt=step.attempt, state=State.CREATED))
            case plan.StartSandbox(id) | plan.StartContainer(id):
                self.started.append(record.seen[id].name)
                record.observe(replace(record.seen[id], state=State.RUNNING, started_at=self.now))
            case plan.Attach():
                record.address = WIRED
            case plan.MakeContainer():
                life = record.life(step.name)
                if life.ended_at is not None:
                    life.backoff = life.backoff.taken(life.ended_at, self.now)
                record.made(seen(step.name, step.attempt, State.CREATED, sandbox=step.sandbox))
            case plan.Terminate(ids):
                record.ending_since = self.now if record.ending() else None
                for id in ids:
                    record.stops[id] = Stop(until=self.now + record.grace(), signalled=True)
            case plan.Signal(ids):
                for id in ids:
                    record.stops[id].signalled, record.stops[id].hooked = True, False
            case plan.RunPostStart(id):
                record.post_started(id)
            case plan.Kill(ids):
                for id in ids:
                    self.die(id, 137)
            case plan.Remove(ids) | plan.DropSandbox(ids):
                for id in ids:
                    record.lost(id, None, self.now)
                if isinstance(step, plan.DropSandbox):
                    record.address = ""
            case plan.Release():
                record.released = True

    def die(self, id: str, code: int) -> None:
        if id in self.record.seen:
            ended = replace(self.record.seen[id], state=State.EXITED, exit_code=code, finished_at=self.now)
            self.record.observe(ended)

    def status(self) -> types.PodStatus:
        assert self.record.pod is not None
        sight = self.record.sight(True)
        return pod_status(self.record.pod, sight, before=types.PodStatus(), host_ip="10.0.0.1", now=self.now)


HURTS = st.lists(
    st.tuples(
        st.sampled_from(["die", "remove", "later", "much later"]), st.integers(0, 5), st.integers(0, 2)
    ),
    max_size=12,
)


@given(st.sampled_from(["Always", "OnFailure", "Never"]), HURTS)
def test_whatever_happens_it_settles_and_counts_never_fall(
    policy: str, hurts: list[tuple[str, int, int]]
) -> None:
    world = World(pod("a", "b", policy=policy))
    world.settle()
    counts = {"a": 0, "b": 0}
    for what, which, code in hurts:
        ids = sorted(world.record.seen)
        if what == "die" and ids:
            world.die(ids[which % len(ids)], code)
        elif what == "remove" and ids:
            world.record.lost(ids[which % len(ids)], None, world.now)
        else:
            world.now += timedelta(seconds=15) if what == "later" else timedelta(minutes=11)
        world.settle()
        for each in world.status().container_statuses:
            assert each.restart_count >= counts[each.name]
            counts[each.name] = each.restart_count
            running = [one for one in world.record.running_apps() if one.name == each.name]
            assert len(running) <= 1, "never two of one name"
    world.now += timedelta(minutes=20)
    world.settle()
    if policy == "Always":
        assert all(each.ready for each in world.status().container_statuses)
    sandboxes = [one for one in world.record.seen.values() if one.name == SANDBOX]
    for one in world.record.running_apps():
        assert [one.sandbox] == [box.id for box in sandboxes if box.state is State.RUNNING]


@given(HURTS)
def test_a_deleted_pod_always_ends_with_nothing(hurts: list[tuple[str, int, int]]) -> None:
    world = World(pod("a", "b"))
    world.settle()
    for what, which, code in hurts:
        ids = sorted(world.record.seen)
        if what == "die" and ids:
            world.die(ids[which % len(ids)], code)
    world.record.desire(None)
    world.settle()
    world.now += timedelta(minutes=1)
    world.settle()
    assert world.record.released and not world.record.seen and not world.record.address


def test_first_starts_follow_the_list() -> None:
    world = World(pod("c", "a", "b"))
    world.settle()
    assert world.started == [SANDBOX, "c", "a", "b"]


def test_the_same_status_says_the_same_to_a_restarted_agent() -> None:
    world = World(pod("a"))
    world.settle()
    world.die("a-0", 3)
    world.settle()
    world.die("a-1", 4)
    world.settle()
    status = world.status()
    life = lives_from(status)["a"]
    assert life.attempt == 1
    assert life.ending is not None and life.ending.exit_code == 4


@pytest.mark.parametrize(
    ("container", "reason", "code"),
    [
        (seen("a", state=State.EXITED), "Completed", 0),
        (seen("a", state=State.EXITED, exit_code=2), "Error", 2),
        (seen("a", state=State.EXITED, exit_code=137, oom_killed=True), "OOMKilled", 137),
        (seen("a", state=State.CREATED, error="no such file"), "ContainerCannotRun", 128),
    ],
)
def test_endings_have_the_apis_words(container: Seen, reason: str, code: int) -> None:
    ending = ending_of(container)
    assert (ending.reason, ending.exit_code) == (reason, code)


def test_back_off_doubles_and_is_forgotten() -> None:
    off = BackOff()
    waits = []
    at = NOW
    for _ in range(8):
        waits.append((off.due(at) - at).total_seconds())
        off = off.taken(at, off.due(at))
        at = off.since or at
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    late = at + 2 * LONGEST + timedelta(seconds=1)
    assert off.due(late) == late
    assert off.taken(late, late).delay == timedelta(seconds=10)
