"""What can be asked of a draft, one function for each word of a form's ``do``: it changes the draft and says what the
page shows next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from apps.catalog.format import Definition
from apps.catalog.kinds import APPLICATION_TEMPLATE
from apps.catalog.parameters import SECRET
from apps.cluster import types
from apps.cluster.errors import BadRequest, NotFound
from apps.cluster.quantities import number_in
from apps.dashboard import access
from apps.dashboard.compose import asking, checks, connecting, edits, fields, palette, ways, whole
from apps.dashboard.compose.desk import Desk
from apps.dashboard.compose.draft import LONGEST, Wrong
from apps.dashboard.compose.edits import Data
from apps.dashboard.compose.palette import Starter


@dataclass(frozen=True)
class Shown:
    """What of the draft the page shows: the component, the other end of a line, what is added, one of the questions,
    ways in or checks (by its number), picture or list."""

    component: str = ""
    to: str = ""
    port: str = ""
    lead: str = ""
    add: str = ""
    question: str = ""
    way: str = ""
    check: str = ""
    view: str = ""

    @classmethod
    def of(cls, asked: QueryDict) -> Shown:
        return cls(**{name: asked.get(name, "").strip()[:300] for name in cls.__dataclass_fields__})

    @property
    def query(self) -> str:
        told = {name: value for name in self.__dataclass_fields__ if (value := getattr(self, name))}
        return f"?{urlencode(told)}" if told else ""


@dataclass(frozen=True)
class Done:
    """How it went: what the page shows next, a note, and what could not be taken from the form. ``tried`` is the draft
    as it would be if it could be kept: the form goes on from there."""

    shown: Shown
    note: str = ""
    wrong: tuple[Wrong, ...] = ()
    tried: Data | None = None


Deed = Callable[[Desk, QueryDict, Shown, int], Done]


def write(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """The YAML as it was typed."""
    text = sent.get("text", "").replace("\r\n", "\n")
    if len(text) > LONGEST:
        raise BadRequest(f"This draft is too long: at most {LONGEST // 1024} KiB.")
    desk.say(text, seen)
    return Done(shown)


def add(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """A component from an image, a starter or the catalog; dropped on another one, it is what that one needs."""
    starter = chosen(desk, sent.get("what", ""), sent.get("image", "").strip())
    brought = palette.bring_in(desk.mine(), starter, sent.get("name", "").strip())
    desk.put(brought.data, seen)
    along = f" with {', '.join(brought.along)}" if brought.along else ""
    user = sent.get("for", "")
    if user in (desk.mine().get("components") or {}):
        return Done(Shown(user, brought.name, view=shown.view), f"{brought.name} is on the canvas{along}.")
    return Done(Shown(brought.name, view=shown.view), f"{brought.name} is on the canvas{along}.")


def chosen(desk: Desk, what: str, image: str) -> Starter:
    """What of the palette is meant. Raises BadRequest and NotFound."""
    if what == "image":
        if not image:
            raise BadRequest("Which image? Name it with its tag, such as nginx:1.27.5.")
        return palette.of_image(image)
    template, slash, component = what.partition("/")
    if slash:
        definition = access.seen(desk.who, APPLICATION_TEMPLATE, "", template).object.spec
        offered = palette.of_template(template, definition)
    else:
        offered = [*palette.starters()]
    found = next((one for one in offered if one.id == what), None)
    if found is None:
        raise NotFound(f"The palette has no {component or what}.")
    return found


def change(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """The fields of a component."""
    data, name = desk.mine(), _there(desk, shown.component)
    content, wrong = fields.typed(data["components"][name], sent)
    data = edits.component(data, name, content)
    if edits.way_of(data, name) or sent.get("via"):
        data = edits.reach(data, name, fields.way(sent, content))
    if untypable := _untypable(shown, data):
        return untypable
    data = edits.declared(data, desk.mine())
    new = _name(sent, name, data["components"], "component")
    if new != name:
        data = edits.rename(data, name, new)
    desk.put(data, seen)
    here = f"components[{new}]"
    told = tuple(Wrong(f"{here}.{one.path}", one.message) for one in wrong)
    return Done(replace(shown, component=new), wrong=told)


def ask(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """A question more, of the type that was chosen."""
    data, name, kind = desk.mine(), sent.get("name", "").strip(), sent.get("type", "string")
    if not name:
        raise BadRequest("What is it called? Its answer stands where ${params.name} is written.")
    if name in data.get("parameters", {}):
        raise BadRequest(f"There is a question {name} already.")
    generated = {"generate": {"kind": "password", "length": 32}} if kind == SECRET else {}
    desk.put(edits.question(data, name, {"type": kind, **generated}), seen)
    return Done(Shown(question=name, view=shown.view), f"{name} is asked now. Write ${{params.{name}}} where it goes.")


def answer(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """The fields of a question."""
    data, name = desk.mine(), _asked(desk, shown.question)
    data = edits.question(data, name, asking.typed(data["parameters"][name], sent))
    new = _name(sent, name, data["parameters"], "question")
    if new != name:
        data = edits.rename_question(data, name, new)
    return _kept(desk, data, replace(shown, question=new), seen)


def forget(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    name = _asked(desk, sent.get("question", ""))
    used = asking.used_by(desk.mine(), name)
    desk.put(edits.question(desk.mine(), name, None), seen)
    told = f" Its answer is still written in {', '.join(used)}." if used else ""
    return Done(Shown(add="question", view=shown.view), f"{name} is asked no longer.{told}")


def open_(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """A way in more, to the first port of a component."""
    data, on = desk.mine(), _there(desk, sent.get("component", ""))
    name = sent.get("name", "").strip() or edits.free(on, data.get("endpoints", {}))
    if name in data.get("endpoints", {}):
        raise BadRequest(f"There is a way in {name} already.")
    first = {} if data.get("endpoints") else {"primary": True}
    made = {"component": on, "port": next(iter(ways.ports(data, on)), ""), "via": "nodePort", **first}
    desk.put(edits.way(data, name, made), seen)
    return Done(Shown(way=name, view=shown.view), f"{name} leads to {on} now.")


def lead(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """The fields of a way in."""
    data, name = desk.mine(), _way(desk, shown.way)
    data = edits.way(data, name, ways.typed(data, name, sent))
    new = _name(sent, name, data["endpoints"], "way in")
    if new != name:
        data = edits.rename_way(data, name, new)
    return _kept(desk, data, replace(shown, way=new), seen)


def close(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    name = _way(desk, sent.get("way", ""))
    told = ways.told_in(desk.mine(), name)
    desk.put(edits.way(desk.mine(), name, None), seen)
    still = f" It is still named in {', '.join(told)}." if told else ""
    return Done(Shown(add="plan", view=shown.view), f"{name} leads nowhere any more.{still}")


def test(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """A check more."""
    data, name = desk.mine(), sent.get("name", "").strip()
    if not name:
        raise BadRequest("What must work? Say it in a few words, such as: the page answers.")
    number = len(data.get("checks", []))
    desk.put(edits.check(data, number, checks.new(data, name)), seen)
    return Done(Shown(check=str(number), view=shown.view), f"“{name}” is checked now.")


def expect(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """The fields of a check."""
    data, number = desk.mine(), _check(desk, shown.check)
    content, wrong = checks.typed(data, number, sent)
    told = tuple(Wrong(f"{checks.place(number)}.{one.path}", one.message) for one in wrong)
    return _kept(desk, edits.check(data, number, content), shown, seen, told)


def earlier(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    number = _check(desk, sent.get("check", ""))
    desk.put(edits.check_earlier(desk.mine(), number), seen)
    return Done(replace(shown, check=str(max(number - 1, 0))))


def drop(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    number = _check(desk, sent.get("check", ""))
    name = desk.mine()["checks"][number]["name"]
    desk.put(edits.check(desk.mine(), number, None), seen)
    return Done(Shown(add="plan", view=shown.view), f"“{name}” is checked no longer.")


def tell(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """The fields of the plan as a whole."""
    return _kept(desk, whole.typed(desk.mine(), sent), shown, seen)


def wait(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """Until when a component waits for another that it needs."""
    of, on = _there(desk, shown.component), _there(desk, sent.get("on", ""))
    desk.put(edits.wait(desk.mine(), of, on, sent.get("stage", "")), seen)
    return Done(shown)


def remove(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    name = _there(desk, sent.get("component", ""))
    desk.put(edits.remove(desk.mine(), name), seen)
    return Done(
        Shown(view=shown.view), f"{name} is off the canvas, with what led to it. Undo brings it back."
    )


def put_back(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """A component that runs and was taken out of the draft."""
    name = sent.get("component", "")
    content = desk.live.get("components", {}).get(name)
    if content is None:
        raise BadRequest(f"No component {name} runs here.")
    desk.put(edits.component(desk.mine(), name, content), seen)
    return Done(replace(shown, component=name), f"{name} is back.")


def connect(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    """A line from one component to another; a port that is missing is made with it."""
    data, of, on = desk.mine(), _there(desk, shown.component), _there(desk, shown.to)
    if called := sent.get("new-port", "").strip():
        number = sent.get("new-number", "").strip()
        ports = {called: number if (counted := number_in(number)) is None else counted}
        data = edits.component(data, on, {**data["components"][on], "ports": ports})
        shown = replace(shown, port=next(iter(ports)))
    plan = types.convert(Definition, data)
    if words := connecting.circle(plan, of, on):
        raise BadRequest(f"This would close a circle: {words}.")
    variables: Mapping[str, str] = {}
    if plan.components[on].ports:
        port = (
            shown.port if shown.port in plan.components[on].ports else next(iter(plan.components[on].ports))
        )
        offered = {one.id: one.variables for one in connecting.proposals(plan, of, on, port, shown.lead)}
        variables = offered.get(sent.get("as", ""), {})
    stage = connecting.stage_of(plan, on) if sent.get("wait") else ""
    if not variables and not stage:
        raise BadRequest("Choose how it is told, or that it waits: a line has to mean something.")
    desk.put(edits.connect(data, of, on, variables, stage), seen)
    return Done(
        Shown(of, view=shown.view), f"{of} finds {on} now." if variables else f"{of} waits for {on} now."
    )


def disconnect(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:
    of, on = _there(desk, shown.component), sent.get("on", "")
    desk.put(edits.disconnect(desk.mine(), of, on), seen)
    return Done(shown, f"{of} needs {on} no longer.")


def undo(desk: Desk, sent: QueryDict, shown: Shown, seen: int) -> Done:  # noqa: ARG001
    desk.undo(seen)
    return Done(Shown(view=shown.view))


def _there(desk: Desk, name: str) -> str:
    parts = desk.mine().get("components", {})
    if not parts:
        raise BadRequest("There is no component yet. Add one first, from an image or from the catalog.")
    if name not in parts:
        raise BadRequest(f"The draft has no component {name}.")
    return name


def _asked(desk: Desk, name: str) -> str:
    if name not in desk.mine().get("parameters", {}):
        raise BadRequest(f"The draft has no question {name}.")
    return name


def _way(desk: Desk, name: str) -> str:
    if name not in desk.mine().get("endpoints", {}):
        raise BadRequest(f"The draft has no way in {name}.")
    return name


def _check(desk: Desk, number: str) -> int:
    found = checks.number(desk.mine(), number)
    if found is None:
        raise BadRequest("The draft has no such check.")
    return found


def _name(sent: QueryDict, name: str, taken: Mapping[str, Any], thing: str) -> str:
    """What something is called from now on. Raises BadRequest for a name that another has."""
    new = sent.get("name", name).strip() or name
    if new != name and new in taken:
        raise BadRequest(f"There is a {thing} {new} already.")
    return new


def _kept(desk: Desk, data: Data, shown: Shown, seen: int, wrong: tuple[Wrong, ...] = ()) -> Done:
    """The draft as it was typed, if the format has a place for all of it."""
    untypable = _untypable(shown, data)
    if untypable is None:
        desk.put(data, seen)
    return untypable or Done(shown, wrong=wrong)


def _untypable(shown: Shown, data: Data) -> Done | None:
    """What the format has no place for, such as a word for a number, cannot be kept: it stays in its field."""
    problems = types.problems(Definition, data)
    wrong = tuple(Wrong(one.path, one.message) for one in problems)
    return Done(shown, wrong=wrong, tried=data) if problems else None


DEEDS: Mapping[str, Deed] = {
    "write": write, "add": add, "change": change, "remove": remove, "put-back": put_back, "connect": connect,
    "disconnect": disconnect, "undo": undo, "ask": ask, "answer": answer, "forget": forget,
    "open": open_, "lead": lead, "close": close, "test": test, "expect": expect, "earlier": earlier, "drop": drop,
    "tell": tell, "wait": wait,
}  # fmt: skip
