"""The dashboard's pages; included by paas.urls at the root."""

from __future__ import annotations

from django.urls import path

from apps.dashboard.views import (
    actions,
    applications,
    catalog,
    checks,
    components,
    composing,
    creating,
    detail,
    exposure,
    home,
    listed,
    logs,
    machines,
    nodes,
    rollouts,
    terminal,
)

OBJECT = "<str:key>/<str:namespace>/<str:name>"

APPLICATION = "<str:namespace>/<str:name>"

urlpatterns = [
    path("", applications.home, name="home"),
    path("cluster", home.cluster, name="cluster"),
    path("catalog", catalog.catalog, name="catalog"),
    path("catalog/<str:name>", catalog.install, name="install"),
    path(f"apps/{APPLICATION}", applications.application, name="application"),
    path(f"apps/{APPLICATION}/change", applications.change, name="change"),
    path(f"apps/{APPLICATION}/back/<str:number>", applications.take_back, name="take-back"),
    path(f"apps/{APPLICATION}/cancel/<str:number>", applications.cancel, name="cancel"),
    path(f"apps/{APPLICATION}/rotate/<str:parameter>", applications.rotate, name="rotate"),
    path(f"apps/{APPLICATION}/scale/<str:component>", components.scale, name="scale-component"),
    path(f"apps/{APPLICATION}/image/<str:component>", components.image, name="component-image"),
    path(f"apps/{APPLICATION}/log", logs.merged, name="application-log"),
    path(f"apps/{APPLICATION}/repair", applications.repair, name="repair"),
    path(f"apps/{APPLICATION}/check", checks.check, name="check"),
    path(f"apps/{APPLICATION}/delete", applications.delete, name="delete-application"),
    path("exposure", exposure.exposure, name="exposure"),
    path("compose", composing.begin, name="begin"),
    path(f"apps/{APPLICATION}/compose", composing.compose, name="compose"),
    path(f"apps/{APPLICATION}/compose/apply", composing.apply, name="apply"),
    path(f"apps/{APPLICATION}/compose/theirs", composing.theirs, name="theirs"),
    path(f"apps/{APPLICATION}/compose/object", composing.as_object, name="as-object"),
    path("find", home.find, name="find"),
    path("create", creating.create, name="create"),
    path("styleguide", home.styleguide, name="styleguide"),
    path("machines/add", machines.add, name="add-machine"),
    path("machines/<int:number>", machines.arrival, name="arrival"),
    path("kinds/<str:key>", listed.resource_list, name="list"),
    path(f"kinds/{OBJECT}", detail.resource_detail, name="detail"),
    path(f"actions/delete/{OBJECT}", actions.delete, name="delete"),
    path(f"actions/scale/{OBJECT}", actions.scale, name="scale"),
    path(f"actions/rollout/{OBJECT}", rollouts.rollout, name="rollout"),
    path(f"actions/cordon/{OBJECT}", nodes.cordon, name="cordon"),
    path(f"actions/drain/{OBJECT}", nodes.drain, name="drain"),
    path(f"actions/mark/{OBJECT}", nodes.mark, name="mark"),
    path(f"actions/reveal/{OBJECT}", actions.reveal, name="reveal"),
    path(f"actions/logs/{OBJECT}", logs.stream, name="logs"),
    path(f"actions/terminal/{OBJECT}", terminal.ticket, name="terminal"),
]
