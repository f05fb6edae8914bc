"""The pages."""

from django.db import OperationalError
from django.http import JsonResponse
from django.shortcuts import render

from quotes.models import Quote


def quotes():
    """All quotes; none before the database has been migrated."""
    try:
        return list(Quote.objects.all())
    except OperationalError:
        return []


def index(request):
    """The page."""
    return render(request, "quotes/index.html", {"quotes": quotes()})


def listing(_request):
    """The same for programs."""
    return JsonResponse({"quotes": [{"text": quote.text, "author": quote.author} for quote in quotes()]})
