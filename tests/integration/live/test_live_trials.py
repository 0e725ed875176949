"""A live server that waits for a person, on another host, and under what its application and clients send."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from liveserver_testcase import LiveServerTestCase
from tests.integration.apps import Routes, answer, make_app
from tests.integration.running import make_case, run_case
from tests.support import HANG, NoLeaks, run_python

ROOT = Path(__file__).resolve().parents[3]


class PauseOnFailure(NoLeaks):
    """``LIVESERVER_PAUSE_ON_FAILURE=1``."""

    script = """
        import sys, unittest, urllib.request
        from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase, SMTPTestCase
        from tests.integration.apps import make_app

        class ShopTest(LiveServerTestCase, *MORE):
            app = make_app()

            def test_1_fine(self):
                pass

            def test_2_fails(self):
                self.live.post("/", data=b"a body to look at")
                self.fail("look at this")

            def test_3_fails_too(self):
                self.fail("no second look")

            def tearDown(self):
                print("tearDown", file=sys.stderr)

        unittest.main(verbosity=0)
    """

    @contextlib.contextmanager
    def held(self, more: str) -> Iterator[str]:
        """What a class with more servers prints until it waits for Enter, without a terminal; afterwards it goes on."""
        script = self.script.replace("MORE", more)
        with subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", "-u", "-c", textwrap.dedent(script)],
            env={**os.environ, "LIVESERVER_PAUSE_ON_FAILURE": "1", "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stderr is not None
            assert process.stdin is not None
            lines: list[str] = []
            while not lines or not lines[-1].startswith("    http"):
                lines.append(process.stderr.readline())
                self.assertTrue(lines[-1], "".join(lines))
            yield "".join(lines)
            process.stdin.write("\n")
            process.stdin.flush()
            rest = process.stderr.read()
            process.wait(HANG)
        self.assertNotIn("still run", rest)  # the second failure does not wait
        self.assertIn("FAILED (failures=2)", rest)

    def test_the_first_failure_waits(self) -> None:
        """The first test that fails waits for Enter with its server running; the second does not."""
        with self.held("[]") as text:
            self.assertIn("ShopTest.test_2_fails has failed, and its server still runs at\n", text)
            self.assertEqual(200, requests.get(text.split()[-1], timeout=HANG).status_code)
        if sys.version_info >= (3, 11):  # before, unittest tells of a failure when the clean-ups are over
            self.assertEqual(1, text.count("\ntearDown\n") + text.startswith("tearDown\n"))

    def test_all_servers_and_the_inspector(self) -> None:
        """The servers of the class are named, and a page that shows what they were sent, bodies included."""
        with self.held("[HTTPStubTestCase, SMTPTestCase]") as text:
            self.assertIn("ShopTest.test_2_fails has failed, and its servers still run at\n", text)
            for server in ("smtp         smtp://127.0.0.1:", "stub         http://127", "live_server  http://127"):
                self.assertIn(f"\n    {server}", text)
            self.assertIn("What they were sent is at\n\n    http://127", text)
            self.assertIn("a body to look at", requests.get(f"{text.split()[-1]}items/1", timeout=HANG).text)

    def test_nobody_there(self) -> None:
        """Where nobody can press Enter, nobody is waited for; without the variable nothing is held."""
        for value in ("1", "0"):
            with self.subTest(value=value):
                script = f"import os; os.environ['LIVESERVER_PAUSE_ON_FAILURE'] = '{value}'; os.setsid()\n"
                done = run_python(script + textwrap.dedent(self.script).replace("MORE", "[]"))
                self.assertEqual(1, done.returncode)
                self.assertEqual(value == "1", "still runs at" in done.stderr)


def can_make_namespaces() -> bool:
    """Whether this user may make a network of its own."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    done = subprocess.run(
        ["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True, check=False, timeout=HANG
    )
    return done.returncode == 0


@unittest.skipUnless(can_make_namespaces(), "this user may not make a network namespace")
@unittest.skipUnless(shutil.which("curl"), "curl is not installed")
class OnAnotherHost(NoLeaks):
    """A client on another host, and a server that it knows by another name."""

    def test_external_host(self) -> None:
        """In a network of its own, a server bound to that network's address is reached by the URLs of its test.

        The address is the host's own as other machines see it, and nothing listens on the loopback one.
        """
        script = """
            import socket, subprocess, unittest
            from liveserver_testcase import LiveServerTestCase
            from tests.integration.apps import make_app

            class Case(LiveServerTestCase):
                app = make_app()
                live_host = "10.123.0.1"
                live_external_host = "shop.test"

                def test_it(self):
                    port = self.live_server.port
                    self.assertEqual(f"http://shop.test:{port}/", self.live_url("/"))
                    command = ["curl", "-s", "--noproxy", "*", "--interface", "10.123.0.2"]
                    resolve = ["--resolve", f"shop.test:{port}:10.123.0.1"]
                    answer = subprocess.run([*command, *resolve, self.live_url("/")], capture_output=True, timeout=30)
                    self.assertEqual(b"fine", answer.stdout)
                    self.assertEqual("10.123.0.2", self.assertLiveRequested("GET", "/").address[0])
                    with self.assertRaises(ConnectionRefusedError):
                        socket.create_connection(("127.0.0.1", port), 5)

            unittest.main()
        """
        steps = [
            "ip link set lo up",
            "ip addr add 10.123.0.1/24 dev lo",
            "ip addr add 10.123.0.2/24 dev lo",
            'exec "$0" -X dev -W error -c "$1"',
        ]
        done = subprocess.run(
            ["unshare", "-n", "sh", "-c", " && ".join(steps), sys.executable, textwrap.dedent(script)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=6 * HANG,
            check=False,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


class Misbehaviour(NoLeaks):
    """What applications and clients do."""

    def test_calls_itself(self) -> None:
        """An application that calls itself, fifty deep, is served."""

        def deep(environ: Any, start: Any) -> Any:
            left, host = int(environ["QUERY_STRING"]), environ["HTTP_HOST"]
            text = requests.get(f"http://{host}/deep?{left - 1}", timeout=3 * HANG).text if left else "the bottom"
            return answer(start, text)

        def test(self: Any) -> None:
            self.assertEqual("the bottom", self.live.get("/deep?50").text)
            self.assertLiveRequested("GET", "/deep", times=51)

        run_case(make_case(LiveServerTestCase, app=Routes(deep=deep), test=test)).assert_passed()

    def test_stdin_and_directory(self) -> None:
        """An application that closes stdin, prints and leaves for another directory harms nobody but itself."""
        script = """
            import os, sys, unittest
            from liveserver_testcase import LiveServerTestCase
            from tests.integration.apps import Routes, answer

            def be_wild(environ, start):
                sys.stdin.close()
                print("printed")
                os.chdir("/")
                return answer(start)

            class Case(LiveServerTestCase):
                app = Routes(wild=be_wild)

                def test_1(self):
                    self.assertEqual("fine", self.live.get("/wild").text)

                def test_2(self):
                    self.assertTrue(sys.stdin.closed)
                    self.assertEqual("/", os.getcwd())
                    self.assertEqual(404, self.live.get("/other").status_code)

            unittest.main()
        """
        done = run_python(script)
        self.assertEqual((0, "printed\n"), (done.returncode, done.stdout), done.stderr)

    def test_endless_loop(self) -> None:
        """A handler in a thread that never ends is named in the test and at the stop, and the process ends."""
        script = """
            import threading, unittest
            from liveserver_testcase import LiveServerTestCase

            begun = threading.Event()

            def spin(environ, start):
                begun.set()
                while True:
                    pass

            class Case(LiveServerTestCase):
                app = spin
                live_pending_timeout = live_stop_timeout = 0.1

                def test_it(self):
                    with self.assertRaises(OSError):
                        self.live.get("/", timeout=0.1)
                    self.assertTrue(begun.wait(10))

            unittest.main()
        """
        done = run_python(script, options=("-X", "dev"))
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertRegex(
            done.stderr,
            r"in flight 0\.1 s after the test:\n  GET /, \d+\.\d s old, at\n +File \"<string>\", line \d+, in spin\n",
        )
        self.assertRegex(done.stderr, r"UnfinishedWorkWarning: .* cut off GET / from 127\.0\.0\.1:\d+, \d+\.\d s old")

    def test_control_characters(self) -> None:
        """What a client sends cannot act on the terminal that shows a report."""

        def test(self: Any) -> None:
            with socket.create_connection(self.live_server.address, HANG) as client:
                client.sendall(b"GET /boom?\xe2\x80\xae\xc2\x9b31m%1b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                while client.recv(1000):
                    pass
            self.live_server.wait_until_idle()
            self.fail(f"it came as {self.live_server.requests}")

        outcome = run_case(make_case(LiveServerTestCase, app=make_app(), test=test))
        self.assertIn("it came as [<Exchange #0 ", outcome.printed)
        self.assertTrue(outcome.printed.isascii() or all(c.isprintable() or c == "\n" for c in outcome.printed))
