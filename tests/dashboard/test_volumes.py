"""What the page of a pod says of its volumes: whether what is in one outlives the pod is never told wrongly."""

from __future__ import annotations

from typing import Any

from django.test import Client

from apps.cluster import types
from apps.cluster.kinds import POD
from tests.browser import sample
from tests.builders import build

OWN = types.DownwardAPIVolumeFile(path="name", field_ref=types.ObjectFieldSelector(field_path="metadata.name"))


def test_each_volume_says_where_its_content_comes_from(admin: Client) -> None:
    pod: Any = build(POD, name="keeper")
    token = types.VolumeProjection(
        service_account_token=types.ServiceAccountTokenProjection(path="token", expiration_seconds=3600)
    )
    roots = types.VolumeProjection(config_map=types.ConfigMapProjection(name="roots"))
    pod.spec.volumes = [
        types.Volume(
            name="data", persistent_volume_claim=types.PersistentVolumeClaimVolumeSource(claim_name="ledger")
        ),
        types.Volume(name="scratch", empty_dir=types.EmptyDirVolumeSource()),
        types.Volume(name="access", projected=types.ProjectedVolumeSource(sources=[token, roots])),
        types.Volume(name="self", downward_api=types.DownwardAPIVolumeSource(items=[OWN])),
    ]
    sample.make(POD, pod)
    page = admin.get("/kinds/pods/default/keeper").content.decode()
    panel = page.partition("<h2>Volumes</h2>")[2].partition("</section>")[0]
    assert '<a href="/kinds/persistentvolumeclaims/default/ledger">claim ledger, outlives the pod</a>' in panel
    assert "the pod&#x27;s token, config map roots" in panel
    assert "what the cluster knows of this pod" in panel
    assert panel.count("empty directory, gone with the pod") == 1
