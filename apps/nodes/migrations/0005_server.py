from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("nodes", "0004_programmed"),
    ]

    operations = [
        migrations.CreateModel(
            name="Server",
            fields=[
                ("place", models.CharField(max_length=300, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
            ],
        ),
    ]
