"""What the rules of a node may be asked to do, as a strategy for properties."""

from __future__ import annotations

from hypothesis import strategies as st

from node_agent.proxy.rules import HostPort, Portal, Target, Wanted

ADDRESSES = st.integers(2, 250).map(lambda last: f"10.64.0.{last}")
TARGETS = st.lists(st.builds(Target, ADDRESSES, st.sampled_from([80, 8080])), max_size=4).map(
    lambda some: tuple(sorted(set(some)))
)
HOST_PORTS = st.builds(
    HostPort,
    st.sampled_from(["tcp", "udp"]),
    st.integers(1, 65535),
    st.builds(Target, ADDRESSES, st.just(80)),
    st.sampled_from(["", "198.51.100.1"]),
)


@st.composite
def wishes(draw: st.DrawFn) -> Wanted:
    """Some of twelve portals, each with targets or without, and some host ports."""
    portals = []
    for number in draw(st.sets(st.integers(0, 11))):
        targets, inside, outside = draw(TARGETS), draw(st.booleans()), draw(st.booleans())
        portal = Portal(
            name=f"default/s{number}",
            protocol=draw(st.sampled_from(["tcp", "udp"])),
            address=f"10.254.0.{number + 10}",
            port=80,
            node_port=draw(st.sampled_from([0, 30000 + number])),
            affinity=draw(st.sampled_from([0, 60, 10800])),
            targets=targets,
            here=targets[: draw(st.integers(0, len(targets)))] if inside or outside else (),
            inside_local=inside,
            outside_local=outside,
            near=tuple(sorted({target.address for target in targets[: draw(st.integers(0, len(targets)))]})),
            balanced=draw(st.sampled_from([(), (f"192.0.2.{number}",)])),
            sources=draw(st.sampled_from([(), ("198.51.100.0/24", "203.0.113.0/24")])),
        )
        portals.append(portal)
    return Wanted(tuple(sorted(portals)), tuple(sorted(set(draw(st.lists(HOST_PORTS, max_size=3))))))
