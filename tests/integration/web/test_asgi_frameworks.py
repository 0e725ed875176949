"""Frameworks for ASGI beside FastAPI and Starlette: their views on the loop and in threads, bodies and streams."""

from __future__ import annotations

import threading
from typing import Any

import django
import quart
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.test.utils import override_settings
from django.urls import path

from tests.integration.web.test_asgi import ASGICase
from tests.support import HANG, wait_until


def show_thread(_request: ASGIRequest) -> HttpResponse:
    """A plain view, which Django runs in a thread."""
    return HttpResponse(threading.current_thread().name)


async def read(request: ASGIRequest) -> HttpResponse:
    """A view on the loop."""
    return HttpResponse(request.body)


async def stream(_request: ASGIRequest) -> StreamingHttpResponse:
    """A response in pieces."""

    async def pieces() -> Any:
        yield b"one"
        yield b"two"

    return StreamingHttpResponse(pieces())


urlpatterns = [path("thread", show_thread), path("read", read), path("stream", stream)]


class Quart(ASGICase):
    """A Quart application."""

    def test_requests_and_websockets(self) -> None:
        """It starts up, answers, and shuts down."""
        app = quart.Quart("x")
        steps: list[str] = []

        @app.before_serving
        async def begin() -> None:
            steps.append("begin")

        @app.after_serving
        async def end() -> None:
            steps.append("end")

        @app.post("/")
        async def echo() -> bytes:
            return bytes(await quart.request.get_data())

        self.serve(app)
        connection = self.connect()
        connection.request("POST", "/", b"hello")
        self.assertEqual(b"hello", connection.getresponse().read())
        self.assertEqual(["begin"], steps)
        self.server.stop()
        self.assertEqual(["begin", "end"], steps)


class Django(ASGICase):
    """Django's handler for ASGI, which knows no lifespan."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if not settings.configured:
            settings.configure(SECRET_KEY="x")
        django.setup()

    def setUp(self) -> None:
        super().setUp()
        changed = override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[])
        changed.enable()
        self.addCleanup(changed.disable)

    def test_views(self) -> None:
        """Views on the loop and in threads, bodies and streams."""
        self.serve(ASGIHandler())
        self.assertEqual(b"onetwo", self.get("/stream").content)
        connection = self.connect()
        connection.request("POST", "/read", b"hello")
        self.assertEqual(b"hello", connection.getresponse().read())
        self.assertNotIn("live-server", self.get("/thread").text)
        self.wait_idle()
        self.assertEqual([], self.server.take_errors())

    def test_a_client_that_leaves(self) -> None:
        """A client that leaves in the middle of its body is no error."""
        self.serve(ASGIHandler())
        connection = self.connect()
        connection.connect()
        connection.sock.sendall(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        self.assertTrue(wait_until(lambda: self.server.in_flight, HANG))
        connection.close()
        self.assertEqual("the client left in the middle of its request's body", self.only().aborted)
        self.assertEqual([], self.server.take_errors())
