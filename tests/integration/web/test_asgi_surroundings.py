"""What an ASGI server does not do to others: logging, warnings, the environment; its options, and what is missing."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
import unittest
from typing import Any
from unittest import mock

from freezegun import freeze_time

from liveserver_testcase.errors import ServerStartError, UsageError
from liveserver_testcase.web.asgi import ASGIServer
from tests.integration.web.asgi_case import PARSERS, ASGICase, answer, tell
from tests.integration.web.wire import GET
from tests.support import HANG, run_python, wait_until


class FrozenTime(ASGICase):
    """While the clocks stand still."""

    def test_timers_and_dates(self) -> None:
        """An application's own timers run out, and the date of a response is the frozen one."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.sleep(0.01)
            await answer(send)

        for parser in PARSERS:
            with self.subTest(parser=parser), freeze_time("2001-02-03"):
                self.serve(app, parser)
                response = self.get()
                self.assertEqual("hello", response.text)
                self.assertEqual("Sat, 03 Feb 2001 00:00:00 GMT", response.headers["Date"])
                self.server.stop()


class Options(ASGICase):
    """What is handed to uvicorn, and what is not."""

    def test_they_are_used(self) -> None:
        """A root path, headers of the server's, another parser; Date and Server can be left out."""
        for http in PARSERS:
            with self.subTest(http=http):
                self.serve(tell, options={"root_path": "/api", "headers": [("X-Test", "yes")], "http": http})
                response = self.get("/path?a=b")
                self.assertEqual("/api", response.json()["root_path"])
                self.assertEqual("yes", response.headers["X-Test"])
                self.assertIn("uvicorn", response.headers["Server"])
                self.assertEqual("/path?a=b", self.only().target)
        self.serve(tell, options={"date_header": False, "server_header": False})
        self.assertEqual({"content-type", "content-length"}, {name.lower() for name in self.get().headers})

    def test_refused(self) -> None:
        """A misspelt option is answered with the one that was meant, one that is ours with what to use instead."""
        ours = "the uvicorn option {!r} cannot be set here"
        for name, wanted in {
            "ws_max_sise": "the uvicorn option 'ws_max_sise' is unknown: did you mean 'ws_max_size'?",
            "zzz": "the uvicorn option 'zzz' is unknown: known are date_header, ",
            **dict.fromkeys(("host", "port"), f"{ours}: use host and port"),
            **dict.fromkeys(("ssl_keyfile", "ssl_ca_certs"), f"{ours}: use tls"),
            "workers": f"{ours}: the server is one thread of this process",
            "log_config": f"{ours}: configure the logger uvicorn.error",
            "access_log": f"{ours}: requests are kept in the server's journal",
            "timeout_graceful_shutdown": f"{ours}: use stop_timeout",
            **dict.fromkeys(("reload_dirs", "limit_max_requests", "loop", "env_file", "factory", "fd"), ours),
        }.items():
            text = wanted.format(name)
            with self.subTest(option=name), self.assertRaisesRegex(UsageError, f"^{re.escape(text)}"):
                ASGIServer(tell, options={name: 1})

    def test_the_environment_is_not_asked(self) -> None:
        """``WEB_CONCURRENCY``, which uvicorn reads, has no say."""
        with mock.patch.dict(os.environ, {"WEB_CONCURRENCY": "many"}):
            self.serve(tell)
        self.assertEqual(200, self.get().status_code)

    def test_a_protocol_that_is_not_installed(self) -> None:
        """An option that needs what is not there is an error that says so."""
        for http in ("nowhere.to_be:found", "json:nothing", "h12"):
            with self.subTest(http=http):
                wanted = f"^uvicorn cannot work with the options {re.escape(repr({'http': http}))}: [A-Za-z]+: "
                with self.assertRaisesRegex(ServerStartError, wanted) as caught:
                    ASGIServer(tell, options={"http": http})
                self.assertIsNotNone(caught.exception.__cause__)


class Logging(ASGICase):
    """The configuration of logging is left alone."""

    def test_it_is_not_touched(self) -> None:
        """Loggers, their levels, handlers and propagation are what they were."""
        names = ("", "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "asyncio", "websockets")
        loggers = [logging.getLogger(name) for name in names]

        def state() -> list[object]:
            handlers = [[h for h in logger.handlers if not isinstance(h, logging.NullHandler)] for logger in loggers]
            facts = [(logger.level, logger.propagate, logger.disabled) for logger in loggers]
            return [handlers, facts]

        before = state()
        self.serve(tell)
        self.get()
        self.server.stop()
        self.assertEqual(before, state())

    def test_what_uvicorn_says_can_be_heard(self) -> None:
        """`assertLogs` hears what uvicorn has to say."""
        self.serve(tell, options={"limit_concurrency": 1})
        with self.assertLogs("uvicorn.error", "WARNING") as logs:
            self.assertEqual(503, self.get().status_code)
        self.assertEqual(["WARNING:uvicorn.error:Exceeded concurrency limit."], logs.output)

    def test_nothing_is_printed(self) -> None:
        """Errors, nonsense and a stop with work in flight print nothing, also where nobody has configured logging."""
        done = run_python(
            """
            import contextlib, socket, warnings
            from liveserver_testcase.web.asgi import ASGIServer

            async def app(scope, receive, send):
                assert scope["type"] == "http"
                if scope["path"] == "/half":
                    await send({"type": "http.response.start", "status": 200, "headers": []})
                raise ValueError("boom")

            with ASGIServer(app) as server:
                for line in (b"nonsense", b"GET / HTTP/1.1\\r\\nHost: a", b"GET /half HTTP/1.1\\r\\nHost: a"):
                    with socket.create_connection(server.address, 10) as client:
                        client.sendall(line + b"\\r\\n\\r\\n")
                        if client.recv(1000):  # the rest may follow, and the end of the connection
                            with contextlib.suppress(OSError):
                                client.shutdown(socket.SHUT_WR)
                        while client.recv(1000):
                            pass
                print(len(server.journal), len(server.take_errors()))
            """
        )
        self.assertEqual("3 2\n", done.stdout + done.stderr)


class Extras(unittest.TestCase):
    """Without uvicorn."""

    def test_it_is_missing(self) -> None:
        """The message says what to install; the package and its WSGI side do without."""
        done = run_python(
            """
            import sys
            sys.modules["uvicorn"] = None
            import liveserver_testcase
            from liveserver_testcase.web.wsgi import WSGIServer
            from liveserver_testcase.web.application import detect_interface
            from liveserver_testcase.web.asgi import ASGIServer
            from liveserver_testcase.errors import ServerStartError

            async def app(scope, receive, send): ...

            print(detect_interface(app))
            try:
                ASGIServer(app)
            except ServerStartError as error:
                print(error)
                print(type(error.__cause__).__name__)
            """
        )
        self.assertEqual("", done.stderr)
        interface, message, cause = done.stdout.splitlines()
        self.assertEqual(("asgi", "ModuleNotFoundError"), (interface, cause))
        self.assertRegex(
            message,
            r"^an ASGI application needs uvicorn, which cannot be imported \(.+\)\. "
            r"Install liveserver-testcase\[asgi\]\.$",
        )


class Stacks(ASGICase):
    """Where an application waits."""

    def stack(self) -> str:
        return "".join(self.server.stack_of(record) for record in self.server.in_flight)

    def test_where_it_waits(self) -> None:
        """Coroutines that wait for each other, from the outside to the inside; generators, and tasks."""

        async def innermost() -> None:
            await asyncio.get_running_loop().create_future()

        async def generate() -> Any:
            await innermost()
            yield 1

        async def through_coroutines() -> None:
            await innermost()

        async def through_generators() -> None:
            async for _ in generate():
                pass

        async def through_tasks() -> None:
            await asyncio.get_running_loop().create_task(innermost())

        for wait in (through_coroutines, through_generators, through_tasks):
            with self.subTest(wait=wait.__name__):

                async def app(scope: Any, receive: Any, send: Any, wait: Any = wait) -> None:
                    await wait()

                self.serve(app, "auto")
                self.begin()
                self.assertTrue(wait_until(lambda: "in innermost\n" in self.stack()), self.stack())
                stack = self.stack()
                self.assertLess(stack.index("in app\n"), stack.index(f"in {wait.__name__}\n"))
                self.assertLess(stack.index(f"in {wait.__name__}\n"), stack.index("in innermost\n"))
                self.server.close_connections()
                self.stop_warned(0.0)

    def test_a_blocked_loop(self) -> None:
        """An application that blocks the loop is where the loop's thread is."""
        freed = threading.Event()
        self.addCleanup(freed.set)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            freed.wait(HANG)

        self.serve(app, "auto")
        client = self.client().send(GET)
        self.assertTrue(wait_until(lambda: "freed.wait(HANG)\n" in self.stack()))
        self.assertRegex(self.stack(), r'^  File ".+", line [0-9]+, in app\n')
        freed.set()
        self.assertEqual(500, client.answer().status)
