"""Every kind, declared once: defaults, rules, admission, columns. Importing this registers them.

What a kind does over time lives in its controller or in the agent, not here.
"""

from apps.cluster.kinds.autoscalers import HORIZONTAL_POD_AUTOSCALER
from apps.cluster.kinds.budgets import POD_DISRUPTION_BUDGET
from apps.cluster.kinds.claims import PERSISTENT_VOLUME_CLAIM
from apps.cluster.kinds.configuration import CONFIG_MAP, SECRET, SERVICE_ACCOUNT
from apps.cluster.kinds.deployments import DEPLOYMENT
from apps.cluster.kinds.endpoint_slices import ENDPOINT_SLICE
from apps.cluster.kinds.endpoints import ENDPOINTS
from apps.cluster.kinds.events import EVENT
from apps.cluster.kinds.ingresses import INGRESS, INGRESS_CLASS
from apps.cluster.kinds.jobs import CRON_JOB, JOB
from apps.cluster.kinds.limit_ranges import LIMIT_RANGE
from apps.cluster.kinds.namespaces import NAMESPACE
from apps.cluster.kinds.nodes import NODE
from apps.cluster.kinds.pods import POD
from apps.cluster.kinds.priorities import PRIORITY_CLASS
from apps.cluster.kinds.quotas import RESOURCE_QUOTA
from apps.cluster.kinds.rbac import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING
from apps.cluster.kinds.replication import REPLICA_SET, REPLICATION_CONTROLLER
from apps.cluster.kinds.services import SERVICE
from apps.cluster.kinds.storage import PERSISTENT_VOLUME, STORAGE_CLASS

__all__ = [
    "CLUSTER_ROLE",
    "CLUSTER_ROLE_BINDING",
    "CONFIG_MAP",
    "CRON_JOB",
    "DEPLOYMENT",
    "ENDPOINTS",
    "ENDPOINT_SLICE",
    "EVENT",
    "HORIZONTAL_POD_AUTOSCALER",
    "INGRESS",
    "INGRESS_CLASS",
    "JOB",
    "LIMIT_RANGE",
    "NAMESPACE",
    "NODE",
    "PERSISTENT_VOLUME",
    "PERSISTENT_VOLUME_CLAIM",
    "POD",
    "POD_DISRUPTION_BUDGET",
    "PRIORITY_CLASS",
    "REPLICATION_CONTROLLER",
    "REPLICA_SET",
    "RESOURCE_QUOTA",
    "ROLE",
    "ROLE_BINDING",
    "SECRET",
    "SERVICE",
    "SERVICE_ACCOUNT",
    "STORAGE_CLASS",
]
