from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("nodes", "0005_server"),
    ]

    operations = [
        migrations.AddField(
            model_name="server",
            name="version",
            field=models.CharField(default="", max_length=64),
        ),
    ]
