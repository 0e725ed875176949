"""Test classes whose application runs in a process of its own: importable there, and collected by nobody here."""

from __future__ import annotations

import os
import threading
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase
from tests.integration.apps import Routes, answer, make_app, make_configured_app, make_lifespan_app
from tests.support import HANG


class Apart(LiveServerTestCase):
    """A class whose application is made in a process, and whose one test finds it, unless it says otherwise."""

    live_mode = "process"
    live_start_timeout = 6 * HANG  # a busy machine gives an interpreter little of the second that it needs to begin

    def test_it(self) -> None:
        self.assertLess(self.live.get("/").status_code, 300)


class Everything(Apart, HTTPStubTestCase, SMTPTestCase):
    """An application that uses the class's other servers."""

    live_env = {"SHOP": "tea"}

    @classmethod
    def create_app(cls) -> Routes:
        url, port = cls.stub.url_for("/pay", amount=5), cls.smtp.port

        def buy(environ: Any, start: Any) -> Any:
            print("selling", os.environ["SHOP"])
            return answer(start, f"{os.getpid()} {requests.get(url, timeout=10).text} {port}")

        return make_app(buy=buy)

    test_it = None

    def test_1_others(self) -> None:
        self.stub.expect("GET", "/pay").reply(text="paid")
        pid, paid, port = self.live.get("/buy").text.split()
        self.assertNotEqual(os.getpid(), int(pid))
        self.assertEqual(("paid", self.smtp.port), (paid, int(port)))
        self.assertLiveRequested("GET", "/buy", status=200, times=1)
        self.assertEqual("selling tea\n", self.live_server.output)

    def test_2_next(self) -> None:
        self.assertEqual(([], ""), (self.live_server.requests, self.live_server.output))
        with self.expectLiveErrors(RuntimeError, regex="kaboom") as expected:
            self.live.get("/boom")
        self.assertEqual(["RuntimeError('kaboom')"], list(map(repr, expected.errors)))

    def test_3_restart(self) -> None:
        url = self.live_url()
        self.live_server.restart()
        self.assertEqual(url, self.live_url())
        self.assertEqual(200, self.live.get("/").status_code)


class Failing(Apart):
    """An application that raises."""

    app = make_app()

    def test_it(self) -> None:
        self.live.get("/boom")


class Dying(Apart):
    """An application that takes its process with it."""

    @classmethod
    def create_app(cls) -> Routes:
        def die(environ: Any, start: Any) -> Any:
            print("goodbye", flush=True)
            os._exit(3)

        return Routes(die=die)

    test_it = None

    def test_1(self) -> None:
        with self.assertRaises(requests.ConnectionError):
            self.live.get("/die")

    def test_2(self) -> None:
        pass


class Unready(Apart):
    """An application that cannot be made."""

    @classmethod
    def create_app(cls) -> Routes:
        raise LookupError("no configuration")


class Skipping(Apart):
    """A class whose application cannot be here."""

    @classmethod
    def create_app(cls) -> Routes:
        raise unittest.SkipTest("not here")


class SkippingEach(Skipping):
    """The same, with an application for each test."""

    live_scope = "test"

    def id(self) -> str:
        return f"{super().id()}[chrome]"

    def setUp(self) -> None:
        self.fail("a test that is skipped is not set up")


class Named(Apart):
    """An application by its import string, with TLS."""

    live_tls = True
    app = "tests.integration.apps:make_app()"

    def test_it(self) -> None:
        self.assertEqual("https", self.live_url()[:5])
        self.assertEqual(200, self.live.get("/").status_code)


class Surrounded(Apart):
    """What is around each request is so in the other process."""

    here = threading.local()

    @classmethod
    @contextmanager
    def live_request_context(cls, request: Any) -> Iterator[None]:
        cls.here.user = f"ann at {request.path}"
        yield

    @classmethod
    def create_app(cls) -> Routes:
        return Routes(who=lambda environ, start: answer(start, cls.here.user))

    def test_it(self) -> None:
        self.assertEqual("ann at /who", self.live.get("/who").text)


class Reading(Apart):
    """An application that is made with its own URL."""

    @classmethod
    def create_app(cls) -> Routes:
        urls = " ".join([cls.live_url("/a", b=1), cls.live_ws_url("/ws"), cls.live_server.url])
        return Routes(urls=lambda environ, start: answer(start, urls))

    def test_it(self) -> None:
        for _ in range(2):
            expected = [self.live_url("/a", b=1), self.live_ws_url("/ws"), self.live_server.url]
            self.assertEqual(expected, self.live.get("/urls").text.split())
            self.live_server.restart()


class Configured(Apart):
    """An application whose configuration has the port of the environment."""

    @classmethod
    def create_app(cls) -> Routes:
        return make_configured_app()

    def test_it(self) -> None:
        for _ in range(2):
            self.assertEqual(int(os.environ["SHOP_PORT"]), self.live_server.port)
            self.assertEqual(200, self.live.get("/").status_code)
            self.live_server.restart()


class Starting(Configured):
    """An ASGI application with the port of the environment, whose startup reads its own URL."""

    @classmethod
    def create_app(cls) -> Any:
        urls: list[str] = []
        app = make_lifespan_app(
            start_up=lambda: urls.append(f"{cls.live_url()} {cls.live_ws_url()} {cls.live_server.address[1]}"),
            answer=lambda: urls[0],
        )
        app.config = {"LIVESERVER_PORT": os.environ["SHOP_PORT"]}
        return app

    def test_it(self) -> None:
        super().test_it()
        expected = f"{self.live_url()} {self.live_ws_url()} {self.live_server.port}"
        self.assertEqual(expected, self.live.get("/").text)


class Contradictory(Configured):
    """One that has been made with the URL of another port."""

    @classmethod
    def create_app(cls) -> Routes:
        cls.live_url()
        return super().create_app()


class Unfinished(Apart):
    """An ASGI application whose shutdown does not end."""

    live_stop_timeout = 0.05

    @classmethod
    def create_app(cls) -> Any:
        return make_lifespan_app(lambda: threading.Event().wait(60))


class Curious(Apart, HTTPStubTestCase):
    """An application that asks its class for what is not there."""

    @classmethod
    def create_app(cls) -> Routes:
        cls.stub.on("GET", "/")
        return Routes()
