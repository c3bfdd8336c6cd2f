"""Keys of an author's own: created, patched and applied they stand where they stood, where the format has room."""

from __future__ import annotations

from typing import Any

import yaml

from apps.catalog.kinds import APPLICATION_TEMPLATE
from tests.api.doors import Door
from tests.api.test_contract import MERGE, place

APPLY = {"content-type": "application/apply-patch+yaml"}
PATH = place(APPLICATION_TEMPLATE, "noted")


def template(**notes: Any) -> dict[str, Any]:
    web = {"image": "shop:1.2", "ports": {"http": {"port": 80, "x-why": "as ever"}}, **notes}
    return {
        "apiVersion": "drover.dev/v1", "kind": "ApplicationTemplate", "metadata": {"name": "noted"},
        "spec": {"version": "1.0.0", "x-made-by": "Ana", "components": {"web": web}},
    }  # fmt: skip


def notes(answer: dict[str, Any]) -> tuple[Any, Any, Any]:
    web = answer["spec"]["components"]["web"]
    return answer["spec"].get("x-made-by"), web["ports"]["http"].get("x-why"), web.get("x-note")


async def test_they_are_kept_where_they_stand(door: Door) -> None:
    made = await door.ask("POST", place(APPLICATION_TEMPLATE, ""), template(**{"x-note": {"a": [1, None, "${"]}}))
    assert made.code == 201, made.body
    assert notes(made.data) == ("Ana", "as ever", {"a": [1, None, "${"]})
    patch = {"spec": {"version": "1.0.1", "x-made-by": None, "components": {"web": {"x-note": {"b": 2}}}}}
    patched = await door.ask("PATCH", PATH, patch, MERGE)
    assert patched.code == 200, patched.body
    assert notes(patched.data) == (None, "as ever", {"a": [1, None, "${"], "b": 2})
    assert notes((await door.ask("GET", PATH)).data) == notes(patched.data)


async def test_they_are_applied_and_go_when_they_are_no_longer_applied(door: Door) -> None:
    with_note = yaml.safe_dump(template(**{"x-note": "mine"})).encode()
    first = await door.ask("PATCH", f"{PATH}?fieldManager=ann", with_note, APPLY)
    assert (first.code, notes(first.data)) == (201, ("Ana", "as ever", "mine"))
    changed = template()
    changed["spec"]["version"] = "1.0.1"
    second = await door.ask("PATCH", f"{PATH}?fieldManager=ann", yaml.safe_dump(changed).encode(), APPLY)
    assert (second.code, notes(second.data)) == (200, ("Ana", "as ever", None))


async def test_where_there_is_no_room_for_them_they_are_refused(door: Door) -> None:
    body = template()
    body["metadata"]["x-note"] = "not here"
    answer = await door.ask("POST", place(APPLICATION_TEMPLATE, ""), body)
    assert answer.code == 400
    assert 'unknown field "metadata.x-note"' in answer.data["message"]
