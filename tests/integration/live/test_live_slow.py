"""Applications that do not come up: the class fails in time, says where they are, and the next class runs."""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path
from typing import Any
from unittest import mock

from liveserver_testcase import LiveServer, LiveServerTestCase, ServerStartError
from tests.integration.apps import make_app
from tests.integration.running import Outcome, is_refused, make_case, run_case, visit
from tests.support import HANG, NoLeaks


class Endless(NoLeaks):
    """``live_start_timeout`` in thread mode."""

    def run_and_go_on(self, **members: Any) -> Outcome:
        """Run such a class, which fails, and after it one whose application is fine."""
        slow = make_case(LiveServerTestCase, live_start_timeout=0.5, test=lambda self: None, **members)
        outcome = run_case(slow, make_case(LiveServerTestCase, app=make_app(), test=visit("/", status=200)))
        runs = 2 if members.get("live_scope") == "test" else 1
        self.assertEqual({"run": runs, "errors": 1}, outcome.summary, outcome.printed)
        return outcome

    def test_create_app(self) -> None:
        """`create_app` that waits for something is interrupted there, whatever the scope, also if it tries again."""
        urls: list[str] = []

        def wait(cls: Any) -> Any:
            urls.append(cls.live_url())
            threading.Event().wait(6 * HANG)

        def wait_again(cls: Any) -> Any:
            urls.append(cls.live_url())
            while True:
                try:
                    threading.Event().wait(6 * HANG)
                except Exception:
                    continue

        for scope, create_app in (
            *((scope, wait) for scope in ("class", "module", "session", "test")),
            ("class", wait_again),
        ):
            with self.subTest(scope=scope, create_app=create_app.__name__):
                outcome = self.run_and_go_on(create_app=classmethod(create_app), live_scope=scope)
                self.assertIn("the application of Case is not made after 0.5 s (live_start_timeout)", outcome.report)
                if scope != "test":
                    self.assertRegex(
                        outcome.report,
                        rf'create_app\(\) was at\n  File "test_live_slow.py", line N, in {create_app.__name__}\n'
                        r" +threading.Event\(\).wait\(6 \* HANG\)\n",
                    )
                self.assertTrue(is_refused(urls[-1]))

    def test_import(self) -> None:
        """A module whose import does not end is named, and not taken for imported; no `LiveServer` is made of it."""
        with tempfile.TemporaryDirectory() as directory, mock.patch.object(sys, "path", [directory, *sys.path]):
            Path(directory, "slow_shop.py").write_text(f"import threading\nthreading.Event().wait({6 * HANG})\n")
            for _ in range(2):
                outcome = self.run_and_go_on(app="slow_shop:app")
                self.assertIn('File "slow_shop.py", line N, in <module>\n', outcome.report)
            with self.assertRaises(ServerStartError) as caught:
                LiveServer("slow_shop:app", start_timeout=0.5)
        text = str(caught.exception)
        self.assertIn("'slow_shop:app' is not loaded after 0.5 s.\nIt was at\n", text)
        self.assertIn('slow_shop.py", line 2, in <module>\n', text)

    def test_asgi_startup_that_blocks(self) -> None:
        """A startup that lets the loop do nothing else is bounded; when it lets go, nothing is left of it."""
        for scope in ("class", "module"):
            with self.subTest(scope=scope):
                freed = threading.Event()

                async def app(connection: Any, receive: Any, send: Any, freed: threading.Event = freed) -> None:
                    freed.wait(6 * HANG)

                try:
                    outcome = self.run_and_go_on(app=app, live_interface="asgi", live_scope=scope)
                finally:
                    freed.set()
                self.assertRegex(
                    outcome.report,
                    r"could not start: its event loop is not ready after 0\.5 s\.\nIt was at\n"
                    r'  File "test_live_slow\.py", line N, in app\n    freed\.wait\(6 \* HANG\)\n',
                )
