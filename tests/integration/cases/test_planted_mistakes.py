"""Twenty mistakes that people make, each planted in a test class: the text of the failure alone says what is wrong."""

from __future__ import annotations

import logging
import smtplib
import socket
import unittest
from typing import Any
from unittest import mock

import requests

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase
from tests.integration.apps import answer, make_app
from tests.integration.mail.mailing import make_mail
from tests.integration.running import Outcome, make_case, run_case
from tests.support import HANG, NoLeaks


def nothing(_: Any) -> None:
    """Be a test that passes."""


def send(server: Any, to: str) -> None:
    """Send a mail."""
    with smtplib.SMTP(server.host, server.port, timeout=HANG) as client:
        client.send_message(make_mail(to=to))


def post_json(url: str, value: object) -> None:
    """Do what a client does that does not look at the answer."""
    requests.post(url, json=value, timeout=HANG)


class PlantedMistakes(NoLeaks):
    """Whoever makes one of these reads its name in the report."""

    def run_it(self, *bases: type, **members: Any) -> Outcome:
        return run_case(make_case(*bases, **members))

    def assert_says(self, outcome: Outcome, *texts: str) -> None:
        """The one failure has these texts."""
        report = outcome.report
        for text in texts:
            self.assertIn(text, report)

    # -- in a test ---------------------------------------------------------------------------------------------------

    def test_01_wrong_port(self) -> None:
        """A request to another port: the live server was sent nothing, and its address stands there."""

        def test(self: Any) -> None:
            with socket.create_server(("127.0.0.1", 0)) as other:
                port = other.getsockname()[1]
            requests.get(f"http://127.0.0.1:{port}/", timeout=HANG)

        outcome = self.run_it(LiveServerTestCase, app=make_app(), test=test)
        self.assert_says(outcome, "Connection refused", "the live server at http://127.0.0.1:PORT was sent no request")

    def test_02_doubled_path(self) -> None:
        """A base URL joined with a path that it has already: the report has the path that was asked for."""

        def test(self: Any) -> None:
            base = self.live_url("/hello")
            self.assertEqual(200, requests.get(f"{base}/hello", timeout=HANG).status_code)

        outcome = self.run_it(LiveServerTestCase, app=make_app(), test=test)
        self.assert_says(outcome, "200 != 404", "GET /hello/hello -> 404")

    def test_02_doubled_path_at_a_stub(self) -> None:
        """The same at a stub names the nearest expectation and the path."""

        def test(self: Any) -> None:
            self.stub.expect("GET", "/v1/users").reply(json=[])
            requests.get(self.stub.url_for("/v1/v1/users"), timeout=HANG)

        outcome = self.run_it(HTTPStubTestCase, test=test)
        self.assert_says(outcome, "GET /v1/v1/users", "'/v1/users'")

    def test_03_typo_in_a_key(self) -> None:
        """A misspelt key of JSON stands beside the one that was meant."""

        def test(self: Any) -> None:
            self.stub.expect("POST", "/users", json={"email": "ann@example.com"}).reply(201)
            post_json(self.stub.url_for("/users"), {"emial": "ann@example.com"})

        self.assert_says(self.run_it(HTTPStubTestCase, test=test), "emial", "email")

    def test_04_number_for_string(self) -> None:
        """A number where a string was wanted: both are shown as what they are."""

        def test(self: Any) -> None:
            self.stub.expect("POST", "/users", json={"age": 42}).reply(201)
            post_json(self.stub.url_for("/users"), {"age": "42"})

        self.assert_says(self.run_it(HTTPStubTestCase, test=test), "$.age", "42")
        self.assertIn("'42'", self.run_it(HTTPStubTestCase, test=test).report.replace('"', "'"))

    def test_05_used_up(self) -> None:
        """One request more than was expected."""

        def test(self: Any) -> None:
            self.stub.expect("GET", "/x").reply(json=1)
            for _ in range(2):
                requests.get(self.stub.url_for("/x"), timeout=HANG)

        self.assert_says(self.run_it(HTTPStubTestCase, test=test), "GET /x", "1")

    def test_06_wrong_address(self) -> None:
        """Mail to somebody else: the nearest one is shown with its recipient."""

        def test(self: Any) -> None:
            send(self.smtp, to="bob@example.com")
            self.assertEmailSent(to="ann@example.com")

        outcome = self.run_it(SMTPTestCase, smtp_timeout=0.0, test=test)
        self.assert_says(outcome, "ann@example.com", "bob@example.com")

    def test_07_locmem(self) -> None:
        """Mail that Django kept in memory: nobody connected, and the settings that do it are named."""

        def test(self: Any) -> None:
            self.assertEmailSent(to="ann@example.com")

        outcome = self.run_it(SMTPTestCase, smtp_timeout=0.0, test=test)
        self.assert_says(outcome, "connect", "locmem")

    # -- in a class --------------------------------------------------------------------------------------------------

    def test_08_no_super(self) -> None:
        """``setUpClass`` without ``super()``."""
        outcome = self.run_it(LiveServerTestCase, app=make_app(), setUpClass=classmethod(nothing), test=nothing)
        self.assert_says(outcome, "must call super().setUpClass()")

    def test_09_create_app_as_a_method(self) -> None:
        """``create_app(self)``, and the same as a property."""

        def method(self: Any) -> Any:
            return make_app()

        outcome = self.run_it(LiveServerTestCase, create_app=method, test=nothing)
        self.assert_says(outcome, "Case.create_app()", "write @classmethod above it")
        outcome = self.run_it(LiveServerTestCase, create_app=property(method), test=nothing)
        self.assert_says(outcome, "Case.create_app()", "write @classmethod above it, and no @property")

    def test_10_create_app_that_returns_none(self) -> None:
        """``create_app`` without ``return``."""
        outcome = self.run_it(LiveServerTestCase, create_app=classmethod(nothing), test=nothing)
        self.assert_says(outcome, "Case.create_app() returned None", "`return app`")

    def test_11_create_app_async(self) -> None:
        """``async def create_app``."""

        async def create_app(cls: Any) -> Any:
            return make_app()

        outcome = self.run_it(LiveServerTestCase, create_app=classmethod(create_app), test=nothing)
        self.assert_says(outcome, "Case.create_app() is a coroutine function", "without async")

    def test_12_factory(self) -> None:
        """A function that makes the application, in the place of what it makes."""

        def make() -> Any:
            return make_app()

        def make_with_options(config: Any = None, debug: bool = False) -> Any:
            return make_app()

        for factory in (make, make_with_options):
            with self.subTest(factory=factory.__name__):
                outcome = self.run_it(LiveServerTestCase, app=factory, test=nothing)
                self.assert_says(outcome, factory.__name__, "Is it a factory?")

    def test_13_app_as_a_method(self) -> None:
        """The application written into the class, with self."""

        def app(self: Any, environ: Any, start_response: Any) -> Any:
            return answer(start_response, "hello")

        outcome = self.run_it(LiveServerTestCase, app=app, test=nothing)
        self.assert_says(outcome, "Case.app is a method with self", "create_app()")
        outcome = self.run_it(LiveServerTestCase, app=property(lambda self: make_app()), test=nothing)
        self.assert_says(outcome, "Case.app is a property with self", "create_app()")

    def test_14_import_that_raises(self) -> None:
        """An import string whose module raises while it is imported, or is not there."""
        outcome = self.run_it(LiveServerTestCase, app="tests.integration.cases.no_such_module:app", test=nothing)
        self.assert_says(outcome, "there is no module 'tests.integration.cases.no_such_module'")
        with mock.patch("importlib.import_module", side_effect=ZeroDivisionError("division by zero")):
            outcome = self.run_it(LiveServerTestCase, app="tests.integration.apps:app", test=nothing)
        self.assert_says(outcome, "importing tests.integration.apps raised ZeroDivisionError: division by zero")

    def test_15_taken_port(self) -> None:
        """The port is somebody else's."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            outcome = self.run_it(LiveServerTestCase, app=make_app(), live_port=port, test=nothing)
        self.assert_says(outcome, "ServerStartError", "in use")

    def test_16_misspelt_attribute(self) -> None:
        """A misspelt setting, and a misspelt method of the test."""
        outcome = self.run_it(LiveServerTestCase, app=make_app(), live_prot=8000, test=nothing)
        self.assert_says(outcome, "Case.live_prot = 8000 is no setting", "did you mean live_port?")

        def test(self: Any) -> None:
            self.live_ulr("/")

        outcome = self.run_it(LiveServerTestCase, app=make_app(), test=test)
        self.assert_says(outcome, "no attribute 'live_ulr'", "did you mean self.live_url?")

    def test_17_misspelt_hook(self) -> None:
        """Methods that nobody would ever call."""
        for base, name, meant in (
            (HTTPStubTestCase, "configure_stubs", "configure_stub"),
            (LiveServerTestCase, "live_request_contex", "live_request_context"),
            (LiveServerTestCase, "createApp", "create_app"),
            (LiveServerTestCase, "setup_class", "setUpClass"),
        ):
            with self.subTest(name=name):
                outcome = self.run_it(base, test=nothing, **{name: classmethod(nothing)})
                self.assert_says(outcome, f"Case.{name}() is never called: did you mean {meant}()?")

    def test_18_misspelt_keyword(self) -> None:
        """A keyword that an assertion does not know."""

        def test(self: Any) -> None:
            self.assertLiveRequested("GET", "/", tmies=1)

        outcome = self.run_it(LiveServerTestCase, app=make_app(), test=test)
        self.assert_says(outcome, "unexpected keyword argument 'tmies'", "Did you mean 'times'?")

    def test_19_braces_in_a_path(self) -> None:
        """A path as FastAPI writes it."""

        def test(self: Any) -> None:
            self.stub.on("GET", "/users/{id}").reply(json={})
            requests.get(self.stub.url_for("/users/7"), timeout=HANG)

        self.assert_says(self.run_it(HTTPStubTestCase, test=test), "/users/{id}", "<name>")

    def test_20_assertion_that_nobody_awaits(self) -> None:
        """A forgotten ``await``, in each mixin."""

        async def live(self: Any) -> None:
            self.assertLiveRequestedAsync("GET", "/")

        async def stub(self: Any) -> None:
            self.assertRequestedAsync("GET", "/")

        async def smtp(self: Any) -> None:
            self.assertEmailSentAsync(to="ann@example.com")

        for base, test, name in (
            (LiveServerTestCase, live, "assertLiveRequested"),
            (HTTPStubTestCase, stub, "assertRequested"),
            (SMTPTestCase, smtp, "assertEmailSent"),
        ):
            with self.subTest(name=name):
                members = {"app": make_app()} if base is LiveServerTestCase else {}
                outcome = self.run_it(base, unittest.IsolatedAsyncioTestCase, test=test, **members)
                self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
                self.assert_says(
                    outcome,
                    f"self.{name}Async(…) at test_planted_mistakes.py:",
                    f"was never awaited, so it has asserted nothing: write await self.{name}Async(…)",
                )


class Coroutines(NoLeaks):
    """What nobody awaits does not pass."""

    def test_async_test_in_a_plain_class(self) -> None:
        """An ``async def`` test fails, and its class is told what to derive from."""

        async def test(self: Any) -> None:
            self.fail("this is never reached")

        outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=test))
        self.assertEqual({"run": 1, "errors": 1}, outcome.summary)
        self.assertIn("Case.test_it() is a coroutine function, and nobody awaits it", outcome.report)
        self.assertIn("derive Case from unittest.IsolatedAsyncioTestCase too", outcome.report)

    def test_async_test_in_an_async_class(self) -> None:
        """It runs, and an assertion that is awaited is as good as any."""

        async def test(self: Any) -> None:
            self.assertEqual([], await self.assertLiveRequestedAsync(times=0))

        case = make_case(LiveServerTestCase, unittest.IsolatedAsyncioTestCase, app=make_app(), test=test)
        self.assertEqual({"run": 1}, run_case(case).summary)

    def test_async_set_up(self) -> None:
        """An ``async def setUp`` is refused, and so is an ``asyncSetUp`` that nobody calls."""

        async def prepare(self: Any) -> None:
            pass

        plain, isolated = (LiveServerTestCase,), (LiveServerTestCase, unittest.IsolatedAsyncioTestCase)
        for bases, name, text in (
            (plain, "setUp", "Case.setUp() is a coroutine function, and nobody awaits it: write it without async, or"),
            (isolated, "setUp", "write it without async, or name it asyncSetUp()"),
            (plain, "asyncSetUp", "Case.asyncSetUp() is never called: derive Case from"),
        ):
            with self.subTest(name=name, text=text):
                outcome = run_case(make_case(*bases, app=make_app(), test=nothing, **{name: prepare}))
                self.assertIn(text, outcome.report)


class Activity(NoLeaks):
    """A test that fails says what its servers did in it."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(logging.disable, logging.root.manager.disable)
        logging.disable(logging.NOTSET)  # the tests of frameworks disable errors

    def test_logged_exception(self) -> None:
        """What the application caught itself and only logged is in the report, without secrets."""

        secret = "hunter2"

        def app(environ: Any, start_response: Any) -> Any:
            try:
                raise RuntimeError("kaboom")
            except RuntimeError:
                logging.getLogger("planted").exception("no tea: password=%s", secret)
            return answer(start_response, "sorry", "500 Internal Server Error")

        def test(self: Any) -> None:
            self.assertEqual(200, self.live.get(f"/tea?password={secret}").status_code)

        outcome = run_case(make_case(LiveServerTestCase, app=app, test=test))
        report = outcome.report
        self.assertIn(
            "the live server at http://127.0.0.1:PORT was sent 1 request in this test:\n"
            "  GET /tea?password=*** -> 500\n"
            "it logged:\n"
            "  ERROR planted: no tea: password=***\n"
            "  Traceback (most recent call last):\n",
            report,
        )
        self.assertIn("  RuntimeError: kaboom", report)
        self.assertNotIn(secret, report)

    def test_all_servers(self) -> None:
        """Each server of the class that was used is described, once."""

        def test(self: Any) -> None:
            self.stub.on("GET", "/x").reply(204)
            requests.get(self.stub.url_for("/x"), timeout=HANG)
            send(self.smtp, to="ann@example.com")
            for number in (1, 2):
                with self.subTest(number=number):
                    self.fail("as ever")

        case = make_case(LiveServerTestCase, HTTPStubTestCase, SMTPTestCase, app=make_app(), test=test)
        text = "\n".join(run_case(case).reports())
        for part in ("was sent no request in this test", "#1 GET /x -> 204", "1 email came in this test"):
            self.assertEqual(1, text.count(part), text)

    def test_assertion_of_its_own(self) -> None:
        """An assertion that lists the requests itself is not followed by the same list."""

        def test(self: Any) -> None:
            self.live.get("/hello")
            self.assertLiveRequested("GET", "/other", timeout=0)

        report = run_case(make_case(LiveServerTestCase, app=make_app(), test=test)).report
        self.assertEqual(1, report.count("GET /hello"), report)
        self.assertNotIn("the live server at", report)


class Neighbours(NoLeaks):
    """What belongs to other frameworks is named."""

    def test_django_test_case(self) -> None:
        """Beside Django's ``TestCase`` nothing starts, and the reason is given."""
        import django.test

        case = make_case(LiveServerTestCase, django.test.TestCase, app=make_app(), test=nothing)
        self.assertIn("Case is a django.test.TestCase, which never commits", run_case(case).report)

    def test_aiohttp(self) -> None:
        """An application of aiohttp's server is said to be neither WSGI nor ASGI."""
        import aiohttp.web

        case = make_case(LiveServerTestCase, app=aiohttp.web.Application(), test=nothing)
        self.assertIn("is neither WSGI nor ASGI: aiohttp has an HTTP server of its own", run_case(case).report)

    def test_a_base_with_a_run_of_its_own(self) -> None:
        """One whose ``run()`` calls no other, as that of testtools, must come after the mixins: else nobody asks."""

        def run(self: Any, result: Any = None) -> Any:
            return unittest.TestCase.run(self, result)

        base = type("Other", (unittest.TestCase,), {"run": run})
        refused = make_case(base, LiveServerTestCase, app=make_app(), test=nothing)
        self.assertIn("name the mixins before Other", run_case(refused).report)
        case = make_case(LiveServerTestCase, base, app=make_app(), test=lambda case: case.live.get("/boom"))
        self.assertIn("the application raised an error", run_case(case).report)

    def test_web_socket_at_a_stub(self) -> None:
        """A client of WebSockets at a stub that expects none: the report says what to write."""

        def test(self: Any) -> None:
            requests.get(self.stub.url_for("/ws"), headers={"Upgrade": "websocket"}, timeout=HANG)

        report = run_case(make_case(HTTPStubTestCase, test=test)).report
        self.assertIn("write stub.on_websocket('/ws'), or expect_websocket(…) if it must come: it opens a", report)
