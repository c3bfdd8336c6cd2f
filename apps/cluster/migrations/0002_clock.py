"""The clock's one row, at zero."""

from django.db import migrations


def start_clock(apps, schema_editor):
    apps.get_model("cluster", "Clock").objects.get_or_create(pk=1, defaults={"number": 0})


class Migration(migrations.Migration):
    dependencies = [("cluster", "0001_initial")]
    operations = [migrations.RunPython(start_clock, migrations.RunPython.noop)]
