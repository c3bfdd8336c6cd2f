from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_node_identity'),
    ]

    operations = [
        migrations.CreateModel(
            name='Ticket',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('actor', models.CharField(max_length=253)),
                ('what', models.CharField(max_length=1024)),
                ('expires_at', models.DateTimeField(db_index=True)),
            ],
        ),
    ]
