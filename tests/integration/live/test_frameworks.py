"""Frameworks that answer an exception with a 500 by themselves: it is heard of all the same."""

from __future__ import annotations

import ast
import importlib.util
import threading
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

import requests

from liveserver_testcase import LiveServer, LiveServerTestCase, ServerStartError
from tests.integration.apps import make_app
from tests.integration.running import Outcome, make_case, run_case
from tests.support import NoLeaks, run_python


def has(name: str) -> bool:
    """Whether a module can be imported."""
    return importlib.util.find_spec(name) is not None


def visit(path: str) -> Callable[[Any], None]:
    """A test that requests this path and asks nothing about the answer."""

    def test(self: Any) -> None:
        self.live.get(path)

    return test


@unittest.skipUnless(has("flask"), "Flask is not installed")
class WithFlask(NoLeaks):
    """Flask swallows exceptions unless it is told to propagate them."""

    def make_app(self, **config: Any) -> Any:
        from flask import Flask, abort

        app = Flask("shop")
        app.config.update(config)
        app.logger.disabled = True  # it would print what is expected here

        @app.get("/")
        def index() -> str:
            return "fine"

        @app.get("/boom")
        def boom() -> str:
            raise RuntimeError("kaboom")

        @app.get("/abort")
        def give_up() -> str:
            abort(500)

        @app.get("/handled")
        def handled() -> str:
            raise LookupError("not here")

        @app.errorhandler(LookupError)
        def handle(error: LookupError) -> tuple[str, int]:
            return "not here", 404

        @app.get("/stream")
        def stream() -> Any:
            def generate() -> Any:
                yield "fi"
                raise RuntimeError("in the middle")

            return generate()

        return app

    def run_app(self, path: str, app: Any = None) -> Outcome:
        return run_case(make_case(LiveServerTestCase, app=app or self.make_app(), test=visit(path)))

    def test_swallowed(self) -> None:
        """An exception that Flask answers with a 500 fails the test once, whether it lets it through as well or not.

        The view stands in the traceback.
        """
        page = self.make_app()
        page.register_error_handler(500, lambda error: ("sorry", 500))
        for app in (self.make_app(), self.make_app(PROPAGATE_EXCEPTIONS=True), page):
            outcome = self.run_app("/boom", app)
            self.assertEqual({"run": 1, "failures": 1}, outcome.summary)
            self.assertTrue(outcome.report.endswith("raised an error:\n  GET /boom: RuntimeError: kaboom"))
            self.assertIn(", in boom\n", outcome.report)

    def test_error_page_that_fails(self) -> None:
        """Where the page for errors raises too, both count, the first one first."""
        app = self.make_app()

        def fail(error: Exception) -> Any:
            raise ValueError("no page")

        app.register_error_handler(500, fail)
        report = self.run_app("/boom", app).report
        self.assertIn("raised 2 errors:\n  GET /boom: RuntimeError: kaboom\n  GET /boom: ValueError: no page", report)

    def test_handled(self) -> None:
        """What the application handles, or answers with a 500 on purpose, is no error."""
        for path in ("/handled", "/abort", "/"):
            with self.subTest(path=path):
                self.run_app(path).assert_passed()

    def test_streamed(self) -> None:
        """An exception in the middle of a stream counts once."""

        def test(self: Any) -> None:
            with self.assertRaises(requests.RequestException):
                self.live.get("/stream")

        outcome = run_case(make_case(LiveServerTestCase, app=self.make_app(), test=test))
        self.assertTrue(outcome.report.endswith("raised an error:\n  GET /stream: RuntimeError: in the middle"))

    def test_test_client(self) -> None:
        """A test client that uses the same application meanwhile is none of the server's business."""
        app = self.make_app()

        def test(self: Any) -> None:
            self.live.get("/")
            app.test_client().get("/boom")
            thread = threading.Thread(target=lambda: app.test_client().get("/boom"))
            thread.start()
            thread.join()

        run_case(make_case(LiveServerTestCase, app=app, test=test)).assert_passed()

    def test_two_servers_at_once(self) -> None:
        """Of two servers that serve one application each keeps what was raised in its own requests."""
        app = self.make_app()
        meeting = threading.Barrier(2, timeout=10)
        app.before_request(lambda: meeting.wait() and None)
        with LiveServer(app) as one, LiveServer(app) as other:
            clients = [
                threading.Thread(target=requests.get, args=(server.url_for(f"/boom?{number}"),), kwargs={"timeout": 10})
                for number, server in enumerate((one, other))
            ]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            found = [[exchange.target for exchange, _ in server.take_errors()] for server in (one, other)]
        self.assertEqual([["/boom?0"], ["/boom?1"]], found)

    def test_nothing_is_left_connected(self) -> None:
        """A server is connected to Flask's signals while it runs, and only then, also if a start fails."""
        from flask import got_request_exception

        before = len(got_request_exception.receivers)
        server = LiveServer(self.make_app())
        with mock.patch("threading.Thread.start", side_effect=RuntimeError("no more threads")):
            with self.assertRaises(ServerStartError):
                server.start()
        for _ in range(2):
            self.assertEqual(before, len(got_request_exception.receivers))
            server.begin("while it does not run")
            self.assertEqual(before, len(got_request_exception.receivers))
            with server:
                requests.get(server.url_for("/boom"), timeout=10)
                self.assertEqual(1, len(server.take_errors()))
        self.assertEqual(before, len(got_request_exception.receivers))

    def test_loaded_later(self) -> None:
        """A Flask that is first imported while the server runs is heard of from the next test on."""
        process = run_python(
            """
            import logging, sys, unittest
            from liveserver_testcase import LiveServerTestCase

            logging.disable(logging.ERROR)

            class Case(LiveServerTestCase):
                flask_app = None

                @classmethod
                def create_app(cls):
                    return lambda environ, start: cls.flask_app(environ, start)

                def test_a(self):
                    assert "flask" not in sys.modules
                    from flask import Flask
                    type(self).flask_app = Flask("late")
                    self.flask_app.add_url_rule("/", view_func=self.fail_to_view)

                @staticmethod
                def fail_to_view():
                    raise RuntimeError("kaboom")

                def test_b(self):
                    self.live.get("/")

            unittest.main(argv=["here"])
            """
        )
        self.assertIn("GET /: RuntimeError: kaboom", process.stderr)
        self.assertIn("FAILED (failures=1)", process.stderr)


DJANGO = """
    import logging, unittest
    from asgiref.sync import markcoroutinefunction
    from django.conf import settings

    settings.configure(
        ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None, MIDDLEWARE=[]
    )

    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.test import SimpleTestCase
    from django.test.utils import override_settings
    from django.urls import path

    logging.disable(logging.ERROR)

    def fine(request):
        return HttpResponse("fine")

    def boom(request):
        raise RuntimeError("kaboom")

    async def later(request):
        raise RuntimeError("kaboom")

    def wrong(request):
        return HttpResponse(status=500)

    class Middleware:
        async_capable, sync_capable = True, False

        def __init__(self, get_response):
            self.get_response = get_response
            markcoroutinefunction(self)

        async def __call__(self, request):
            return await self.get_response(request)

    urlpatterns = [path("fine", fine), path("boom", boom), path("later", later), path("wrong", wrong)]

    from liveserver_testcase import LiveServerTestCase

    class Case(LiveServerTestCase):
        @classmethod
        def create_app(cls):
            return get_wsgi_application()

        def test_fine(self):
            self.live.get("/fine")

        def test_wrong(self):
            self.live.get("/wrong")

        def test_boom(self):
            self.live.get("/boom")

        def test_later(self):
            self.live.get("/later")

        def test_debug(self):
            with override_settings(DEBUG=True):
                self.live.get("/boom")

        def test_propagated(self):
            with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True):
                self.live.get("/boom")

    class WithTheirs(Case, SimpleTestCase):
        def test_client(self):
            self.client.raise_request_exception = False
            assert self.client.get("/boom").status_code == 500
            self.live.get("/fine")

    class TheirsFirst(SimpleTestCase, Case):
        test_client = WithTheirs.test_client

    class UnderMiddleware(LiveServerTestCase):
        @classmethod
        def create_app(cls):
            with override_settings(MIDDLEWARE=[f"{__name__}.Middleware"]):
                return get_wsgi_application()

        def test_later(self):
            self.live.get("/later")

    for case in (Case, WithTheirs, TheirsFirst, UnderMiddleware):
        result = unittest.TestResult()
        suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
        names = [f"{case.__name__}.{test.id().rpartition('.')[2]}" for test in suite]
        suite.run(result)
        texts = {test.id().rpartition(".")[2]: text for test, text in result.failures + result.errors}
        for name in names:
            print(name, repr(texts.get(name.rpartition(".")[2], "")))
"""


@unittest.skipUnless(has("django"), "Django is not installed")
class WithDjango(unittest.TestCase):
    """Django, in a process of its own: it can be set up once only, and warns of itself."""

    def test_each(self) -> None:
        """An exception that Django answers with a 500 fails the test once.

        So does one that it answers with its page for developers, or lets through as well, one of an asynchronous view,
        or under asynchronous middleware, where Django handles exceptions in yet another thread.  It works in one class
        with Django's own, in both orders.  What their test client provokes, and a 500 on purpose, are no error.
        """
        process = run_python(DJANGO, options=("-X", "dev"))
        self.assertEqual(0, process.returncode, process.stdout + process.stderr)
        lines = [line.split(" ", 1) for line in process.stdout.splitlines()]
        reports = {name: ast.literal_eval(text) for name, text in lines}
        for name, path in (
            ("Case.test_boom", "/boom"),
            ("Case.test_debug", "/boom"),
            ("Case.test_propagated", "/boom"),
            ("Case.test_later", "/later"),
            ("UnderMiddleware.test_later", "/later"),
            ("WithTheirs.test_boom", "/boom"),
            ("TheirsFirst.test_boom", "/boom"),
            ("Case.test_fine", ""),
            ("Case.test_wrong", ""),
            ("WithTheirs.test_fine", ""),
            ("WithTheirs.test_client", ""),
            ("TheirsFirst.test_fine", ""),
            ("TheirsFirst.test_client", ""),
        ):
            with self.subTest(name=name):
                wanted = f"AssertionError: the application raised an error:\n  GET {path}: RuntimeError: kaboom\n"
                self.assertIn(wanted if path else "", reports[name])
                self.assertEqual(bool(path), bool(reports[name]))


class WithoutAFramework(NoLeaks):
    """A signal of nobody."""

    def test_a_module_of_that_name(self) -> None:
        """A module that is merely called as a framework is left alone."""
        with mock.patch.dict("sys.modules", {"flask": None, "django.core.signals": unittest}):
            run_case(make_case(LiveServerTestCase, app=make_app(), test=visit("/"))).assert_passed()
