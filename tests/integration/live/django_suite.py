"""The frameworks' suite over Django; run in a process of its own by test_frameworks."""

from __future__ import annotations

import logging
import unittest
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.conf import settings

from tests.integration.live.frameworks import STATIC

settings.configure(
    ALLOWED_HOSTS=["*"],
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
from django.test import SimpleTestCase  # noqa: E402
from django.test.utils import override_settings  # noqa: E402
from django.urls import path  # noqa: E402

from liveserver_testcase import LiveServerTestCase  # noqa: E402
from tests.integration.live.frameworks import FrameworkSuite, boom, broken, broken_later, lines, lines_later  # noqa: E402
from tests.integration.running import make_case, run_case, visit  # noqa: E402
from tests.support import NoClassLeaks  # noqa: E402

logging.disable(logging.ERROR)  # of the exceptions that are expected here

is_asgi = False


def stream(request: Any) -> StreamingHttpResponse:
    """The lines, as the interface wants them."""
    return StreamingHttpResponse(lines_later() if is_asgi else lines())


def break_off(request: Any) -> StreamingHttpResponse:
    """The line, as the interface wants it."""
    return StreamingHttpResponse(broken_later() if is_asgi else broken())


async def boom_later(request: Any) -> Any:
    """Raise in a coroutine, which Django runs in another thread."""
    boom()


class Middleware:
    """Asynchronous, under which Django handles exceptions in yet another thread."""

    async_capable, sync_capable = True, False

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: Any) -> Any:
        return await self.get_response(request)


urlpatterns = [
    path("", lambda request: HttpResponse("fine")),
    path("boom", lambda request: boom()),
    path("away", lambda request: HttpResponseRedirect("/")),
    path("stream", stream),
    path("broken", break_off),
    path("later", boom_later),
    path("wrong", lambda request: HttpResponse(status=500)),
]


class DjangoWSGI(FrameworkSuite, NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """Over WSGI."""

    @classmethod
    def create_app(cls) -> Any:
        global is_asgi
        is_asgi = False
        return StaticFilesHandler(get_wsgi_application())

    def test_other_answers(self) -> None:
        """An exception fails its test once, whatever Django makes of it, and in whichever thread."""
        for page, changed in (
            ("/boom", {"DEBUG": True}),
            ("/boom", {"DEBUG_PROPAGATE_EXCEPTIONS": True}),
            ("/later", {}),
            ("/later", {"MIDDLEWARE": [f"{__name__}.Middleware"]}),
        ):
            with self.subTest(page=page, changed=changed), override_settings(**changed):
                report = self.run_test(visit(page))
                self.assertTrue(report.endswith(f"an error:\n  GET {page}: RuntimeError: kaboom"), report)

    def test_a_500_on_purpose(self) -> None:
        """It is no error."""
        self.assertEqual(500, self.live.get("/wrong").status_code)

    def test_beside_djangos_own_class(self) -> None:
        """It works in both orders, and what Django's test client provokes is no error of the server's."""

        def use_client(case: Any) -> None:
            case.client.raise_request_exception = False
            case.assertEqual(500, case.client.get("/boom").status_code)
            case.live.get("/")

        for bases in ((LiveServerTestCase, SimpleTestCase), (SimpleTestCase, LiveServerTestCase)):
            run_case(make_case(*bases, app=self.create_app(), test=use_client)).assert_passed()
            self.run_test(visit("/boom"), *bases)


class DjangoASGI(FrameworkSuite, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """Over ASGI; where a stream breaks, Django itself leaves a file open."""

    @classmethod
    def create_app(cls) -> Any:
        global is_asgi
        is_asgi = True
        return ASGIStaticFilesHandler(get_asgi_application())
