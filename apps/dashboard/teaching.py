"""What a kind is for, in a sentence, and a command to begin with: shown where a list is empty."""

from __future__ import annotations

from dataclasses import dataclass

from apps.cluster.registry import Kind


@dataclass(frozen=True)
class Lesson:
    about: str
    command: str = ""


_LESSONS = {
    "pods": Lesson(
        "A pod is one or more containers that run together on one node and share an address. Usually a controller "
        "makes them for you.",
        "kubectl create -f examples/guestbook/frontend-controller.yaml",
    ),
    "replicationcontrollers": Lesson(
        "A replication controller keeps a number of equal pods running: it replaces those that end and follows you "
        "when you change the number.",
        "kubectl create -f examples/guestbook/redis-master-controller.yaml",
    ),
    "deployments.apps": Lesson(
        "A deployment keeps a number of equal pods running and replaces them a few at a time when you change it; each "
        "version is kept, so that you can go back.",
        "kubectl create deployment web --image=nginx --replicas=2",
    ),
    "replicasets.apps": Lesson("A replica set is one version of a deployment, and keeps its pods running."),
    "jobs.batch": Lesson(
        "A job runs pods until their work is done, and tries again when it fails.",
        "kubectl create job hello --image=busybox -- echo hello",
    ),
    "cronjobs.batch": Lesson(
        "A cron job begins a job by the clock.",
        "kubectl create cronjob tick --image=busybox --schedule='*/5 * * * *' -- date",
    ),
    "horizontalpodautoscalers.autoscaling": Lesson(
        "An autoscaler gives a deployment as many pods as their load needs, within bounds.",
        "kubectl autoscale deployment web --min=1 --max=5 --cpu-percent=60",
    ),
    "poddisruptionbudgets.policy": Lesson(
        "A disruption budget keeps enough pods of a service running while nodes are emptied.",
        "kubectl create pdb web --selector=app=web --min-available=1",
    ),
    "persistentvolumeclaims": Lesson(
        "A claim is storage that outlives pods. It gets its volume on the node where its first pod runs; later pods "
        "follow it there."
    ),
    "persistentvolumes": Lesson("A volume is where the data of a claim is. Claims get theirs by themselves."),
    "services": Lesson(
        "A service is one steady address and name for the pods that carry its labels, wherever they run.",
        "kubectl create -f examples/guestbook/frontend-service.yaml",
    ),
    "endpoints": Lesson(
        "Endpoints list the addresses of the pods behind a service. They follow the service by themselves."
    ),
    "endpointslices.discovery.k8s.io": Lesson(
        "Endpoint slices hold the same addresses in parts of a hundred, each with its node and whether it is ready, "
        "still answers, or is about to end. The nodes' rules follow these."
    ),
    "ingresses.networking.k8s.io": Lesson(
        "An ingress leads a host name, and paths of it, from outside to services. The edge nodes answer for it, with a "
        "certificate where it names one.",
        "kubectl create ingress shop --rule='shop.example.com/*=frontend:80'",
    ),
    "ingressclasses.networking.k8s.io": Lesson(
        "An ingress class says who serves its ingresses. The annotations of the class edge are the edge nodes' "
        "settings."
    ),
    "configmaps": Lesson(
        "A config map holds settings and files that pods read as variables or as a volume.",
        "kubectl create configmap greeting --from-literal=text=hello",
    ),
    "secrets": Lesson(
        "A secret holds what must not be read by everyone. It is sealed in the database and masked on these pages.",
        "kubectl create secret generic login --from-literal=password=...",
    ),
    "resourcequotas": Lesson(
        "A resource quota bounds what a namespace may hold: pods, CPU, memory, storage, objects of a kind.",
        "kubectl create quota small --hard=pods=10,requests.memory=2Gi",
    ),
    "limitranges": Lesson(
        "A limit range gives containers of a namespace amounts where they name none, and bounds those that they name."
    ),
    "priorityclasses.scheduling.k8s.io": Lesson(
        "A priority class says which pods come first when there is no room for all.",
        "kubectl create priorityclass important --value=1000",
    ),
    "storageclasses.storage.k8s.io": Lesson(
        "A storage class says how the volumes of claims are made, and what becomes of them when their claim goes."
    ),
    "applications.drover.dev": Lesson(
        "An application is several services as one thing: installed, changed and taken back together.",
        "manage.py app install guestbook --wait",
    ),
    "applicationrevisions.drover.dev": Lesson(
        "A revision is what an application asked for at a time. They come by themselves, one for each change."
    ),
    "applicationtemplates.drover.dev": Lesson(
        "A template is an entry of the catalog: what an application is made of, and what it asks before it is made."
    ),
    "nodes": Lesson(
        "A node is a machine that runs pods. The platform's own machine joins by itself; any other by one line that is "
        "pasted on it."
    ),
    "namespaces": Lesson(
        "A namespace is a room of its own: names, rights and limits count per namespace.",
        "kubectl create namespace shop",
    ),
    "events": Lesson(
        "Events say what happened to an object and why: scheduled, pulled, started, failed. They are kept for a while."
    ),
    "serviceaccounts": Lesson(
        "A service account is the identity that a pod acts with.", "kubectl create serviceaccount robot"
    ),
    "roles.rbac.authorization.k8s.io": Lesson(
        "A role names what may be done in one namespace.",
        "kubectl create role reader --verb=get,list,watch --resource=pods",
    ),
    "clusterroles.rbac.authorization.k8s.io": Lesson(
        "A cluster role names what may be done, in every namespace."
    ),
    "rolebindings.rbac.authorization.k8s.io": Lesson(
        "A role binding gives a role to people or accounts, in one namespace.",
        "kubectl create rolebinding bo-views --clusterrole=view --user=bo",
    ),
    "clusterrolebindings.rbac.authorization.k8s.io": Lesson(
        "A cluster role binding gives a cluster role to people or accounts, everywhere."
    ),
}


def of(kind: Kind) -> Lesson:
    return _LESSONS[kind.key]
