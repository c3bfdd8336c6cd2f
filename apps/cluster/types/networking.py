"""The group networking.k8s.io: which host names and paths lead to which services, from outside."""

from msgspec import field

from apps.cluster.types.base import Wire
from apps.cluster.types.core import PortStatus
from apps.cluster.types.meta import Resource


class ServiceBackendPort(Wire):
    """One of both: a service's port by its name, or by its number."""

    name: str = ""
    number: int = 0


class IngressServiceBackend(Wire):
    name: str
    port: ServiceBackendPort = field(default_factory=ServiceBackendPort)


class TypedLocalObjectReference(Wire):
    kind: str
    name: str
    api_group: str | None = None


class IngressBackend(Wire):
    service: IngressServiceBackend | None = None
    resource: TypedLocalObjectReference | None = None


class HTTPIngressPath(Wire):
    path_type: str
    backend: IngressBackend
    path: str = ""


class HTTPIngressRuleValue(Wire):
    paths: list[HTTPIngressPath]


class IngressRule(Wire):
    host: str = ""
    http: HTTPIngressRuleValue | None = None


class IngressTLS(Wire):
    hosts: list[str] = []
    secret_name: str = ""


class IngressSpec(Wire):
    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    tls: list[IngressTLS] = []
    rules: list[IngressRule] = []


class IngressLoadBalancerIngress(Wire):
    ip: str = ""
    hostname: str = ""
    ports: list[PortStatus] = []


class IngressLoadBalancerStatus(Wire):
    ingress: list[IngressLoadBalancerIngress] = []


class IngressStatus(Wire):
    load_balancer: IngressLoadBalancerStatus | None = None


class Ingress(Resource):
    spec: IngressSpec = field(default_factory=IngressSpec)
    status: IngressStatus = field(default_factory=IngressStatus)


class IngressClassParametersReference(Wire):
    kind: str
    name: str
    api_group: str | None = None
    scope: str | None = None
    namespace: str | None = None


class IngressClassSpec(Wire):
    controller: str = ""
    parameters: IngressClassParametersReference | None = None


class IngressClass(Resource):
    spec: IngressClassSpec = field(default_factory=IngressClassSpec)
