"""Rendering: the objects that a definition makes, where secrets go, and that no value can bring in anything."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.catalog import parameters
from apps.catalog.format import Definition, SecretValue
from apps.catalog.render import Identity, Refused, render
from apps.catalog.render.payload import parts_in
from apps.cluster import types
from tests.catalog.plans import container, made, one, shop


def test_what_is_needed_first_comes_first() -> None:
    kinds = [f"{o['kind']}/{o['metadata']['name']}" for o in made(shop()).objects]
    assert [name for name in kinds if not name.startswith("ConfigMap")] == [
        "PersistentVolumeClaim/acme-db-data", "Service/acme-db", "Deployment/acme-db",
        "Service/acme-web", "Deployment/acme-web", "Service/acme-web-public",
    ]  # fmt: skip


def test_everything_but_the_data_goes_with_the_application() -> None:
    owners = {
        o["kind"]: [r["uid"] for r in o["metadata"].get("ownerReferences", [])] for o in made(shop()).objects
    }
    assert owners.pop("PersistentVolumeClaim") == []
    assert set(map(tuple, owners.values())) == {("uid-1",)}


def test_a_value_keeps_its_type_and_names_become_addresses() -> None:
    rendered = made(shop(), {"copies": 4})
    env = {entry["name"]: entry.get("value") for entry in container(rendered, "web")["env"]}
    assert one(rendered, "Deployment", "acme-web")["spec"]["replicas"] == 4
    assert env["DB"] == "acme-db:6379"
    assert env["TITLE"] == "Shop"


def test_the_author_may_insist_on_a_name() -> None:
    rendered = made(shop(components__db__host="redis-master"))
    assert one(rendered, "Service", "redis-master")
    assert {"name": "DB", "value": "redis-master:6379"} in container(rendered, "web")["env"]


def test_a_secret_is_a_reference_and_never_a_value() -> None:
    rendered = made(shop())
    env = {
        entry["name"]: entry["valueFrom"]["secretKeyRef"]
        for entry in container(rendered, "web")["env"]
        if "valueFrom" in entry
    }
    assert env["PASSWORD"] == {"name": "acme-secrets", "key": "password"}
    (recipe,) = [recipe for recipe in rendered.recipes if recipe.name == env["URL"]["name"]]
    assert recipe.data == {"URL": ["redis://:", SecretValue(secret="password"), "@acme-db"]}
    assert parts_in(recipe, {"password": "s3"}) == {"URL": "redis://:s3@acme-db"}


def test_files_are_mounted_where_they_belong_with_their_modes() -> None:
    rendered = made(shop())
    mounts = {mount["mountPath"]: mount for mount in container(rendered, "db")["volumeMounts"]}
    volumes = one(rendered, "Deployment", "acme-db")["spec"]["template"]["spec"]["volumes"]
    (secret,) = [volume["secret"] for volume in volumes if "secret" in volume]
    assert secret["items"][0]["mode"] == 0o400
    assert mounts["/etc/redis.conf"]["subPath"] == secret["items"][0]["path"]
    assert mounts["/data"] == {"name": "data", "mountPath": "/data"}


@pytest.mark.parametrize(
    ("changes", "given", "rotations"),
    [({}, {"title": "Other"}, {}), ({}, {}, {"password": 1}), ({"components__web__image": "shop:2"}, {}, {})],
    ids=["a file's content", "an exchanged secret", "an image"],
)
def test_a_change_starts_new_pods_where_it_matters(
    changes: dict[str, Any], given: dict[str, Any], rotations: dict[str, int]
) -> None:
    before, after = made(shop()), made(shop(**changes), given, **rotations)
    assert _template(before, "web") != _template(after, "web")
    assert (_template(before, "db") != _template(after, "db")) == bool(rotations)


def _template(rendered: Any, name: str) -> Any:
    return one(rendered, "Deployment", f"acme-{name}")["spec"]["template"]


@pytest.mark.parametrize(
    ("reach", "kind"), [("internal", ""), ("nodePort", "Service"), ("ingress", "Ingress")]
)
def test_an_endpoint_is_what_its_parameter_says(reach: str, kind: str) -> None:
    rendered = made(shop(), {"reach": reach, "host": "shop.example.com"})
    ways = [o["kind"] for o in rendered.objects if "drover.dev/endpoint" in o["metadata"]["labels"]]
    assert ways == ([kind] if kind else [])


def test_a_volume_has_one_writer_at_a_time() -> None:
    rendered = made(shop())
    assert one(rendered, "Deployment", "acme-db")["spec"]["strategy"] == {"type": "Recreate"}
    rolling = one(rendered, "Deployment", "acme-web")["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_job_is_another_job_when_it_changes() -> None:
    jobs = [
        next(
            o["metadata"]["name"]
            for o in made(shop(components__migrate={"image": image, "kind": "job"})).objects
            if o["kind"] == "Job"
        )
        for image in ("shop:1", "shop:2")
    ]
    assert jobs[0] != jobs[1]
    assert all(name.startswith("acme-migrate-") for name in jobs)


def test_what_waits_for_whom_is_said() -> None:
    assert made(shop()).waits == {"web": {"db": "ready"}}


def test_a_value_of_the_wrong_type_is_refused_where_it_is_put() -> None:
    plan = shop(components__web__workingDir="${params.copies}")
    values, _ = parameters.resolve(plan.parameters, {})
    with pytest.raises(
        Refused, match=r"spec.components\[web\].workingDir: Invalid value: 2: must be a string"
    ):
        render(Identity("default", "acme"), plan, values)


def test_a_page_of_references_to_a_long_value_is_refused_before_it_is_put_in() -> None:
    page = {"/page": {"content": "${params.title} " * 100}}
    plan = shop(parameters__title={"type": "text"}, components__web__files=page)
    values, _ = parameters.resolve(plan.parameters, {"title": "x" * 60_000})
    with pytest.raises(Refused, match=r"spec: Too long: .* 3145728 characters; \$\{params.title\} is put in 10. times"):
        render(Identity("default", "acme"), plan, values)


# Properties

TRICKY = st.text(alphabet=st.sampled_from("a${}()%:#\"'&*!|>-?[]{},\\/. ü=@`"), max_size=20)


@settings(max_examples=60)
@given(TRICKY)
def test_no_value_can_bring_in_anything(title: str) -> None:
    """Whatever the title is, the objects are those of a harmless one with the title in its three places."""
    plan = shop(parameters__title={"type": "text"})
    harmless, tricky = made(plan, {"title": "HARMLESS"}), made(plan, {"title": title or " "})
    assert _shape(harmless) == _shape(tricky)
    told = (title or " ").replace("$", "$$")
    assert container(tricky, "web")["args"] == ["--title", told]
    assert {"name": "TITLE", "value": told} in container(tricky, "web")["env"]
    assert (title or " ") in [
        text for o in tricky.objects if o["kind"] == "ConfigMap" for text in o["data"].values()
    ]


def _shape(rendered: Any) -> Any:
    return [_keys(o) for o in rendered.objects]


def _keys(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _keys(value) for key, value in data.items()}
    return [_keys(value) for value in data] if isinstance(data, list) else type(data).__name__


@settings(max_examples=30)
@given(st.integers(1, 5), st.sampled_from(["internal", "nodePort"]), st.text(alphabet="abc ", max_size=10))
def test_the_same_input_makes_the_same_output(copies: int, reach: str, title: str) -> None:
    given = {"copies": copies, "reach": reach, "title": title}
    again = types.convert(Definition, types.to_data(shop()))
    assert types.encode(made(shop(), given).objects) == types.encode(made(again, given).objects)
