from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("nodes", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Sample",
            fields=[
                ("node", models.CharField(max_length=253, primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("text", models.TextField()),
            ],
        ),
    ]
