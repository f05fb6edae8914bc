"""The pages."""

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.utils import OperationalError, ProgrammingError
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from quotes.models import Quote


def quotes():
    """All quotes; none before the database has been migrated."""
    try:
        return list(Quote.objects.all())
    except (OperationalError, ProgrammingError):
        return []


def index(request):
    """The page."""
    return render(request, "quotes/index.html", {"quotes": quotes()})


@require_POST
def add(request):
    """Keep a quote that somebody sends."""
    quote = Quote(text=request.POST.get("text", "").strip(), author=request.POST.get("author", "").strip())
    try:
        quote.full_clean()
    except ValidationError as invalid:
        return HttpResponse("\n".join(invalid.messages), status=422, content_type="text/plain")
    quote.save()
    return redirect("/", permanent=False)


def listing(_request):
    """The same for programs."""
    found = [{"text": quote.text, "author": quote.author} for quote in quotes()]
    return JsonResponse({"database": connection.vendor, "quotes": found})
