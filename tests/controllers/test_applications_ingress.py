"""An application that answers under a host name: its endpoint is an Ingress like any other."""

from __future__ import annotations

from typing import Any

import pytest

from apps.catalog.kinds import APPLICATION
from apps.catalog.types import Application, ApplicationSpec
from apps.cluster import types
from apps.cluster.errors import Invalid
from apps.cluster.kinds import INGRESS, INGRESS_CLASS, NAMESPACE, NODE, SERVICE
from apps.cluster.kinds.ingresses import addresses
from apps.cluster.types import ways
from tests.catalog.plans import shop
from tests.controllers.shop import PLAIN, app, change, get
from tests.harness import add_nodes, create, edit, objects, roll

pytestmark = pytest.mark.usefixtures("ruled")
HOST = "shop.example.com"


def install(namespace: str = "default") -> None:
    spec = ApplicationSpec(definition=shop(**PLAIN), parameters={"reach": "ingress", "host": HOST})
    create(APPLICATION, Application(metadata=types.ObjectMeta(name="acme", namespace=namespace), spec=spec))


@pytest.fixture(autouse=True)
def edge(ruled: None) -> None:
    notes = {ways.DEFAULT_CLASS: "true"}
    create(INGRESS_CLASS, name="edge", annotations=notes, spec__controller=ways.CONTROLLER)
    add_nodes("node-1")

    def reached(node: Any) -> None:
        node.status.addresses = [types.NodeAddress(type="InternalIP", address="10.55.0.1")]

    edit(NODE, "node-1", reached)


def test_its_endpoint_is_led_to_its_service_by_the_edge() -> None:
    install()
    roll()
    ingress = get(INGRESS, "acme-web-public")
    (way,) = ways.ways(ingress)
    assert (way.host, way.path, ways.class_of(ingress)) == (HOST, "/", "edge")
    assert way.backend.service is not None
    port = ways.port_of(get(SERVICE, way.backend.service.name), way.backend.service.port)
    assert port is not None and port.port == 8080
    assert addresses(ingress) == ["10.55.0.1"]
    assert [one.url for one in app().status.endpoints] == [f"http://{HOST}/"]
    assert app().status.phase == "Running"


def test_it_goes_with_the_parameter_that_asked_for_it() -> None:
    install()
    roll()
    change(lambda spec: spec.parameters.update(reach="internal"))
    roll()
    assert objects(INGRESS) == []


def test_a_host_that_is_taken_keeps_it_from_being_installed_and_nothing_is_left_of_it() -> None:
    create(NAMESPACE, name="bank")
    install("bank")
    roll()
    with pytest.raises(Invalid, match=f'"{HOST}": is already taken by an Ingress of another namespace'):
        install()
    assert objects(APPLICATION, "default") == []
