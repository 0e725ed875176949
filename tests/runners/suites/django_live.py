"""The frameworks' suite over Django; run in a process of its own by test_frameworks_live."""

from __future__ import annotations

import logging
import unittest
from typing import Any

from django.conf import settings

from tests.integration.live.frameworks import STATIC

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["django.contrib.staticfiles"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="tests",
    STATICFILES_DIRS=[STATIC],
    STATIC_URL="/static/",
)

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler, StaticFilesHandler  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

from liveserver_testcase import LiveServerTestCase  # noqa: E402
from tests.integration.live.frameworks import FrameworkSuite, boom, broken, broken_later, lines, lines_later  # noqa: E402
from tests.support import NoClassLeaks  # noqa: E402

logging.disable(logging.ERROR)  # of the exceptions that are expected here

is_asgi = False


def stream(request: Any) -> StreamingHttpResponse:
    """The lines, as the interface wants them."""
    return StreamingHttpResponse(lines_later() if is_asgi else lines())


def break_off(request: Any) -> StreamingHttpResponse:
    """The line, as the interface wants it."""
    return StreamingHttpResponse(broken_later() if is_asgi else broken())


urlpatterns = [
    path("", lambda request: HttpResponse("fine")),
    path("boom", lambda request: boom()),
    path("away", lambda request: HttpResponseRedirect("/")),
    path("stream", stream),
    path("broken", break_off),
]


class DjangoWSGI(FrameworkSuite, NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """Over WSGI."""

    @classmethod
    def create_app(cls) -> Any:
        global is_asgi
        is_asgi = False
        return StaticFilesHandler(get_wsgi_application())


class DjangoASGI(FrameworkSuite, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """Over ASGI; where a stream breaks, Django itself leaves a file open."""

    @classmethod
    def create_app(cls) -> Any:
        global is_asgi
        is_asgi = True
        return ASGIStaticFilesHandler(get_asgi_application())
