"""The app of quotes."""

from django.apps import AppConfig


class QuotesConfig(AppConfig):
    """Its name."""

    name = "quotes"
