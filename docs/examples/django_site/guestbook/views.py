"""The views of the guest book."""

from collections.abc import AsyncIterator, Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie

from .models import Entry


def index(request: HttpRequest) -> HttpResponse:
    """Lead to the entries."""
    return redirect("entries")


@ensure_csrf_cookie
def entries(request: HttpRequest) -> HttpResponse:
    """Write an entry, or list all."""
    if request.method == "POST":
        if settings.GUESTBOOK_IS_CLOSED:
            return HttpResponse("come back tomorrow", status=403)
        Entry.objects.create(name=request.POST["name"], text=request.POST["text"])
        return HttpResponse("thank you", status=201)
    return JsonResponse(list(Entry.objects.order_by("id").values("name", "text")), safe=False)


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """All entries, each read from the database when its turn comes."""

    def lines() -> Iterator[str]:
        for entry in Entry.objects.order_by("id").iterator():
            yield f"{entry.name}: {entry.text}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def longest(request: HttpRequest) -> HttpResponse:
    """The longest entry; a mistake: there may be none."""
    return HttpResponse(max(Entry.objects.values_list("text", flat=True), key=len))


async def stream_later(request: HttpRequest) -> StreamingHttpResponse:
    """The same without blocking, for ASGI: Django warns of a generator that blocks there."""

    async def lines() -> AsyncIterator[str]:
        async for entry in Entry.objects.order_by("id"):
            yield f"{entry.name}: {entry.text}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


async def later(request: HttpRequest) -> HttpResponse:
    """How many entries there are, asked without blocking."""
    return HttpResponse(str(await Entry.objects.acount()))


def zone(request: HttpRequest) -> HttpResponse:
    """The time zone in which dates are shown."""
    return HttpResponse(timezone.get_current_timezone_name())
