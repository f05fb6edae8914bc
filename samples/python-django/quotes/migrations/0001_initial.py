"""The table of quotes, with a first one."""

from django.db import migrations, models


def first_quote(apps, _):
    """Something to show."""
    apps.get_model("quotes", "Quote").objects.create(
        text="Simple is better than complex.", author="Tim Peters"
    )


class Migration(migrations.Migration):
    """Makes and fills the table."""

    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Quote",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("text", models.CharField(max_length=300)),
                ("author", models.CharField(max_length=100)),
            ],
            options={"ordering": ("id",)},
        ),
        migrations.RunPython(first_quote, migrations.RunPython.noop),
    ]
