"""Twenty mistakes that people make, each planted in a test class: the text of the failure alone says what is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import itertools
import logging
import smtplib
import socket
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

import requests
from websockets.sync.client import connect

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase
from tests.integration.apps import answer, make_app
from tests.integration.cases.toys import nothing
from tests.integration.mail.mailing import make_mail
from tests.integration.running import make_case, run_case
from tests.support import HANG, NoLeaks


def send(server: Any, to: str) -> None:
    """Send a mail."""
    with smtplib.SMTP(server.host, server.port, timeout=HANG) as client:
        client.send_message(make_mail(to=to))


def wrong_port(_case: Any) -> None:
    """Connect to where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = other.getsockname()
    socket.create_connection(address, timeout=HANG)


def wrong_scheme(case: Any) -> None:
    """Speak TLS to a server without it."""
    requests.get(case.live_url("/").replace("http:", "https:"), timeout=HANG)


Mistake = tuple[str, "type | tuple[type, ...]", dict[str, Any], tuple[str, ...]]


class PlantedMistakes(NoLeaks):
    """Whoever makes one of these reads its name in the report."""

    def check(self, *mistakes: Mistake) -> None:
        """Run each mistake: its name, the bases and members of its class, and what its one report says."""
        for name, bases, members, texts in mistakes:
            bases = bases if isinstance(bases, tuple) else (bases,)
            if LiveServerTestCase in bases and "create_app" not in members:
                members = {"app": make_app(), **members}
            with self.subTest(name):
                report = run_case(make_case(*bases, **{"test": nothing, **members})).report
                for text in texts:
                    self.assertIn(text, report)

    def test_in_a_test_of_an_application(self) -> None:
        """A wrong port, a path twice, and names that there are none of."""

        def doubled_path(self: Any) -> None:
            self.assertEqual(200, requests.get(f"{self.live_url('/hello')}/hello", timeout=HANG).status_code)

        def misspelt(self: Any) -> None:
            self.live_ulr("/")

        def keyword(self: Any) -> None:
            self.assertLiveRequested("GET", "/", tmies=1)

        live, sent = LiveServerTestCase, "the live server at http://127.0.0.1:PORT was sent no request"
        self.check(
            ("01 a wrong port", live, {"test": wrong_port}, ("Connection refused", sent)),
            ("02 a doubled path", live, {"test": doubled_path}, ("200 != 404", "GET /hello/hello -> 404")),
            ("16 an attribute", live, {"test": misspelt}, ("no attribute 'live_ulr'", "did you mean self.live_url?")),
            ("18 a keyword", live, {"test": keyword}, ("keyword argument 'tmies'", "Did you mean 'times'?")),
            (
                "02 doubled slashes",
                live,
                {
                    "test": lambda case: case.assertEqual(
                        200, requests.get(f"{case.live_url()}/no", timeout=HANG).status_code
                    )
                },
                ("GET //no -> 404", "slashes are doubled: live_url() ends with one, live_server.url with none"),
            ),
            (
                "18 of a block",
                live,
                {"test": lambda case: case.expectLiveErrors(KeyError, tmies=1)},
                ("expectLiveErrors() got an unexpected keyword argument 'tmies'. Did you mean 'times'?",),
            ),
            (
                "16 of a mixin that is not there",
                live,
                {"test": lambda case: case.stub.on("GET", "/")},
                ("no attribute 'stub'", "self.stub comes from HTTPStubTestCase: derive Case from it too"),
            ),
            (
                "19 braces",
                live,
                {"test": lambda case: case.assertLiveRequested("GET", "/users/{id}", timeout=0)},
                ("GET /users/{id} never came", "a path has no placeholders; a pattern is written re.compile(…)"),
            ),
            (
                "01 a wrong scheme",
                live,
                {"test": wrong_scheme},
                ("a request that could not be made out -> 400 (a TLS handshake on a port that speaks plain HTTP)",),
            ),
        )

    def test_python_adds_no_other_suggestion(self) -> None:
        """It looks at private names as well, and takes another for the nearest."""
        mixins = LiveServerTestCase, HTTPStubTestCase, SMTPTestCase
        calls: list[Callable[[Any], object]] = [
            lambda case: case.live_ulr("/"),
            lambda case: case.stub.exepct("GET", "/"),
            lambda case: case.smtp.rejectt("ann@example.com"),
        ]
        for call, meant in zip(calls, ("self.live_url", "'expect'", "'reject_auth'"), strict=True):
            report = run_case(make_case(*mixins, app=make_app(), test=call)).report
            self.assertEqual(1, report.lower().count("did you mean"), report)
            self.assertIn(f"did you mean {meant}?", report)

    def test_in_a_test_of_a_client(self) -> None:
        """The report of a stub has what was asked for, and the nearest expectation."""

        def plant(method: str, path: str, sent_path: str, times: int = 1, wanted: Any = None, sent: Any = None) -> Any:
            def test(self: Any) -> None:
                criteria = {} if wanted is None else {"json": wanted}
                self.stub.expect(method, path, **criteria).reply(json=1)
                for _ in range(times):
                    requests.request(method, self.stub.url_for(sent_path), json=sent, timeout=HANG)

            return {"test": test}

        stub, typo, number = HTTPStubTestCase, {"emial": "ann@example.com"}, {"age": "42"}
        email = {"email": "ann@example.com"}
        self.check(
            ("01 a wrong port", stub, {"test": wrong_port}, ("refused", "code under test use http://127.0.0.1:PORT?")),
            ("02 a doubled path", stub, plant("GET", "/v1/x", "/v1/v1/x"), ("GET /v1/v1/x", "'/v1/x'")),
            ("03 a typo", stub, plant("POST", "/", "/", wanted=email, sent=typo), ("emial", "email")),
            ("04 a str", stub, plant("POST", "/", "/", wanted={"age": 42}, sent=number), ("$.age", "42", '"42"')),
            ("05 used up", stub, plant("GET", "/x", "/x", times=2), ("GET /x", "1")),
            ("19 braces", stub, plant("GET", "/users/{id}", "/users/7"), ("/users/{id}", "<name>")),
        )

    def test_in_a_test_of_mail(self) -> None:
        """Mail to somebody else is shown with its recipient; where nobody connected, Django's setting is named."""

        def wrong_address(self: Any) -> None:
            send(self.smtp, to="bob@example.com")
            self.assertEmailSent(to="ann@example.com", timeout=0)

        def locmem(self: Any) -> None:
            self.assertEmailSent(to="ann@example.com", timeout=0)

        none = "mail server smtp://127.0.0.1:PORT: no email came in this test, and no connection"
        self.check(
            ("01 a wrong port", SMTPTestCase, {"test": wrong_port}, ("Connection refused", none)),
            ("06 wrong address", SMTPTestCase, {"test": wrong_address}, ("ann@example.com", "bob@example.com")),
            ("07 locmem", SMTPTestCase, {"test": locmem}, ("connect", "locmem")),
        )

    def test_in_the_making_of_an_application(self) -> None:
        """What is no application, or does not come to be one."""

        def method(self: Any) -> Any:
            return make_app()

        def app_method(self: Any, environ: Any, start_response: Any) -> Any:
            return answer(start_response, "hello")

        async def coroutine(cls: Any) -> Any:
            return make_app()

        def make() -> Any:
            return make_app()

        def make_with_options(config: Any = None, debug: bool = False) -> Any:
            return make_app()

        def wants_config(cls: Any, config: Any) -> Any:
            return make_app()

        def generator(cls: Any) -> Any:
            yield make_app()

        class Frame:
            def __init__(self, name: str) -> None:
                pass

        without = "Case.create_app() is called without arguments, and "
        live, above, module = LiveServerTestCase, "Case.create_app() is called for the class", "tests.no_such_module"
        none, late = classmethod(nothing), classmethod(coroutine)
        no_setting = (
            "UsageError: Case.live_prot = 8000 is no setting, and would do nothing: did you mean live_port? "
            "If it is an attribute of your own, give it another name."
        )
        is_none, is_late = "Case.create_app() returned None", "Case.create_app() is a coroutine function"
        self.check(
            ("08 no super()", live, {"setUpClass": none}, ("it must call super().setUpClass() first",)),
            ("09 a method", live, {"create_app": method}, (above, "write @classmethod above it")),
            ("09 a property", live, {"create_app": property(method)}, (above, "above it, and no @property")),
            ("10 None", live, {"create_app": none}, (f"{is_none}: is `return app` missing at its end?",)),
            ("11 async", live, {"create_app": late}, (is_late, "no event loop runs yet: write it without async, and")),
            ("12 a factory", live, {"app": make}, ("make", "Is it a factory?")),
            ("12 with options", live, {"app": make_with_options}, ("make_with_options", "Is it a factory?")),
            ("12 with an argument", live, {"app": lambda config: make_app()}, ("takes (config)", "Is it a factory?")),
            ("12 a class", live, {"app": Frame}, ("is a class, and takes (name)", "Hand over an object of it.")),
            ("09 with an argument", live, {"create_app": classmethod(wants_config)}, (without, "wants config: give")),
            ("09 the application", live, {"create_app": make_app()}, ("is an application", "name it app")),
            ("10 a str", live, {"create_app": classmethod(lambda cls: "shop:app")}, ("write app = 'shop:app' in its",)),
            ("10 a generator", live, {"create_app": classmethod(generator)}, ("write return in place of yield",)),
            ("13 a method", live, {"app": app_method}, ("Case.app is a method with self", "create_app()")),
            ("13 a property", live, {"app": property(method)}, ("Case.app is a property with self", "create_app()")),
            ("14 no module", live, {"app": f"{module}:app"}, (f"there is no module {module!r}",)),
            ("14 no such name", live, {"app": "tests.integration.apps:mak_app"}, ("did you mean 'make_app'?",)),
            ("16 no setting", live, {"live_prot": 8000}, (no_setting,)),
            ("16 two letters", SMTPTestCase, {"smtp_tsl": "starttls"}, ("did you mean smtp_tls?",)),
            ("16 another spelling", live, {"liveMode": "process"}, ("did you mean live_mode?",)),
        )
        with mock.patch("importlib.import_module", side_effect=ZeroDivisionError("by zero")):
            raises = "importing tests.integration.apps raised ZeroDivisionError: by zero"
            self.check(("14 that raises", live, {"app": "tests.integration.apps:app"}, (raises,)))
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = {"live_port": other.getsockname()[1]}
            self.check(("15 a taken port", live, port, ("ServerStartError", "in use")))

    def test_17_a_misspelt_hook(self) -> None:
        """Methods that nobody would ever call."""
        for base, name, meant in (
            (HTTPStubTestCase, "configure_stubs", "configure_stub"),
            (LiveServerTestCase, "live_request_contex", "live_request_context"),
            (LiveServerTestCase, "createApp", "create_app"),
            (LiveServerTestCase, "setup_class", "setUpClass"),
        ):
            text = f"Case.{name}() is never called: did you mean {meant}()?"
            self.check((name, base, {name: classmethod(nothing)}, (text,)))
        for name, meant in ("setup", "setUp"), ("tear_down", "tearDown"):
            self.check(
                (name, SMTPTestCase, {name: nothing}, (f"Case.{name}() is never called: did you mean {meant}()?",))
            )
        stub, called = HTTPStubTestCase, "Case.configure_stub() is called with the stub"
        self.check(
            ("no stub", stub, {"configure_stub": classmethod(nothing)}, (called, "write configure_stub(cls, stub)")),
            ("no mixin", LiveServerTestCase, {"configure_stub": classmethod(nothing)},
             ("Case.configure_stub() is never called: derive Case from HTTPStubTestCase too",)),
            ("no super()", stub, {"run": lambda self, result=None: result}, ("write super().run(result) in it",)),
        )  # fmt: skip

    def test_hooks_that_a_decorator_hands_arguments(self) -> None:
        """What they take is not all that they are called with."""

        def create_app(cls: Any, platform: Any) -> Any:
            return make_app()

        def configure_stub(cls: Any, stub: Any, platform: Any) -> None:
            stub.on("GET", "/").reply(204)

        hooks = {hook.__name__: classmethod(mock.patch("sys.platform")(hook)) for hook in (create_app, configure_stub)}
        run_case(make_case(LiveServerTestCase, HTTPStubTestCase, test=nothing, **hooks)).assert_passed()

    def test_what_is_no_mistake(self) -> None:
        """Methods and constants of a class's own that are merely called like a hook or a setting."""

        def setup(self: Any, name: str) -> None:
            pass

        def calls(self: Any) -> None:
            self.setup()
            self.configure_stub()

        def create_app(cls: Any, config: dict[str, Any]) -> Any:
            return make_app()

        @functools.wraps(create_app)
        def create_configured_app(cls: Any) -> Any:
            return create_app(cls, {})

        create_configured_app.__signature__ = inspect.signature(create_app)  # type: ignore[attr-defined]
        fixture = functools.wraps(nothing)(lambda self: self.assertTrue(self.smtp.port))
        mixin = type("Mixin", (), {"configure_stub": classmethod(nothing)})
        own = {"app": make_app(), "test": nothing}
        for name, bases, members in (
            ("it takes something", (SMTPTestCase,), {"setup": setup, "test": nothing}),
            ("the tests call it", (LiveServerTestCase,),
             {**own, "setup": nothing, "configure_stub": classmethod(nothing), "test": calls}),
            ("it is private", (SMTPTestCase,), {"_setup": nothing, "_tear_down": nothing, "test": nothing}),
            ("a decorator calls it", (SMTPTestCase,), {"setup": fixture, "test": nothing}),
            ("of a mixin of many", (mixin, LiveServerTestCase), own),
            ("constants", (SMTPTestCase,), {"SMTP_HOST": "mail", "SMTP_PORT": 25, "test": nothing}),
            ("a decorator gives it", (LiveServerTestCase,),
             {"create_app": classmethod(create_configured_app), "test": nothing}),
        ):  # fmt: skip
            with self.subTest(name):
                run_case(make_case(*bases, **members)).assert_passed()

    def test_attributes_of_a_test_s_own(self) -> None:
        """One that is missing comes from no mixin that has it not."""
        for name in "stub_data", "live_user", "stubs_dir", "smtp_box":
            with self.subTest(name):
                case = make_case(LiveServerTestCase, app=make_app(), test=lambda self, name=name: getattr(self, name))
                report = run_case(case).report
                self.assertIn(f"has no attribute {name!r}", report)
                self.assertNotIn("comes from", report)

    def test_20_an_assertion_that_nobody_awaits(self) -> None:
        """A forgotten ``await``, in each mixin."""
        for base, name, arguments in (
            (LiveServerTestCase, "assertLiveRequested", ("GET", "/")),
            (HTTPStubTestCase, "assertRequested", ("GET", "/")),
            (SMTPTestCase, "assertEmailSent", ()),
        ):

            async def test(self: Any, name: str = name, arguments: tuple[str, ...] = arguments) -> None:
                getattr(self, f"{name}Async")(*arguments)

            place = f"AssertionError: self.{name}Async(…) at test_planted_mistakes.py:"
            advice = f"was never awaited, so it has asserted nothing: write await self.{name}Async(…)"
            self.check((name, (base, unittest.IsolatedAsyncioTestCase), {"test": test}, (place, advice)))

    def test_a_verb_of_a_stub_that_nobody_awaits(self) -> None:
        """A forgotten ``await`` of a stub in a thread or a process, an expectation, a hold, and a WebSocket."""
        calls: dict[str, Callable[[Any], object]] = {
            "stub.verify": lambda stub: stub.verify_async(),
            "stub.take_request": lambda stub: stub.take_request_async(),
            "stub.wait_for_request": lambda stub: stub.defaults().wait_for_request_async("GET", "/"),
            "stub.wait_until_satisfied": lambda stub: stub.wait_until_satisfied_async(),
            "expectation.wait": lambda stub: stub.on("GET", "/").wait_async(),
            "hold.wait": lambda stub: stub.on("GET", "/").hold().wait_async(),
            "ws.wait": lambda stub: stub.on_websocket("/").wait_async(),
            "ws.connection": lambda stub: stub.on_websocket("/").connection_async(),
        }
        for mode, (name, call) in itertools.product(("thread", "process"), calls.items()):
            if mode == "process" and name.startswith("ws."):
                continue  # there are no WebSockets

            async def test(self: Any, call: Callable[[Any], object] = call) -> None:
                call(self.stub)

            place = f"AssertionError: {name}_async(…) at test_planted_mistakes.py:"
            advice = f"was never awaited, so it has done nothing: write await {name}_async(…) in an async def test, or "
            bases = (HTTPStubTestCase, unittest.IsolatedAsyncioTestCase)
            self.check((name, bases, {"test": test, "stub_mode": mode}, (place, f"{advice}{name}(…)")))

        def test_connection(self: Any) -> None:
            script = self.stub.on_websocket("/")
            with connect(self.stub.url_for("/").replace("http", "ws"), proxy=None):
                connection = script.connection()
                for verb in verbs:
                    getattr(connection, f"{verb}_async")()

        verbs = "receive", "ping", "wait_closed"
        texts = [f"connection.{verb}_async(…) at test_planted_mistakes.py:" for verb in verbs]
        self.check(("a connection", HTTPStubTestCase, {"test": test_connection}, tuple(texts)))

    def test_a_call_of_a_live_server_that_does_nothing(self) -> None:
        """A forgotten ``await``, and a forgotten ``with``; nothing is said of one that was not forgotten."""

        async def idle(self: Any) -> None:
            self.live_server.wait_until_idle_async()

        async def right(self: Any) -> None:
            await self.live_server.wait_until_idle_async()
            with self.live_server.down():
                pass

        def allow(self: Any) -> None:
            self.allowUnmatchedRequests("GET", "/")

        bases, server = (LiveServerTestCase, unittest.IsolatedAsyncioTestCase), "self.live_server"
        never = f"{server}.wait_until_idle_async(…) at test_planted_mistakes.py:"
        self.check(
            ("idle", bases, {"test": idle}, (never, f"write await {server}.wait_until_idle_async(…)")),
            ("down", bases, {"test": lambda case: case.live_server.down()}, (f"write with {server}.down(…):",)),
            ("allow", HTTPStubTestCase, {"test": allow}, ("write with self.allowUnmatchedRequests(…):",)),
        )
        run_case(make_case(*bases, app=make_app(), test=right)).assert_passed()

    def test_a_block_of_a_stub_that_nobody_enters(self) -> None:
        """Without ``with``, nothing is in order, in a scope, allowed, or a proxy."""
        for name in ("in_order", "scope", "scope_async", "allow_unmatched", "as_proxy"):

            def test(self: Any, name: str = name) -> None:
                getattr(self.stub, name)()

            place = f"AssertionError: stub.{name}(…) at test_planted_mistakes.py:"
            keyword = "async with" if name == "scope_async" else "with"
            advice = f"is about a block, and there was none: write {keyword} stub.{name}(…):"
            self.check((name, HTTPStubTestCase, {"test": test, "stub_hosts": ["a.example"]}, (place, advice)))

    def test_what_is_awaited_or_entered(self) -> None:
        """In whatever way, at once, as a task, gathered, or cancelled, holds nothing against its test."""

        async def test(self: Any) -> None:
            self.stub.on("GET", "/").reply()
            task = asyncio.create_task(self.stub.verify_async())
            await asyncio.gather(task, self.stub.wait_until_satisfied_async())
            asyncio.create_task(self.stub.take_request_async()).cancel()
            order = self.stub.in_order()
            with contextlib.ExitStack() as stack:
                stack.enter_context(order)
                stack.enter_context(self.stub.allow_unmatched())
            async with self.stub.scope_async():
                pass

        async def test_live(self: Any) -> None:
            self.assertEqual([], await self.assertLiveRequestedAsync(times=0))

        run_case(make_case(HTTPStubTestCase, unittest.IsolatedAsyncioTestCase, test=test)).assert_passed()
        bases = (LiveServerTestCase, unittest.IsolatedAsyncioTestCase)
        run_case(make_case(*bases, app=make_app(), test=test_live)).assert_passed()

    def test_a_coroutine_that_nobody_awaits(self) -> None:
        """An ``async def`` test or ``setUp`` is refused, and so is an ``asyncSetUp`` that nobody calls."""

        async def prepare(self: Any) -> None:
            pass

        live, isolated = LiveServerTestCase, (LiveServerTestCase, unittest.IsolatedAsyncioTestCase)
        plain = "Case.setUp() is a coroutine function, and nobody awaits it: write it without async, or"
        derive = "derive Case from unittest.IsolatedAsyncioTestCase too"
        self.check(
            ("plain", live, {"setUp": prepare}, (plain,)),
            ("isolated", isolated, {"setUp": prepare}, ("write it without async, or name it asyncSetUp()",)),
            ("a test", live, {"test": prepare}, ("Case.test_it() is a coroutine function, and nobody", derive)),
            (
                "a script",
                HTTPStubTestCase,
                {"configure_stub": classmethod(prepare)},
                ("Case.configure_stub() is a cor",),
            ),
            ("uncalled", live, {"asyncSetUp": prepare}, ("Case.asyncSetUp() is never called: derive Case from",)),
        )

    def test_beside_other_frameworks(self) -> None:
        """Django's TestCase, aiohttp's server, a ``run()`` like testtools', and a WebSocket where none is expected."""
        import aiohttp.web
        import django.test

        def run(self: Any, result: Any = None) -> Any:
            return unittest.TestCase.run(self, result)

        def raise_in_the_application(self: Any) -> None:
            self.live.get("/boom")

        def upgrade(self: Any) -> None:
            requests.get(self.stub.url_for("/ws"), headers={"Upgrade": "websocket"}, timeout=HANG)

        live, other = LiveServerTestCase, type("Other", (unittest.TestCase,), {"run": run})
        commits = "Case is a django.test.TestCase, which never commits"
        aiohttp_says = "is neither WSGI nor ASGI: aiohttp has an HTTP server of its own"
        socket_says = "write stub.on_websocket('/ws'), or expect_websocket(…) if it must come: it opens a"
        self.check(
            ("Django", (live, django.test.TestCase), {}, (commits,)),
            ("aiohttp", live, {"app": aiohttp.web.Application()}, (aiohttp_says,)),
            ("a run() before", (other, live), {}, ("name the mixins before Other",)),
            ("a run() behind", (live, other), {"test": raise_in_the_application}, ("the application raised an error",)),
            ("a WebSocket", HTTPStubTestCase, {"test": upgrade}, (socket_says,)),
        )


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
