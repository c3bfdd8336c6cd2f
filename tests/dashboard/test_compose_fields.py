"""The canvas has a field for every key of the format: what stands in none is named here, with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from django.http import QueryDict
from django.test import Client

from apps.catalog.schema import schema
from apps.dashboard.compose import asking, checks, connecting, draft, edits, fields, ways, whole
from apps.dashboard.models import Draft

HERE = "/apps/shop/every/compose"
OF_THE_CATALOG = "what a catalog shows of a template: a draft is an application and has none"
YAML_ONLY = {
    **dict.fromkeys(
        ("version", "title", "summary", "icon", "categories", "upgrades.from", "upgrades.note", "links.docs",
         "links.source", "links.website"), OF_THE_CATALOG,
    ),
    "components.env.secret": "the form writes the reference that says the same: ${params.name}",
}  # fmt: skip

EVERY = """
requires: {platform: ">=0.1", nodes: 1, cpu: 500m, memory: 1Gi, privileges: [hostPath]}
groups: [{id: first, title: First, collapsed: true}]
parameters:
  count: {type: integer, default: 2, min: 1, max: 5}
  word:
    {type: string, label: Word, help: What it says, group: first, example: hello, default: hi, required: true,
     minLength: 1, maxLength: 9, pattern: "[a-z]+", patternHelp: letters, showIf: count == 2, advanced: true,
     immutable: true}
  way: {type: enum, default: a, options: [{value: a, label: A}, {value: b}]}
  tag: {type: imageTag, image: redis}
  key: {type: secret, generate: {kind: hex, length: 20}, rotatable: true}
components:
  base: {image: "base:1", ports: {one: 1}}
  web:
    image: web:1
    kind: job
    host: webby
    replicas: 1
    update: recreate
    after: {base: ready}
    command: [run, it]
    args: [a, b]
    workingDir: /srv
    env: {ADDRESS: "${components.base.host}", NAME: value}
    files: {/etc/x: {content: x, mode: "0400"}}
    ports: {http: 80, dns: {port: 53, protocol: UDP}}
    volumes: {data: {mount: /data, size: 1Gi}}
    probes:
      ready: {http: /, port: http, every: 5s, timeout: 2s, wait: 1s, failures: 3}
      live: {tcp: http, every: 5s, timeout: 2s, wait: 1s, failures: 3}
      start: {exec: [a], every: 5s, timeout: 2s, wait: 1s, failures: 3}
    resources: {cpu: 100m, memory: 1Gi, limits: {cpu: "1", memory: 2Gi}}
    security:
      {runAsUser: 1, runAsGroup: 2, fsGroup: 3, readOnly: true, privileged: true, hostNetwork: true,
       capabilities: [CHOWN], hostPaths: {/var/log: /logs}}
    nodes: {disk: fast}
    stopTimeout: 5s
  other:
    image: other:1
    autoscale: {min: 1, max: 2, cpu: 70}
    update: {maxSurge: 1, maxUnavailable: 0}
    ports: {http: 80, more: 81}
    probes:
      ready: {tcp: http}
      live: {exec: [a]}
      start: {http: /, port: http}
  third:
    image: third:1
    ports: {http: 80}
    probes:
      ready: {exec: [a]}
      live: {http: /, port: http}
      start: {tcp: http}
endpoints:
  out: {component: web, port: http, via: nodePort, host: a.example, path: /x, nodePort: 30001}
  in: {component: web, port: http, via: internal, primary: true}
checks:
  - {name: one, http: "${endpoints.out.internalUrl}", expect: 200, contains: ok, within: 5s, writes: true}
  - {name: two, exec: {component: web, command: [a]}}
notes: Hello.
"""


def keys(place: Any, path: str = "") -> Iterator[str]:
    """Every key of the format that holds a value, dotted; names that authors give and places in lists are left out."""
    defined = schema()["$defs"]
    match place:
        case {"$ref": reference}:
            yield from keys(defined[reference.rpartition("/")[2]], path)
        case {"anyOf": some}:
            for one in some:
                yield from keys(one, path)
        case {"properties": inner}:
            for name, one in inner.items():
                yield from keys(one, f"{path}.{name}" if path else name)
        case {"items": inner} | {"additionalProperties": dict(inner)}:
            yield from keys(inner, path)
        case {"type": "null"}:
            return
        case _:
            yield path


def said(data: Any, place: Any) -> Mapping[str, list[Any]]:
    """What a plan says, by the same keys, with what authors call things."""
    found: dict[str, list[Any]] = {}

    def walk(value: Any, place: Any, path: str) -> None:
        defined = schema()["$defs"]
        if "$ref" in place:
            walk(value, defined[place["$ref"].rpartition("/")[2]], path)
        elif "anyOf" in place:
            wanted = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else ""
            kinds = [defined[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in place["anyOf"]]
            walk(value, next((one for one in kinds if one.get("type") == wanted), {}), path)
        elif "properties" in place:
            for name, one in value.items():
                walk(one, place["properties"][name], f"{path}.{name}" if path else name)
        elif "items" in place:
            for at, one in enumerate(value):
                walk((at, one) if not isinstance(one, dict) else one, place["items"], path)
        elif isinstance(place.get("additionalProperties"), dict):
            for name, one in value.items():
                walk(one if isinstance(one, dict) else (name, one), place["additionalProperties"], path)
        else:
            found.setdefault(path, []).append(value)

    walk(data, place, "")
    return found


PLAN = schema()["$defs"]["TemplateSpec"]
KEYS = sorted(set(keys(PLAN)))


class Fields(HTMLParser):
    """The fields of one form as a browser would send them, in order; ``others`` are what a select offers besides."""

    def __init__(self, page: str, form: str) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self.others: dict[int, str] = {}
        self.switches: set[int] = set()
        self._form, self._inside, self._open = form, False, ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = known.get("id") == self._form
        if not self._inside:
            return
        name = known.get("name", "")
        if tag == "input" and known.get("type") == "checkbox":
            self.switches.add(len(self.sent))
            self.sent.append((name, "true" if "checked" in known else ""))
        elif tag == "input" and known.get("type") != "hidden":
            self.sent.append((name, known.get("value", "")))
        elif tag in {"textarea", "select"}:
            self.sent.append((name, ""))
            self._open = tag
        elif tag == "option" and self._open == "select":
            if "selected" in known:
                self.sent[-1] = (self.sent[-1][0], known["value"])
            elif known.get("value"):
                self.others[len(self.sent) - 1] = known["value"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
        if tag == self._open:
            self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "textarea":
            name, text = self.sent[-1]
            self.sent[-1] = (name, f"{text}{data}".removeprefix("\n"))

    def changed(self) -> Iterator[QueryDict]:
        """The form with another answer in one field, for each of its fields."""
        for at, (_, value) in enumerate(self.sent):
            query = QueryDict(mutable=True)
            if at in self.switches:
                other = "" if value else "true"
            elif value.isdecimal():
                other = str(int(value) + 1)
            else:
                other = self.others.get(at, f"{value}x")
            for place, (name, text) in enumerate(self.sent):
                query.appendlist(name, other if place == at else text)
            yield query


@pytest.fixture
def every(admin: Client, sampled: None) -> tuple[Client, dict[str, Any]]:  # noqa: ARG001
    """A draft with every key of the format."""
    admin.post(HERE, {"draft": "0", "do": "write", "text": EVERY}, headers={"HX-Request": "true"})
    reading = draft.read(Draft.objects.get(name="every").text)
    assert reading.definition is not None, reading.wrong
    return admin, reading.data


def made(data: dict[str, Any], page: str, sent: QueryDict) -> dict[str, Any]:
    """What a form of the page makes of the draft."""
    word, _, name = page.partition("=")
    match word:
        case "component":
            return edits.component(data, name, fields.typed(data["components"][name], sent)[0])
        case "question":
            return edits.question(data, name, asking.typed(data["parameters"][name], sent))
        case "way":
            return edits.way(data, name, ways.typed(data, name, sent))
        case "check":
            return edits.check(data, int(name), checks.typed(data, int(name), sent)[0])
    return whole.typed(data, sent)


FORMS = {
    **{f"component={name}": "component-form" for name in ("web", "other", "third")},
    **{f"question={name}": "question-form" for name in ("count", "word", "way", "tag", "key")},
    **{f"way={name}": "way-form" for name in ("out", "in")}, **{f"check={at}": "check-form" for at in (0, 1)},
    "add=plan": "whole-form",
}  # fmt: skip


def test_every_key_of_the_format_has_a_field(every: tuple[Client, dict[str, Any]]) -> None:
    client, data = every
    before = said(data, PLAN)
    unsaid = {one for one in KEYS if one not in before} - set(YAML_ONLY)
    assert not unsaid, f"say these in EVERY, so that their fields are tried: {unsaid}"
    found: set[str] = set()
    for page, form in FORMS.items():
        shown = Fields(client.get(f"{HERE}?{page}").content.decode(), form)
        assert shown.sent, page
        for sent in shown.changed():
            after = said(made(data, page, sent), PLAN)
            found |= {key for key in (*before, *after) if before.get(key) != after.get(key)}
    line = connecting.ties(draft.read(EVERY).definition, "web")  # type: ignore[arg-type]
    assert [tie.stages[1][0] for tie in line] == ["started"]  # beside the component, where it says what that needs
    assert edits.wait(data, "web", "base", "started")["components"]["web"]["after"] == {"base": "started"}
    found.add("components.after")
    assert set(KEYS) - found == set(YAML_ONLY), "a key without a field, or with one that is still excused"


def test_a_form_of_everything_that_is_sent_as_it_was_shown_changes_nothing(
    every: tuple[Client, dict[str, Any]],
) -> None:
    client, data = every
    for page, form in FORMS.items():
        shown = Fields(client.get(f"{HERE}?{page}").content.decode(), form)
        query = QueryDict(mutable=True)
        for name, text in shown.sent:
            query.appendlist(name, text)
        assert yaml.safe_dump(made(data, page, query)) == yaml.safe_dump(data), page


DEEDS = {"component": "change", "question": "answer", "way": "lead", "check": "expect", "add": "tell"}


@pytest.mark.parametrize("typed", ["", "'${", "9" * 5000])
def test_whatever_a_form_brings_is_answered_with_the_form(
    every: tuple[Client, dict[str, Any]], typed: str
) -> None:
    client, _ = every
    for page, form in FORMS.items():
        word, _, name = page.partition("=")
        shown = Fields(client.get(f"{HERE}?{page}").content.decode(), form)
        step = {"draft": str(Draft.objects.get(name="every").number), "do": DEEDS[word], word: name}
        sent = {field: typed for field, _ in shown.sent if field != "name"}
        answer = client.post(HERE, {**sent, **step}, headers={"HX-Request": "true"})
        assert answer.status_code == 200, page
        assert f'id="{form}"' in answer.content.decode(), page
        Draft.objects.filter(name="every").update(text=EVERY)
