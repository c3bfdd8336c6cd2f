"""A service's page says under which names pods find it."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.cluster import types
from apps.cluster.kinds import SERVICE
from apps.dashboard import paths
from apps.dashboard.panels.naming import named

PEERS = [("peer-0", "10.64.0.5"), ("10-64-0-6", "10.64.0.6")]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (types.ServiceSpec(cluster_ip="10.254.0.7", ports=[types.ServicePort(name="web", port=80, protocol="TCP")]),
         {"shop": "10.254.0.7", "shop.eu": "10.254.0.7", "shop.eu.svc.cluster.local": "10.254.0.7",
          "_web._tcp.shop.eu.svc.cluster.local": "port 80 of shop"}),
        (types.ServiceSpec(cluster_ip="None"),
         {"shop": "every ready pod", "shop.eu": "every ready pod", "shop.eu.svc.cluster.local": "every ready pod",
          "peer-0.shop.eu.svc.cluster.local": "10.64.0.5", "10-64-0-6.shop.eu.svc.cluster.local": "10.64.0.6"}),
        (types.ServiceSpec(type="ExternalName", external_name="db.example.org"),
         {"shop": "db.example.org", "shop.eu": "db.example.org", "shop.eu.svc.cluster.local": "db.example.org"}),
    ],
)  # fmt: skip
def test_each_type_of_service_has_its_names(spec: types.ServiceSpec, found: dict[str, str]) -> None:
    service = types.Service(metadata=types.ObjectMeta(name="shop", namespace="eu"), spec=spec)
    hosts = PEERS if spec.cluster_ip == "None" else []
    assert {each.name: each.leads_to for each in named(service, hosts)} == found


def test_the_page_shows_them_each_with_a_button_to_copy(admin: Client) -> None:
    page = admin.get(paths.of_object(SERVICE, "default", "frontend")).content.decode()
    assert 'data-copy="frontend.default.svc.cluster.local"' in page
    assert "pods of default" in page
