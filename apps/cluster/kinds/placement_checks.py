"""What a pod's wishes about its node and its neighbours must obey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from apps.cluster import names, types
from apps.cluster.kinds import meta, refusals
from apps.cluster.selectors import EXPRESSED, EXPRESSED_OF_NODES, WHOLE
from apps.cluster.types import Problem

TAINT_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
UNSATISFIABLE: Final = ("DoNotSchedule", "ScheduleAnyway")
NODE_POLICIES: Final = ("Honor", "Ignore")
PREEMPTION_POLICIES: Final = ("PreemptLowerPriority", "Never")
REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
NODE_FIELD: Final = "metadata.name"
MOST: Final = 2**31 - 1


def placement_problems(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    """Everything wrong with where a pod wants to run; ``path`` is ``spec`` or the template's."""
    yield from toleration_problems(spec.tolerations, f"{path}.tolerations")
    if spec.affinity is not None:
        yield from _affinity_problems(spec.affinity, f"{path}.affinity")
    yield from _spread_problems(spec.topology_spread_constraints, f"{path}.topologySpreadConstraints")
    if spec.priority_class_name:
        at = f"{path}.priorityClassName"
        yield from refusals.spelled(at, spec.priority_class_name, names.dns_subdomain_problem)
    if spec.preemption_policy is not None:
        yield from refusals.one_of(f"{path}.preemptionPolicy", spec.preemption_policy, PREEMPTION_POLICIES)
    yield from _gate_problems(spec, path)


def toleration_problems(tolerations: Sequence[types.Toleration], path: str) -> Iterator[Problem]:
    for index, toleration in enumerate(tolerations):
        at = f"{path}[{index}]"
        if toleration.key:
            yield from refusals.spelled(f"{at}.key", toleration.key, names.label_key_problem)
        elif toleration.operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield refusals.invalid(f"{at}.operator", toleration.operator, why)
        yield from refusals.one_of(f"{at}.operator", toleration.operator, ("Equal", "Exists"))
        if toleration.operator == "Exists" and toleration.value:
            yield refusals.invalid(
                f"{at}.value", toleration.value, "must be empty when `operator` is 'Exists'"
            )
        yield from refusals.spelled(f"{at}.value", toleration.value, names.label_value_problem)
        yield from refusals.one_of(f"{at}.effect", toleration.effect, ("", *TAINT_EFFECTS))
        if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
            yield refusals.invalid(
                f"{at}.effect", toleration.effect, "must be 'NoExecute' when `tolerationSeconds` is set"
            )


def _affinity_problems(affinity: types.Affinity, path: str) -> Iterator[Problem]:
    if (nodes := affinity.node_affinity) is not None:
        at = f"{path}.nodeAffinity"
        if nodes.required_during_scheduling_ignored_during_execution is not None:
            selector = nodes.required_during_scheduling_ignored_during_execution
            yield from node_selector_problems(selector, f"{at}.{REQUIRED}")
        for index, wish in enumerate(nodes.preferred_during_scheduling_ignored_during_execution):
            here = f"{at}.{PREFERRED}[{index}]"
            yield from refusals.between(f"{here}.weight", wish.weight, 1, 100)
            yield from _node_term_problems(wish.preference, f"{here}.preference")
    for field in ("pod_affinity", "pod_anti_affinity"):
        pods: types.PodAffinity | None = getattr(affinity, field)
        if pods is None:
            continue
        at = f"{path}.{types.wire_name(field)}"
        for index, term in enumerate(pods.required_during_scheduling_ignored_during_execution):
            yield from _pod_term_problems(term, f"{at}.{REQUIRED}[{index}]")
        for index, weighted in enumerate(pods.preferred_during_scheduling_ignored_during_execution):
            here = f"{at}.{PREFERRED}[{index}]"
            yield from refusals.between(f"{here}.weight", weighted.weight, 1, 100)
            yield from _pod_term_problems(weighted.pod_affinity_term, f"{here}.podAffinityTerm")


def node_selector_problems(selector: types.NodeSelector, path: str) -> Iterator[Problem]:
    at = f"{path}.nodeSelectorTerms"
    if not selector.node_selector_terms:
        yield refusals.required(at, "must have at least one node selector term")
    for index, term in enumerate(selector.node_selector_terms):
        yield from _node_term_problems(term, f"{at}[{index}]")


def _node_term_problems(term: types.NodeSelectorTerm, path: str) -> Iterator[Problem]:
    for index, each in enumerate(term.match_expressions):
        at = f"{path}.matchExpressions[{index}]"
        yield from refusals.named(f"{at}.key", each.key, names.label_key_problem)
        yield from refusals.one_of(f"{at}.operator", each.operator, EXPRESSED_OF_NODES)
        yield from _values_problems(each, at)
    for index, each in enumerate(term.match_fields):
        at = f"{path}.matchFields[{index}]"
        yield from refusals.one_of(f"{at}.key", each.key, (NODE_FIELD,))
        yield from refusals.one_of(f"{at}.operator", each.operator, ("In", "NotIn"))
        if len(each.values) != 1:
            yield refusals.required(
                f"{at}.values", "must be only one value when `operator` is 'In' or 'NotIn'"
            )
        for position, value in enumerate(each.values):
            yield from refusals.spelled(f"{at}.values[{position}]", value, names.dns_subdomain_problem)


def _values_problems(each: types.NodeSelectorRequirement, path: str) -> Iterator[Problem]:
    at = f"{path}.values"
    if each.operator in {"Gt", "Lt"}:
        if len(each.values) != 1 or not WHOLE.fullmatch(each.values[0]):
            yield refusals.required(at, "must be one whole number when `operator` is 'Gt' or 'Lt'")
        return
    if each.operator in {"In", "NotIn"} and not each.values:
        yield refusals.required(at, "must be specified when `operator` is 'In' or 'NotIn'")
    if each.operator not in {"In", "NotIn"} and each.operator in EXPRESSED and each.values:
        yield refusals.forbidden(at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    for position, value in enumerate(each.values):
        yield from refusals.spelled(f"{at}[{position}]", value, names.label_value_problem)


def _pod_term_problems(term: types.PodAffinityTerm, path: str) -> Iterator[Problem]:
    yield from refusals.named(f"{path}.topologyKey", term.topology_key, names.label_key_problem)
    for field in ("label_selector", "namespace_selector"):
        if (selector := getattr(term, field)) is not None:
            yield from meta.selector_problems(selector, f"{path}.{types.wire_name(field)}")
    for index, namespace in enumerate(term.namespaces):
        yield from refusals.named(f"{path}.namespaces[{index}]", namespace, names.dns_label_problem)
    for field in ("match_label_keys", "mismatch_label_keys"):
        yield from _label_keys_problems(
            getattr(term, field), term.label_selector, f"{path}.{types.wire_name(field)}"
        )


def _label_keys_problems(
    keys: Sequence[str], selector: types.LabelSelector | None, path: str
) -> Iterator[Problem]:
    """Keys whose values are taken from the pod itself go together with a selector, and do not repeat it."""
    if keys and selector is None:
        yield refusals.forbidden(path, "must not be specified when `labelSelector` is not set")
    said = (
        set(selector.match_labels) | {each.key for each in selector.match_expressions} if selector else set()
    )
    for index, key in enumerate(keys):
        at = f"{path}[{index}]"
        yield from refusals.named(at, key, names.label_key_problem)
        if key in said:
            yield refusals.invalid(at, key, "exists in `labelSelector` too")
        if key in keys[:index]:
            yield refusals.duplicate(at, key)


def _spread_problems(constraints: Sequence[types.TopologySpreadConstraint], path: str) -> Iterator[Problem]:
    seen: set[tuple[str, str]] = set()
    for index, each in enumerate(constraints):
        at = f"{path}[{index}]"
        yield from refusals.between(f"{at}.maxSkew", each.max_skew, 1, MOST)
        yield from refusals.named(f"{at}.topologyKey", each.topology_key, names.label_key_problem)
        yield from refusals.one_of(f"{at}.whenUnsatisfiable", each.when_unsatisfiable, UNSATISFIABLE)
        both = (each.topology_key, each.when_unsatisfiable)
        if both in seen:
            yield refusals.duplicate(at, f"{{{', '.join(both)}}}")
        seen.add(both)
        yield from refusals.between(f"{at}.minDomains", each.min_domains, 1, MOST)
        if each.min_domains is not None and each.when_unsatisfiable == "ScheduleAnyway":
            why = "can only use minDomains if whenUnsatisfiable=DoNotSchedule"
            yield refusals.invalid(f"{at}.minDomains", each.min_domains, why)
        for field in ("node_affinity_policy", "node_taints_policy"):
            if (policy := getattr(each, field)) is not None:
                yield from refusals.one_of(f"{at}.{types.wire_name(field)}", policy, NODE_POLICIES)
        if each.label_selector is not None:
            yield from meta.selector_problems(each.label_selector, f"{at}.labelSelector")
        yield from _label_keys_problems(each.match_label_keys, each.label_selector, f"{at}.matchLabelKeys")


def _gate_problems(spec: types.PodSpec, path: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, gate in enumerate(spec.scheduling_gates):
        at = f"{path}.schedulingGates[{index}].name"
        yield from refusals.named(at, gate.name, names.label_key_problem)
        if gate.name in seen:
            yield refusals.duplicate(at, gate.name)
        seen.add(gate.name)
    if spec.scheduling_gates and spec.node_name:
        why = "cannot be set until all schedulingGates have been cleared"
        yield refusals.forbidden(f"{path}.nodeName", why)


def gates_problems(old: types.PodSpec, new: types.PodSpec) -> Iterator[Problem]:
    """Gates are opened one by one; none is added later."""
    names_before = {gate.name for gate in old.scheduling_gates}
    for index, gate in enumerate(new.scheduling_gates):
        if gate.name not in names_before:
            why = "only deletion is allowed, but found new scheduling gate"
            yield refusals.forbidden(f"spec.schedulingGates[{index}]", f"{why} {gate.name!r}")
