"""LiveServerTestCase: errors that are wanted, requests that are counted, what is configured."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import logging
import re
import socket
import ssl
import sys
import threading
import unittest
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import flask
import requests

from liveserver_testcase import (
    LiveServer,
    LiveServerTestCase,
    ServerStartError,
    UsageError,
    WildcardAddressWarning,
)
from tests.integration.apps import Gate, answer, make_app, make_lifespan_app
from tests.integration.running import Outcome, make_case, run_case, visit
from tests.support import HANG, NoClassLeaks, NoLeaks


def run_live(test: Any, **members: Any) -> Outcome:
    """Run one test of a class with the usual application."""
    return run_case(make_case(LiveServerTestCase, **{"app": make_app(), **members}, test=test))


class ExpectedErrorsTest(NoClassLeaks, LiveServerTestCase):
    """``expectLiveErrors`` and those that are ignored."""

    app = make_app()

    def test_wanted(self) -> None:
        """An error that is wanted does not fail the test, and can be looked at; as many as are wanted, and no fewer."""
        for times in (None, 1):
            with self.expectLiveErrors(RuntimeError, times=times) as expected:
                self.live.get("/boom")
            self.assertEqual(["kaboom"], [str(error) for error in expected.errors])
        self.assertEqual(expected.errors, self.live_server.errors[1:])
        missing = "the application raised 1 RuntimeError in this block; wanted 3"
        with self.assertRaisesRegex(AssertionError, missing), self.expectLiveErrors(RuntimeError, times=3):
            self.live.get("/boom")

    def test_not_as_wanted(self) -> None:
        """One that does not come, or is another one, fails the test; those that came are named, others, too."""
        wanted = "RuntimeError or KeyError matching 'kab.om' in this block; wanted at least one"
        with self.assertRaises(AssertionError) as caught:
            with self.expectLiveErrors((RuntimeError, KeyError), regex="kab.om"):
                self.live.get("/")
        self.assertEqual(f"the application raised no {wanted}", str(caught.exception))

        def test_another_text(self: Any) -> None:
            with self.expectLiveErrors(RuntimeError, "not this"):
                self.live.get("/boom")

        report = run_live(test_another_text).report
        wanted = "RuntimeError matching 'not this' in this block; wanted at least one. In this test it has raised"
        self.assertIn(f"the application raised no {wanted}\n  RuntimeError: kaboom", report)
        self.assertIn("raised an error:\n  GET /boom: RuntimeError: kaboom", report)

        def test(self: Any) -> None:
            self.live.get("/bang")
            with self.expectLiveErrors(LookupError):
                self.live.get("/boom")

        raised = "  {0}LookupError: no such thing\n  {1}RuntimeError: kaboom"
        report = run_live(test).report
        self.assertIn(
            "the application raised no LookupError in this block; wanted at least one. In this test it has raised\n"
            + raised.format("", ""),
            report,
        )
        self.assertIn(f"raised 2 errors:\n{raised.format('GET /bang: ', 'GET /boom: ')}", report)

    def test_misuse(self) -> None:
        """What is no exception type, or no number, is refused."""
        for options, message in (
            (("boom",), "expectLiveErrors() got 'boom'; wanted an exception type, or a tuple of them"),
            ((ValueError, 5), "regex is 5; wanted text, or a compiled pattern of it"),
            ((ValueError, None, 0), "times is 0; wanted a whole number, 1 or more, or None for at least one"),
        ):
            with self.subTest(options=options), self.assertRaisesRegex(UsageError, re.escape(message)):
                with self.expectLiveErrors(*options):  # type: ignore[arg-type]
                    pass

    @unittest.skipIf(sys.version_info < (3, 11), "Python 3.10 has no exception groups")
    def test_groups(self) -> None:
        """A group is what is in it: as a task group raises what its one task has raised."""

        make_group: Any = vars(builtins)["ExceptionGroup"]  # which linters for Python 3.10 do not know

        def group(environ: Any, start: Any) -> Any:
            raise make_group("in a task group", [ValueError("tea"), make_group("more", [ValueError("milk")])])

        def wanted(self: Any) -> None:
            with self.expectLiveErrors(ValueError, "tea|milk", times=1) as expected:
                self.live.get("/group")
            self.assertIsInstance(expected.errors[0], make_group)

        def other(self: Any) -> None:
            with self.expectLiveErrors(ValueError, "tea"):
                self.live.get("/group")

        app = make_app(group=group)
        run_live(wanted, app=app).assert_passed()
        run_live(visit("/group"), app=app, live_ignored_errors=(ValueError,)).assert_passed()
        self.assertIn(
            "an error:\n  GET /group: ExceptionGroup: in a task group (2 sub-exceptions), with ValueError: tea; "
            "ExceptionGroup: more (1 sub-exception), with ValueError: milk",
            "".join(run_live(other, app=app).reports()),
        )

    def test_ignored(self) -> None:
        """What the class ignores fails no test; the rest does."""

        test = visit("/bang", "/boom")
        report = run_live(test, live_ignored_errors=(LookupError,)).report
        self.assertTrue(report.endswith("raised an error:\n  GET /boom: RuntimeError: kaboom"), report)
        run_live(test, live_raise_errors=False).assert_passed()

    def test_assert_none(self) -> None:
        """``assertNoLiveErrors`` fails there and then, with the application's exception as its cause; and only once."""
        self.assertNoLiveErrors()
        self.live.get("/boom")
        with self.assertRaises(AssertionError) as caught:
            self.assertNoLiveErrors("after the click")
        self.assertIsInstance(caught.exception.__cause__, RuntimeError)
        self.assertEqual(
            "after the click\nthe application raised an error:\n  GET /boom: RuntimeError: kaboom",
            str(caught.exception),
        )


class RequestsTest(NoClassLeaks, LiveServerTestCase):
    """``live_server.requests`` and ``assertLiveRequested``, of each test its own."""

    gate = Gate()
    app = make_app(gate=gate)

    def test_records(self) -> None:
        """Each request of this test, with what it was answered; with ``times`` all that are wanted."""
        self.live.get("/a?n=1")
        self.live.post("/nothing")
        self.live.get("/a?n=2")
        self.live_server.wait_until_idle()
        first, second, _ = self.live_server.requests
        self.assertEqual(("GET", "/a", "/a?n=1", 404), (first.method, first.path, first.target, first.status))
        self.assertEqual(("POST", "/nothing", 404), (second.method, second.path, second.status))
        self.assertGreater(first.duration, 0)
        self.assertEqual(["/a?n=1", "/a?n=2"], [r.target for r in self.assertLiveRequested(path="/a", times=2)])
        self.assertEqual("/a?n=2", self.assertLiveRequested(path="/a?n=2").target)
        self.assertLiveRequested("GET", "/boom", times=0)

    def test_waits(self) -> None:
        """The assertion waits for a request that somebody else is about to make."""
        url, begun = self.live_url("/later"), threading.Event()
        thread = threading.Thread(target=lambda: begun.wait(HANG) and requests.get(url, timeout=HANG))
        thread.start()
        begun.set()
        self.assertEqual("/later", self.assertLiveRequested("GET", re.compile("/l.*r"), status=404).path)
        thread.join(HANG)

    def test_what_no_request_can_be(self) -> None:
        """It is refused, also where none is wanted."""
        self.live.get("/a")
        for wanted, message in (
            ({"method": b"GET"}, "method is b'GET'; wanted a name such as 'GET', or None for any"),
            ({"method": "/a"}, "method is '/a'; wanted a name"),
            ({"path": "a"}, "path is 'a'; wanted one as it is sent, which begins with '/' and is percent-encoded"),
            ({"path": "/a b"}, "path is '/a b'; wanted one as it is sent"),
            ({"path": self.live_url("/a")}, f"path is '{self.live_url('/a')}'; wanted one as it is sent"),
            ({"path": re.compile(b"/a")}, "path is re.compile(b'/a'); wanted one as it is sent"),
            ({"status": "404"}, "status is '404'; wanted a number from 100 to 999, or None for any"),
        ):
            with self.subTest(wanted=wanted), self.assertRaisesRegex(UsageError, f"^{re.escape(message)}"):
                self.assertLiveRequested(**wanted, times=0)  # type: ignore[arg-type]

    def test_messages(self) -> None:
        """What it says when there was no such request, too few, or too many."""
        with self.assertRaises(AssertionError) as caught:
            self.assertLiveRequested("POST", "/buy", timeout=0.0)
        wanted = "POST /buy never came; wanted at least once. In this test no request came."
        self.assertEqual(wanted, str(caught.exception))
        with self.expectLiveErrors(RuntimeError):
            self.live.get("/boom")
        self.live_server.wait_until_idle()
        self.live_server.requests[0].duration = 0.0
        with self.assertRaises(AssertionError) as caught:
            self.assertLiveRequested("GET", re.compile("/b.*"), times=2, status=500, timeout=0.0, msg="clicked twice")
        self.assertEqual(
            "clicked twice\nGET matching '/b.*' -> 500 came once; wanted 2 times. In this test came\n"
            "  GET /boom -> 500, raised RuntimeError: kaboom, 0 ms",
            str(caught.exception),
        )

    def test_idle(self) -> None:
        """``live_server.wait_until_idle`` names what is still in flight."""
        thread = threading.Thread(target=lambda: self.live.get("/gate"))
        thread.start()
        self.gate.entered.wait(HANG)
        with self.assertRaisesRegex(AssertionError, r"still in flight after 0.01 s:\n  GET /gate, \d\.\d s old, at"):
            self.live_server.wait_until_idle(0.01)
        self.gate.open.set()
        self.live_server.wait_until_idle()
        thread.join(HANG)


class InCoroutines(NoClassLeaks, LiveServerTestCase, unittest.IsolatedAsyncioTestCase):
    """The same questions where an event loop runs: each wait has a form for coroutines; the plain one is refused."""

    gate = Gate()
    app = make_app(gate=gate)

    async def test_idle(self) -> None:
        """A request in flight is waited for."""
        request = asyncio.create_task(asyncio.to_thread(self.live.get, "/gate"))
        await asyncio.to_thread(self.gate.entered.wait, HANG)
        with self.assertRaisesRegex(AssertionError, "still in flight after 0 s:\n  GET /gate"):
            await self.live_server.wait_until_idle_async(0)
        asyncio.get_running_loop().call_soon(self.gate.open.set)
        await self.live_server.wait_until_idle_async()
        await self.assertNoLiveErrorsAsync()
        await request

    async def test_errors(self) -> None:
        """Errors are waited for."""
        async with self.expectLiveErrors(RuntimeError) as expected:
            await asyncio.to_thread(self.live.get, "/boom")
        self.assertEqual(["kaboom"], [str(error) for error in expected.errors])
        await asyncio.to_thread(self.live.get, "/boom")
        with self.assertRaisesRegex(AssertionError, "RuntimeError: kaboom"):
            await self.assertNoLiveErrorsAsync()
        with self.assertRaisesRegex(AssertionError, "raised no ValueError in this block"):
            async with self.expectLiveErrors(ValueError):
                pass

    async def test_requests(self) -> None:
        """The asynchronous form waits without blocking the loop, on which the client runs; the plain one looks once."""
        with self.assertRaises(AssertionError) as caught:
            self.assertLiveRequested("GET", "/")
        self.assertEqual(
            "GET / never came; wanted at least once. In this test no request came.\n"
            "there was no wait, as it would block the event loop of this test; "
            "write await self.assertLiveRequestedAsync(…)",
            str(caught.exception),
        )
        later = asyncio.create_task(asyncio.to_thread(self.live.get, "/"))
        self.assertEqual("/", (await self.assertLiveRequestedAsync("GET", "/", status=200)).path)
        await later
        self.assertEqual("/", self.assertLiveRequested("GET").path)

    async def test_refused(self) -> None:
        """The plain forms of the others say what to write."""
        with self.assertRaisesRegex(UsageError, r"write await self\.live_server\.wait_until_idle_async"):
            self.live_server.wait_until_idle()
        with self.assertRaisesRegex(UsageError, r"write await self\.assertNoLiveErrorsAsync"):
            self.assertNoLiveErrors()
        expected = self.expectLiveErrors(ValueError)
        with self.assertRaisesRegex(UsageError, r"write async with self\.expectLiveErrors"), expected:
            pass
        with self.assertRaisesRegex(TypeError, "unexpected keyword argument 'timeot'. Did you mean 'timeout'?"):
            self.assertLiveRequested("GET", timeot=1)  # type: ignore[call-arg]


class OutputTest(NoLeaks):
    """What the application logs."""

    def test_log(self) -> None:
        """What is logged while a request is handled is the output of its test, tracebacks and all."""
        log = logging.getLogger("tests.shop")

        def sell(environ: Any, start: Any) -> Any:
            try:
                raise ValueError("sold out")
            except ValueError:
                log.exception("nothing left")
            return answer(start)

        def test(self: Any) -> None:
            with self.assertLogs("tests.other"):
                logging.getLogger("tests.other").warning("not the application")
            logging.getLogger("tests").addHandler(logging.NullHandler())
            self.live.get("/sell")
            self.live_server.wait_until_idle()
            self.assertRegex(
                self.live_server.output, r"\AERROR tests\.shop: nothing left\nTraceback[^$]*ValueError: sold out\n\Z"
            )
            logging.getLogger("tests").warning("not the application either")
            self.assertNotIn("either", self.live_server.output)

        handlers = list(logging.getLogger().handlers)
        run_live(test, app=make_app(sell=sell)).assert_passed()
        self.assertEqual(handlers, logging.getLogger().handlers)


class ConfigurationTest(NoLeaks):
    """Where the server listens, and what its URLs say."""

    def test_external_host(self) -> None:
        """URLs name the host by which clients know the server; a wildcard address is none."""

        def test(self: Any) -> None:
            self.assertEqual(f"http://shop.test:{self.live_server.port}/a?b=1", self.live_url("/a", b=1))
            self.assertEqual(f"ws://shop.test:{self.live_server.port}/ws", self.live_ws_url("ws"))

        run_live(test, live_external_host="shop.test").assert_passed()
        with mock.patch.dict("os.environ", LIVESERVER_EXTERNAL_HOST="shop.test"):
            run_live(test).assert_passed()
        with self.assertWarnsRegex(WildcardAddressWarning, "listens on every interface: other machines can reach it"):
            server = LiveServer(make_app(), "0.0.0.0")
            server.start()
        self.addCleanup(server.stop)
        self.assertEqual(f"http://127.0.0.1:{server.port}", server.url)
        self.assertEqual(200, requests.get(server.url, timeout=30).status_code)

    def test_tls(self) -> None:
        """Over TLS the session trusts the server, and the URLs say so."""

        def test(self: Any) -> None:
            self.assertRegex(self.live_url("/x"), "^https://127.0.0.1:")
            self.assertRegex(self.live_ws_url("/x"), "^wss://127.0.0.1:")
            self.assertEqual(200, self.live.get("/").status_code)
            url = f"https://localhost:{self.live_server.port}/"
            self.assertEqual(200, requests.get(url, verify=self.live_server.ca_file, timeout=30).status_code)

        run_live(test, live_tls=True, live_ready_path="/").assert_passed()
        with mock.patch.dict("os.environ", LIVESERVER_TLS="yes"):
            run_live(test).assert_passed()

    def test_tls_by_another_name(self) -> None:
        """The certificate is also for the name by which clients know the server, however it is run."""

        apart: dict[str, Any] = {"mode": "process", "start_timeout": 6 * HANG}
        for app, options in (
            (make_app(), {}),
            (make_lifespan_app(), {}),
            ("tests.integration.apps:make_app()", apart),
        ):
            with self.subTest(app=app):
                with LiveServer(app, tls=True, external_host="shop.test", **options) as server:
                    context = server.client_context()
                    assert context is not None
                    with socket.create_connection((server.host, server.port), timeout=30) as connection:
                        with context.wrap_socket(connection, server_hostname="shop.test") as secured:
                            self.assertIn(("DNS", "shop.test"), secured.getpeercert()["subjectAltName"])

    def test_ready_path(self) -> None:
        """A start waits until the application says that it is ready; its errors until then are nobody's."""
        asked: list[int] = []

        def health(environ: Any, start: Any) -> Any:
            asked.append(1)
            if len(asked) < 3:
                raise RuntimeError("not yet")
            return answer(start)

        app = make_app(health=health)
        run_live(lambda self: self.assertEqual(3, len(asked)), app=app, live_ready_path="/health").assert_passed()

    def test_ready_path_in_a_test(self) -> None:
        """The requests of a start are none of the test's, and an error of the test is not forgotten."""

        def test(self: Any) -> None:
            self.live.get("/boom")
            self.live_server.restart()
            self.assertEqual(["/boom"], [request.path for request in self.live_server.requests])

        self.assertIn("GET /boom: RuntimeError: kaboom", run_live(test, live_ready_path="/").report)
        with LiveServer(
            "tests.integration.apps:make_app()", mode="process", ready_path="/", start_timeout=6 * HANG
        ) as server:
            requests.get(server.url_for("/boom"), timeout=30)
            server.stop()
            server.start()
            found = [record.path for record in server.journal.entries(server.journal.window)]
            self.assertEqual((["/boom"], ["/boom"]), (found, [record.path for record, _ in server.take_errors()]))

    def test_never_ready(self) -> None:
        """One that never is fails the class, with what it answered and raised."""
        outcome = run_live(lambda self: None, live_ready_path="/boom", live_start_timeout=0.5)
        self.assertEqual({"run": 0, "errors": 1}, outcome.summary)
        self.assertIn("RuntimeError: kaboom", outcome.report)
        wanted = (
            "ServerStartError: <LiveServer running at http://127.0.0.1:PORT> is not ready after 0.5 s: "
            "GET /boom: it answered 500; wanted a status below 500\n(for Case.live_server)"
        )
        self.assertTrue(outcome.report.endswith(wanted), outcome.report)

    def test_never_ready_and_slow_at_last(self) -> None:
        """What it answered is said without secrets, and not that the last look had no time to be answered."""
        freed = threading.Event()
        self.addCleanup(freed.set)
        waits = iter([0.0])

        def health(environ: Any, start: Any) -> Any:
            freed.wait(next(waits, HANG))
            return answer(start, "not yet", "503 Service Unavailable")

        server = LiveServer(make_app(health=health), ready_path="/health?token=hunter2", start_timeout=0.5)
        with self.assertRaisesRegex(ServerStartError, r"0\.5 s: GET /health\?token=\*{3}: it answered 503; wanted"):
            server.start()

    def test_ready_path_with_replaced_sockets(self) -> None:
        """It is asked with sockets of our own, also while a test has replaced those of the standard library."""
        for tls in (False, True):
            with self.subTest(tls=tls), mock.patch("socket.socket"), mock.patch("socket.create_connection"):
                with LiveServer(make_app(), ready_path="/", tls=tls) as server:
                    self.assertEqual(1, len(server.journal.entries()))

    def test_request_context(self) -> None:
        """What a class puts around each request is entered in the thread that handles it."""
        here = threading.local()
        paths: list[str] = []

        @contextlib.contextmanager
        def around(cls: Any, request: Any) -> Iterator[None]:
            paths.append(request.path)
            here.user = "ann"
            yield
            del here.user

        def test(self: Any) -> None:
            self.assertEqual("ann", self.live.get("/who").text)

        app = make_app(who=lambda environ, start: answer(start, here.user))
        run_live(test, app=app, live_request_context=classmethod(around)).assert_passed()
        self.assertEqual(["/who"], paths)


class FlaskURLs(NoLeaks):
    """``live_url_for`` and Flask's own ``url_for``."""

    def make_app(self, name: str | None = None) -> flask.Flask:
        app = flask.Flask("shop")
        app.config["SERVER_NAME"] = name
        app.add_url_rule("/here", "here", lambda: flask.url_for("here", _external=True))
        app.add_url_rule("/orders/<int:number>", "order", str)
        return app

    def test_in_contexts(self) -> None:
        """Each has the live address: Flask's own in a request, or a context for it, whatever SERVER_NAME says."""

        def test(self: Any) -> None:
            self.assertEqual(self.live_url("/here"), self.live.get("/here").text)
            with self.live_server.app.test_request_context(base_url=self.live_url()):
                self.assertEqual(self.live_url("/here"), flask.url_for("here", _external=True))

        def test_named(self: Any) -> None:
            self.assertEqual(self.live_url("/orders/7?full=1"), self.live_url_for("order", number=7, full=1))
            with self.live_server.request_context("/here?full=1"):
                self.assertEqual(self.live_url("/here"), flask.url_for("here", _external=True))
                self.assertEqual(("here", "1"), (flask.request.endpoint, flask.request.args["full"]))

        named = self.make_app("shop.example")
        for members in ({}, {"live_tls": True}, {"live_external_host": "localhost"}):
            with self.subTest(members=members):
                run_live(test, app=self.make_app(), **members).assert_passed()
                run_live(test_named, app=named, **members).assert_passed()
        self.assertEqual("shop.example", named.config["SERVER_NAME"])

    def test_server_name(self) -> None:
        """In an application context it has the live address if `create_app` has set SERVER_NAME to it."""

        def test(case: Any) -> None:
            with case.live_server.app.app_context():
                case.assertEqual(case.live_url("/here"), flask.url_for("here", _external=True))
            case.assertEqual(case.live_url("/here"), case.live.get("/here").text)

        create_app = classmethod(lambda cls: self.make_app("{}:{}".format(*cls.live_server.address)))
        run_live(test, create_app=create_app).assert_passed()


class ExternalURL(NoLeaks):
    """``LIVESERVER_URL``: the same tests against a server that somebody else runs."""

    def test_it(self) -> None:
        """Tests that only talk to the server run; those that look inside of it skip, and say why."""

        def talk(self: Any) -> None:
            self.assertEqual(200, self.live.get("/").status_code)
            self.assertEqual(self.live_server.url_for("/a"), self.live_url("/a"))

        needing: dict[str, Callable[[Any], Any]] = {
            "live_server.requests": lambda case: case.live_server.requests,
            "live_server.restart": lambda case: case.live_server.restart(),
            "expectLiveErrors()": lambda case: case.expectLiveErrors(ValueError).__enter__(),
            "live_server.journal": lambda case: case.live_server.journal.clear(),
            "live_url_for()": lambda case: case.live_url_for("index"),
        }
        tests = {f"test_{number}": look for number, look in enumerate(needing.values())}
        with LiveServer(make_app()) as server, mock.patch.dict("os.environ", LIVESERVER_URL=f"{server.url}/"):
            outcome = run_live(talk, create_app=classmethod(self.fail), **tests)
            self.assertEqual({"run": 6, "skipped": 5}, outcome.summary, outcome.printed)
            self.assertEqual(
                [f"{what} needs a server of ours, and LIVESERVER_URL is {server.url}" for what in needing],
                [reason for _, reason in outcome.result.skipped],
            )
            self.assertTrue(server.is_running)

    def test_trust(self) -> None:
        """Clients that ask whom to trust are told: whom this machine trusts, and not our authority."""

        def test(self: Any) -> None:
            self.assertIsNone(self.live_server.ca_file)
            context = self.live_server.client_context()
            if self.live_url().startswith("http:"):
                self.assertIsNone(context)
                return
            self.assertEqual((True, ssl.CERT_REQUIRED), (context.check_hostname, context.verify_mode))
            with self.assertRaisesRegex(urllib.error.URLError, "CERTIFICATE_VERIFY_FAILED"):
                urllib.request.urlopen(self.live_url(), context=context, timeout=30)

        for tls in (False, True):
            with self.subTest(tls=tls), LiveServer(make_app(), tls=tls) as server:
                with mock.patch.dict("os.environ", LIVESERVER_URL=server.url):
                    run_live(test).assert_passed()

    def test_nonsense(self) -> None:
        """What is no URL is refused."""
        with mock.patch.dict("os.environ", LIVESERVER_URL="staging"):
            self.assertIn(
                "UsageError: the environment variable LIVESERVER_URL is 'staging'; wanted a base URL, "
                "such as https://staging.example.com",
                run_live(lambda self: None).report,
            )


class Misuse(NoLeaks):
    """What cannot be."""

    def test_classes(self) -> None:
        """A class that asks for what cannot be is told why, and what to do."""

        def leave(cls: Any) -> Any:
            raise SystemExit(3)

        def skip(cls: Any) -> Any:
            raise unittest.SkipTest("not here")

        def ask(question: Any) -> Any:
            def set_up(cls: Any) -> None:
                super(cls, cls).setUpClass()
                question(cls)

            return classmethod(set_up)

        configured = make_app()
        configured.config["LIVESERVER_PORT"] = "any"
        early, live_early = ask(lambda cls: cls.live_url()), ask(lambda cls: cls.live.get("/"))
        members: dict[str, Any]
        for members, message in (
            (
                {"live_scope": "suite"},
                "UsageError: Case.live_scope is 'suite'; wanted one of 'test', 'function', 'class',",
            ),
            (
                {"live_scope": "test", "setUpClass": early},
                "live_server is not there: with live_scope = 'test' each test gets a server of its own, when it begins",
            ),
            ({"setUpClass": live_early}, "Case.live is one test's own: use it in setUp() or in a"),
            ({"app": configured}, "config['LIVESERVER_PORT'] is 'any'; wanted a whole number, 0 or more"),
            ({"create_app": classmethod(leave)}, "Case.create_app() raised SystemExit: 3"),
        ):
            with self.subTest(message=message):
                self.assertIn(message, run_live(lambda _: None, **members).report)
        self.assertEqual({"run": 0, "skipped": 1}, run_live(lambda _: None, create_app=classmethod(skip)).summary)
        report = run_live(lambda self: self.live_url_for("order")).report
        self.assertRegex(report, r"Case's application is <.*>, and not Flask's: use live_url\(\) with the path")

    def test_server(self) -> None:
        """A LiveServer says what it was given and what it wants."""
        for options, message in (
            ({"app": "shop"}, "'shop' is no import string; wanted 'package.module:attribute', or"),
            ({"app": "no_such:app"}, "'no_such:app' cannot be loaded: there is no module 'no_such'. "),
            ({"app": "tests.integration.apps:nix"}, "cannot be loaded: tests.integration.apps has no attribute 'nix'"),
            ({"app": make_app(), "interface": "cgi"}, "interface is 'cgi'; wanted 'auto', 'wsgi' or 'asgi'"),
            ({"app": make_app(), "external_host": "http://shop.test"}, "external_host is 'http://shop.test'; wanted a"),
            ({"app": make_app(), "around": 5}, "around is 5; wanted a function of a request's record, or None"),
            ({"app": make_app(), "ready_path": 5}, "ready_path is 5; wanted a path such as '/health', or None"),
            ({"app": make_app(), "capture": "no"}, "capture is 'no'; wanted True or False"),
        ):
            with self.subTest(options=options), self.assertRaisesRegex(UsageError, re.escape(message)):
                LiveServer(**options)
        with LiveServer(make_app()) as server:
            self.assertTrue(server.url_for("/a", b=[b"\xe9", "x"]).endswith("/a?b=%E9&b=x"))
            with self.assertRaisesRegex(UsageError, "^path is None; wanted a text such as '/users/1'$"):
                server.url_for(None)  # type: ignore[arg-type]
