"""Entries that no selector asks for any more go."""

from django.db import migrations

SIFTED = {
    "events": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.apiVersion",
        "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
    ),
    "pods": (
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase",
    ),
}  # fmt: skip


def drop_entries(apps, schema_editor):
    entries = apps.get_model("cluster", "Index").objects
    for kind, fields in SIFTED.items():
        entries.filter(object__kind=kind, key__in=[f"f:{field}" for field in fields]).delete()


class Migration(migrations.Migration):
    dependencies = [("cluster", "0003_rows_unchecked")]
    operations = [migrations.RunPython(drop_entries, migrations.RunPython.noop)]
