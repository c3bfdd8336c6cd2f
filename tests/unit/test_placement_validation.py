"""What a pod may say of nodes, neighbours and gates: each rule with its field's path and its words."""

from __future__ import annotations

from typing import Any

import pytest

from apps.cluster import types
from apps.cluster.kinds import POD, REPLICATION_CONTROLLER
from tests.builders import build, defaulted

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
NODES, PODS = "spec.affinity.nodeAffinity", "spec.affinity.podAffinity"
SPREAD = "spec.topologySpreadConstraints[0]"
WEB = {"matchLabels": {"app": "web"}}


def told(spec: dict[str, Any]) -> list[str]:
    """What is wrong with a pod of which this part is given as clients write it."""
    pod = types.to_data(build(POD))
    made: types.Pod = types.convert(types.Pod, {**pod, "spec": {**pod["spec"], **spec}})
    POD.default(made)
    return [f"{problem.path}: {problem.message}" for problem in POD.validate(made)]


def wanted(expression: dict[str, Any], part: str = "matchExpressions") -> dict[str, Any]:
    terms = {"nodeSelectorTerms": [{part: [expression]}]}
    return {"affinity": {"nodeAffinity": {REQUIRED: terms}}}


def beside(term: dict[str, Any], kind: str = "podAffinity") -> dict[str, Any]:
    return {"affinity": {kind: {REQUIRED: [{"topologyKey": "zone", "labelSelector": WEB, **term}]}}}


def spread(**changes: Any) -> dict[str, Any]:
    said = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": WEB}
    return {"topologySpreadConstraints": [{**said, **changes}]}


ACCEPTED: list[dict[str, Any]] = [
    wanted({"key": "disk", "operator": "In", "values": ["ssd"]}),
    wanted({"key": "cores", "operator": "Gt", "values": ["4"]}),
    wanted({"key": "metadata.name", "operator": "In", "values": ["node-1"]}, "matchFields"),
    beside({"namespaceSelector": {}, "namespaces": ["a"], "matchLabelKeys": ["version"]}),
    beside({"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}, "podAntiAffinity"),
    spread(minDomains=3, nodeAffinityPolicy="Ignore", nodeTaintsPolicy="Honor", matchLabelKeys=["version"]),
    {"schedulingGates": [{"name": "example.com/quota"}]},
    {"priorityClassName": "high", "preemptionPolicy": "Never"},
]


@pytest.mark.parametrize("spec", ACCEPTED)
def test_a_sound_wish_is_accepted(spec: dict[str, Any]) -> None:
    assert told(spec) == []


TERM = f"{NODES}.{REQUIRED}.nodeSelectorTerms[0]"
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}},
     f"{NODES}.{REQUIRED}.nodeSelectorTerms: Required value: must have at least one"),
    (wanted({"key": "disk", "operator": "Is"}), f'{TERM}.matchExpressions[0].operator: Unsupported value: "Is"'),
    (wanted({"key": "", "operator": "Exists"}), f"{TERM}.matchExpressions[0].key: Required value"),
    (wanted({"key": "disk", "operator": "In"}), f"{TERM}.matchExpressions[0].values: Required value"),
    (wanted({"key": "disk", "operator": "Exists", "values": ["x"]}), f"{TERM}.matchExpressions[0].values: Forbidden"),
    (wanted({"key": "cores", "operator": "Gt", "values": ["many"]}),
     f"{TERM}.matchExpressions[0].values: Required value: must be one whole number"),
    (wanted({"key": "spec.x", "operator": "In", "values": ["a"]}, "matchFields"),
     f'{TERM}.matchFields[0].key: Unsupported value: "spec.x": supported values: "metadata.name"'),
    (wanted({"key": "metadata.name", "operator": "In", "values": []}, "matchFields"),
     f"{TERM}.matchFields[0].values: Required value"),
    ({"affinity": {"nodeAffinity": {PREFERRED: [{"weight": 0, "preference": {}}]}}},
     f"{NODES}.{PREFERRED}[0].weight: Invalid value: 0: must be between 1 and 100"),
    (beside({"topologyKey": ""}), f"{PODS}.{REQUIRED}[0].topologyKey: Required value"),
    (beside({"namespaces": ["A"]}), f'{PODS}.{REQUIRED}[0].namespaces[0]: Invalid value: "A"'),
    (beside({"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
     f"{PODS}.{REQUIRED}[0].labelSelector.matchExpressions[0].values: Required value"),
    (beside({"matchLabelKeys": ["app"]}), f'{PODS}.{REQUIRED}[0].matchLabelKeys[0]: Invalid value: "app": exists in'),
    ({"affinity": {"podAntiAffinity": {PREFERRED: [{"weight": 101, "podAffinityTerm": {"topologyKey": "z"}}]}}},
     f"spec.affinity.podAntiAffinity.{PREFERRED}[0].weight: Invalid value: 101"),
    (spread(maxSkew=0), f"{SPREAD}.maxSkew: Invalid value: 0"),
    (spread(topologyKey=""), f"{SPREAD}.topologyKey: Required value"),
    (spread(whenUnsatisfiable="Maybe"), f'{SPREAD}.whenUnsatisfiable: Unsupported value: "Maybe"'),
    (spread(minDomains=0), f"{SPREAD}.minDomains: Invalid value: 0"),
    (spread(minDomains=2, whenUnsatisfiable="ScheduleAnyway"), f"{SPREAD}.minDomains: Invalid value: 2: can only use"),
    (spread(nodeTaintsPolicy="Sometimes"), f'{SPREAD}.nodeTaintsPolicy: Unsupported value: "Sometimes"'),
    ({"topologySpreadConstraints": 2 * spread()["topologySpreadConstraints"]},
     'spec.topologySpreadConstraints[1]: Duplicate value: "{zone, DoNotSchedule}"'),
    (spread(labelSelector=None, matchLabelKeys=["a"]), f"{SPREAD}.matchLabelKeys: Forbidden"),
    ({"schedulingGates": [{"name": "a"}, {"name": "a"}]}, 'spec.schedulingGates[1].name: Duplicate value: "a"'),
    ({"schedulingGates": [{"name": "a"}], "nodeName": "n"}, "spec.nodeName: Forbidden: cannot be set until"),
    ({"priorityClassName": "A"}, 'spec.priorityClassName: Invalid value: "A"'),
    ({"preemptionPolicy": "Always"}, 'spec.preemptionPolicy: Unsupported value: "Always"'),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "why"), REFUSED)
def test_a_wish_that_makes_no_sense_names_its_field(spec: dict[str, Any], why: str) -> None:
    (found,) = told(spec)
    assert found.startswith(why)


def test_templates_are_held_to_the_same() -> None:
    made = defaulted(REPLICATION_CONTROLLER)
    made.spec.template.spec.topology_spread_constraints = [
        types.TopologySpreadConstraint(max_skew=0, topology_key="zone", when_unsatisfiable="ScheduleAnyway")
    ]
    (problem,) = REPLICATION_CONTROLLER.validate(made)
    assert problem.path == "spec.template.spec.topologySpreadConstraints[0].maxSkew"
