"""Frameworks for ASGI: their views on the loop and in threads, bodies and streams."""

from __future__ import annotations

import threading
from typing import Any

import django
import fastapi
import quart
import requests
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.test.utils import override_settings
from django.urls import path

from tests.integration.web.asgi_case import ASGICase
from tests.integration.web.wire import post
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


class FastAPI(ASGICase):
    """A FastAPI application."""

    def test_requests(self) -> None:
        """Its coroutines, its plain functions in threads, a body, its 404 and its 422."""
        app = fastapi.FastAPI()

        @app.post("/items/{number}")
        async def add_item(number: int, request: fastapi.Request) -> dict[str, Any]:
            return {"number": number, "sent": await request.json()}

        @app.get("/thread")
        def thread() -> str:
            return threading.current_thread().name

        self.serve(app)
        response = requests.post(self.server.url_for("/items/3"), json={"a": [1]}, timeout=HANG)
        self.assertEqual({"number": 3, "sent": {"a": [1]}}, response.json())
        self.assertEqual(422, requests.post(self.server.url_for("/items/three"), timeout=HANG).status_code)
        self.assertEqual(404, self.get("/nothing").status_code)
        self.assertIn("worker thread", self.get("/thread").json())


class Quart(ASGICase):
    """A Quart application."""

    def test_a_request(self) -> None:
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
        self.assertEqual(b"hello", self.client().ask(post(b"hello")).body)
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
        self.assertEqual(b"hello", self.client().ask(post(b"hello", path="/read")).body)
        self.assertNotIn("live-server", self.get("/thread").text)
        self.assertEqual([], self.errors())

    def test_a_client_that_leaves(self) -> None:
        """A client that leaves in the middle of its body is no error."""
        self.serve(ASGIHandler())
        client = self.client().send(post(b"hello", path="/read")[:-1])
        self.assertTrue(wait_until(lambda: self.server.in_flight))
        client.close()
        self.assertEqual("the client left in the middle of its request's body", self.only().aborted)
        self.assertEqual([], self.errors())
