"""Who may do what: roles and their bindings (group rbac.authorization.k8s.io)."""

from apps.cluster.types.base import Wire
from apps.cluster.types.meta import Resource


class PolicyRule(Wire):
    verbs: list[str]
    api_groups: list[str] = []
    resources: list[str] = []
    resource_names: list[str] = []
    non_resource_urls: list[str] = []


class Role(Resource):
    rules: list[PolicyRule] = []


class ClusterRole(Resource):
    rules: list[PolicyRule] = []


class RoleRef(Wire):
    api_group: str
    kind: str
    name: str


class Subject(Wire):
    kind: str
    name: str
    namespace: str = ""
    api_group: str = ""


class RoleBinding(Resource, kw_only=True):
    role_ref: RoleRef
    subjects: list[Subject] = []


class ClusterRoleBinding(Resource, kw_only=True):
    role_ref: RoleRef
    subjects: list[Subject] = []
