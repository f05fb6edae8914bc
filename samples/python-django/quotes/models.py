"""Quotes, and who said them."""

from django.db import models


class Quote(models.Model):
    """One quote."""

    text = models.CharField(max_length=300)
    author = models.CharField(max_length=100)

    class Meta:
        """In the order they were added."""

        ordering = ("id",)
