"""One small suite that every framework passes, and the application that it wants of each.

An application has a page at ``/``, an exception at ``/boom``, a redirect to the page at ``/away``, a stream at
``/stream`` whose second line waits for `gate`, one at ``/broken`` that raises after its first line, and a style sheet
at ``/static/style.css``.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import requests

from liveserver_testcase import LiveServerTestCase
from tests.integration.running import make_case, run_case
from tests.support import HANG

__all__ = ["STATIC", "FrameworkSuite", "boom", "broken", "broken_later", "gate", "lines", "lines_later"]

STATIC = Path(__file__).parent / "static"

gate = threading.Event()


def boom() -> str:
    """What each application does at ``/boom``."""
    raise RuntimeError("kaboom")


def lines() -> Iterator[str]:
    """Two lines; the second when the test has read the first."""
    yield "one\n"
    gate.wait(HANG)
    yield "two\n"


def broken() -> Iterator[str]:
    """One line of two."""
    yield "one\n"
    raise RuntimeError("in the middle")


async def lines_later() -> AsyncIterator[str]:
    """`lines` for a loop."""
    import asyncio

    yield "one\n"
    await asyncio.to_thread(gate.wait, HANG)
    yield "two\n"


async def broken_later() -> AsyncIterator[str]:
    """`broken` for a loop."""
    yield "one\n"
    raise RuntimeError("in the middle")


class FrameworkSuite:
    """Mixed into a class with LiveServerTestCase and IsolatedAsyncioTestCase."""

    def setUp(self: Any) -> None:
        gate.clear()
        self.addCleanup(gate.set)

    def run_test(self: Any, test: Any, *bases: type, app: Any = None) -> str:
        """The report of a test that fails, of another class with this application, or one that `create_app` makes."""
        app = app or type(self).create_app()
        outcome = run_case(make_case(*(bases or (LiveServerTestCase,)), app=app, test=test))
        self.assertEqual({"run": 1, "failures": 1}, outcome.summary, outcome.printed)
        return outcome.report

    def test_page(self: Any) -> None:
        """A page comes as it is."""
        answer = self.live.get("/")
        self.assertEqual((200, "fine"), (answer.status_code, answer.text))
        self.assertLiveRequested("GET", "/", status=200, times=1)

    def test_error(self: Any) -> None:
        """An exception fails the test, with the traceback of the application."""

        def test(case: Any) -> None:
            case.assertEqual(500, case.live.get("/boom").status_code)

        report = self.run_test(test)
        self.assertIn(', in boom\n    raise RuntimeError("kaboom")\nRuntimeError: kaboom\n', report)
        self.assertTrue(
            report.endswith("AssertionError: the application raised an error:\n  GET /boom: RuntimeError: kaboom"),
            report,
        )

    def test_error_in_a_stream(self: Any) -> None:
        """So does one after the response has begun; the client sees that it is not whole."""

        def test(case: Any) -> None:
            with case.assertRaises(requests.RequestException):
                case.live.get("/broken")

        self.check_broken(self.run_test(test))

    def check_broken(self: Any, report: str) -> None:
        """What the report says of it."""
        self.assertTrue(report.endswith("an error:\n  GET /broken: RuntimeError: in the middle"), report)

    def test_expected_error(self: Any) -> None:
        """One that is wanted does not, and is known to the test."""
        with self.expectLiveErrors(RuntimeError, "kaboom", times=1) as expected:
            self.assertEqual(500, self.live.get("/boom").status_code)
        self.assertEqual(["kaboom"], [str(error) for error in expected.errors])

    def test_redirect(self: Any) -> None:
        """A redirect leads to a page on the same server."""
        answer = self.live.get("/away")
        self.assertIn(answer.history[0].status_code, (302, 303, 307))
        self.assertEqual((self.live_url("/"), "fine"), (answer.url, answer.text))

    def test_stream(self: Any) -> None:
        """The first line of a stream is there before the second is made."""
        with self.live.get("/stream", stream=True) as answer:
            received = answer.iter_lines(chunk_size=1)
            self.assertEqual(b"one", next(received))
            gate.set()
            self.assertEqual(b"two", next(received))

    def test_static(self: Any) -> None:
        """A file comes with its type."""
        answer = self.live.get("/static/style.css")
        self.assertEqual((STATIC / "style.css").read_text(), answer.text)
        self.assertEqual("text/css", answer.headers["Content-Type"].partition(";")[0])
        # Quart forgets to close the file if its client leaves right after the last byte.
        self.live_server.wait_until_idle()

    async def test_httpx(self: Any) -> None:
        """A client in the test's own loop talks to it."""
        async with httpx.AsyncClient(base_url=self.live_url(), trust_env=False) as client:
            self.assertEqual("fine", (await client.get("/")).text)
            async with self.expectLiveErrors(RuntimeError):
                self.assertEqual(500, (await client.get("/boom")).status_code)

    async def test_aiohttp(self: Any) -> None:
        """So does another one, line by line."""
        async with aiohttp.ClientSession() as client, client.get(self.live_url("/stream")) as answer:
            self.assertEqual(b"one\n", await answer.content.readline())
            gate.set()
            self.assertEqual(b"two\n", await answer.content.readline())
