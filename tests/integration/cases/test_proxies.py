"""Proxy variables do not divert what is meant for the servers, and the process is left as it was."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import sys
import threading
import unittest
import urllib.request
import warnings
from collections.abc import Callable
from typing import Any
from unittest import mock

import requests

from liveserver_testcase import HTTPStubTestCase, LiveServer, LiveServerTestCase, SMTPTestCase
from liveserver_testcase.cases.live_debug import LogCapture
from liveserver_testcase.core.proxies import bypass_proxies, exempt_host, restore_proxies
from tests.integration.apps import Routes, answer, make_app
from tests.integration.running import make_case, run_case
from tests.support import HANG, NoLeaks

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
BOTH = {case for name in NAMES for case in (name, name.upper())}
LOOPBACK = "127.0.0.1,localhost,::1"


def environ(**variables: str) -> Any:
    """These proxy variables, and no others, for a while."""
    rest = {name: value for name, value in os.environ.items() if name not in BOTH}
    return mock.patch.dict(os.environ, {**rest, **variables}, clear=True)


def get_with_urllib(url: str) -> str:
    """Get with an opener that looks at the environment now, which the shared one has done long ago."""
    with urllib.request.build_opener().open(url, timeout=HANG) as response:
        return str(response.read().decode())


def get_with_httpx(url: str) -> str:
    """Get with httpx."""
    import httpx

    return httpx.get(url, timeout=HANG).text


CLIENTS: dict[str, Callable[[str], str]] = {
    "requests": lambda url: requests.get(url, timeout=HANG).text,
    "urllib": get_with_urllib,
}
if importlib.util.find_spec("httpx"):
    CLIENTS["httpx"] = get_with_httpx


class ARecordingProxy(NoLeaks):
    """With every proxy variable pointing to a proxy that writes down what it is asked for."""

    def setUp(self) -> None:
        self.asked: list[str] = []

        def record(environ: Any, start: Any) -> Any:
            self.asked.append(environ["REQUEST_URI"])
            return answer(start, "from the proxy")

        proxy = LiveServer(record)
        proxy.start()
        self.addCleanup(proxy.stop)
        patch = environ(**{name: proxy.url for name in BOTH if not name.lower().startswith("no")})
        patch.start()
        self.addCleanup(patch.stop)

    def test_who_is_reached(self) -> None:
        """With any client a test reaches the live server, and the application the stub; others by the proxy."""

        class Case(LiveServerTestCase, HTTPStubTestCase):
            @classmethod
            def create_app(cls) -> Routes:
                def make_route(get: Callable[[str], str]) -> Any:
                    return lambda environ, start: answer(start, get(cls.stub.url_for("/pay")))

                return make_app(**{name: make_route(get) for name, get in CLIENTS.items()})

            def test_it(self) -> None:
                self.stub.on("GET", "/pay").reply(text="paid")
                for name, get in CLIENTS.items():
                    self.assertEqual(["fine", "paid"], [get(self.live_url("/")), get(self.live_url(f"/{name}"))], name)
                    self.assertEqual("paid", self.live.get(f"/{name}").text)

        run_case(Case).assert_passed()
        self.assertEqual([], self.asked)
        for name, get in CLIENTS.items():
            with self.subTest(client=name):
                self.assertEqual("from the proxy", get("http://shop.example/"))

    def visit(self, **members: Any) -> None:
        """Run a class whose test asks with requests, which looks at the variables."""

        def test(case: Any) -> None:
            case.assertEqual("fine", requests.get(case.live_url("/"), timeout=HANG).text)

        run_case(make_case(LiveServerTestCase, app=make_app(), test=test, **members)).assert_passed()
        self.assertEqual([], self.asked)

    def test_at_another_address(self) -> None:
        """A server that listens on another address of this machine is reached, too."""
        try:
            with socket.create_server(("127.0.0.2", 0)):
                pass
        except OSError:
            self.skipTest("127.0.0.2 is no address of this machine")
        self.visit(live_host="127.0.0.2")

    def test_restored(self) -> None:
        """When the class is over, or could not start, the environment is what it was, to the letter."""
        before = dict(os.environ)
        for members in ({"app": make_app()}, {}, {"live_start_timeout": "soon"}):
            run_case(make_case(LiveServerTestCase, HTTPStubTestCase, test=lambda self: None, **members))
            self.assertEqual(before, dict(os.environ))
        with mock.patch.dict(os.environ, LIVESERVER_PAUSE_ON_FAILURE="flase"):
            run_case(make_case(HTTPStubTestCase, test=lambda self: None))
        self.visit()  # what failed at once has taken back what it had not begun


class TheVariables(unittest.TestCase):
    """What is written into them."""

    def during(self, **variables: str) -> dict[str, str]:
        """The variables while a class runs."""
        with environ(**variables):
            bypass_proxies()
            found = {name: os.environ[name] for name in BOTH if name in os.environ}
            restore_proxies()
            self.assertEqual(variables, {name: os.environ[name] for name in BOTH if name in os.environ})
        return {name: value for name, value in found.items() if name.lower() == "no_proxy"}

    def test_both_spellings(self) -> None:
        """Where a proxy is set they name the loopback addresses, and the hosts that were named; a star stays alone."""
        proxy = {"http_proxy": "http://p"}
        both = {"no_proxy": LOOPBACK, "NO_PROXY": LOOPBACK}
        for variables, wanted in (
            ({}, {}),
            ({"no_proxy": "intra"}, {"no_proxy": "intra"}),
            ({"http_proxy": ""}, {}),
            *(({name: "http://p"}, both) for name in ("http_proxy", "HTTPS_PROXY", "all_proxy")),
            (
                {**proxy, "no_proxy": "a, ::1", "NO_PROXY": "b"},
                {"no_proxy": "a,::1,127.0.0.1,localhost", "NO_PROXY": f"b,{LOOPBACK}"},
            ),
            ({**proxy, "NO_PROXY": "b"}, {"no_proxy": f"b,{LOOPBACK}", "NO_PROXY": f"b,{LOOPBACK}"}),
            ({**proxy, "no_proxy": "*"}, {"no_proxy": "*", "NO_PROXY": "*"}),
        ):
            with self.subTest(variables):
                self.assertEqual(wanted, self.during(**variables))

    def test_steps(self) -> None:
        """The last of several users restores them; meanwhile a host can be added, and what somebody has set stays."""
        with environ(http_proxy="http://p"):
            exempt_host("before")
            self.assertNotIn("no_proxy", os.environ)
            bypass_proxies()
            bypass_proxies()
            restore_proxies()
            self.assertEqual(LOOPBACK, os.environ["no_proxy"])
            exempt_host("example")
            exempt_host(None)
            self.assertEqual(f"{LOOPBACK},example", os.environ["NO_PROXY"])
            os.environ["no_proxy"] = "mine"
            restore_proxies()
            self.assertEqual("mine", os.environ["no_proxy"])
            self.assertNotIn("NO_PROXY", os.environ)


def kept(handlers: list[logging.Handler]) -> list[logging.Handler]:
    """The handlers without the one that a live server's test has while it runs."""
    return [handler for handler in handlers if not isinstance(handler, LogCapture)]


def process_state() -> dict[str, object]:
    """What a library could change behind the back of a test: not counted is what keeps the application's log."""
    loggers = [logging.getLogger(name) for name in ("", "liveserver_testcase", "mail.log", "urllib3", "asyncio")]
    return {
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "logging": [(log.name, log.level, log.propagate, log.disabled, kept(log.handlers)) for log in loggers],
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "warnings": list(warnings.filters),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook, sys.gettrace()),
        "timeout": socket.getdefaulttimeout(),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
    }


class TheProcess(unittest.TestCase):
    """The rest of the process."""

    def test_nothing_changes(self) -> None:
        """Neither while a class with all three servers runs nor afterwards is anything changed that others share."""
        during: list[dict[str, object]] = []

        def test(self: Any) -> None:
            self.live.get("/")
            during.append(process_state())

        case = make_case(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase, app=make_app(), test=test)
        with environ():
            before = process_state()
            case.setUpClass()
            case("test_it").run(unittest.TestResult())
            case.tearDownClass()
            self.assertEqual(before, during[0])
            self.assertEqual(before, process_state())
