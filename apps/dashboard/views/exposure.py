"""What is reachable from outside, as one list."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from apps.cluster import store
from apps.cluster.actors import Actor
from apps.dashboard import exposed, pages


@pages.page("GET")
def exposure(request: HttpRequest, who: Actor) -> HttpResponse:
    """Every way in that this person may see; ``q`` narrows."""
    number = store.clock()  # read first: what is written meanwhile is told as a change
    text = request.GET.get("q", "").strip()
    every = exposed.ways_in(who)
    context = {
        "ways": [way for way in every if exposed.holds(way, text.lower())],
        "total": len(every),
        "open": sum(not way.exposure.source_ranges for way in every),
        "silent": sum(way.answer is not None and way.answer.look.tone == "bad" for way in every),
        "text": text,
        "number": number,
        "topics": "services endpoints pods nodes ingresses.networking.k8s.io",
        "may_see": exposed.may_see(who),
        "address": request.get_full_path(),
        "command": "kubectl get exposures -A",
    }
    return pages.show(request, "dashboard/exposure.html", context, here="exposure")
