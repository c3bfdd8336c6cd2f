"""When a node says that it is ready, and in which words it says why not."""

from pathlib import Path

import pytest

from node_agent import machine


@pytest.mark.parametrize(
    ("version", "trouble", "expected"),
    [
        ("20.10", "", ("True", "AgentReady")),
        ("20.10", "10.64.0.0/10 is in use on eth1", ("False", "NetworkNotReady")),
        ("", "", ("False", "EngineAway")),
        ("", "10.64.0.0/10 is in use on eth1", ("False", "EngineAway")),
    ],
)
def test_a_node_is_ready_when_engine_and_network_are(
    tmp_path: Path, version: str, trouble: str, expected: tuple[str, str]
) -> None:
    status = machine.node_status(
        node="n",
        address="192.0.2.1",
        disk=tmp_path,
        door_port=1,
        runtime_version=version,
        network_trouble=trouble,
    )
    (ready,) = [each for each in status.conditions if each.type == "Ready"]
    assert (ready.status, ready.reason) == expected
    assert version == "" or not trouble or ready.message == trouble
