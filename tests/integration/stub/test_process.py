"""A stub in a process of its own: what travels and what cannot, how the process dies, and what needs one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path
from typing import Any
from unittest import mock

import requests

from liveserver_testcase import (
    ABSENT,
    Fault,
    HTTPStub,
    HTTPStubTestCase,
    RecordedRequest,
    Reply,
    ServerDied,
    ServerNotStarted,
    UsageError,
)
from tests.integration.running import make_case, run_case
from tests.integration.stub.support import StubTest
from tests.support import HANG, NoLeaks, wait_until

HERE = os.path.relpath(__file__)


def greet(request: RecordedRequest, name: str) -> Reply:
    """What a test module offers to the stub's process."""
    return Reply(200, json={"name": name, "pid": os.getpid()})


def fail(request: RecordedRequest) -> Reply:
    raise LookupError("no such price")


async def wait_a_moment() -> tuple[str, int]:
    await asyncio.sleep(0)
    return "late", 202


def is_long(request: RecordedRequest) -> bool:
    return request.body_size > 3


def count_up() -> Any:
    yield from ("one", "two")


def serve(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


class Prices:
    """Is made in the test, and copied."""

    def __init__(self, price: int) -> None:
        self.price = price

    def reply_to(self, request: RecordedRequest) -> Reply:
        return Reply(json=self.price)

    def get(self, request: RecordedRequest) -> int:
        return self.price

    @classmethod
    def make(cls, request: RecordedRequest) -> str:
        return cls.__name__


class ProcessTest(StubTest):
    """A stub in a process, and a folder."""

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def make_stub(self, **options: Any) -> HTTPStub:
        return super().make_stub(mode="process", **options)


class TravelTest(ProcessTest):
    """What a test writes, there; what comes of it, here."""

    def test_functions_of_a_module(self) -> None:
        """They run in the process, with the request and the path's parameters."""
        self.stub.on("GET", "/hello/<name>").reply_with(greet)
        self.stub.on("GET", "/late").reply_with(wait_a_moment)
        self.stub.on("GET", "/class").reply_with(Prices.make)
        self.stub.on("GET", "/object").reply_with(Prices(5))
        self.stub.on("GET", "/stream").reply_stream(count_up)
        self.stub.on("GET", "/app").reply_wsgi(serve)
        self.stub.on("POST", "/", matcher=is_long).reply(201).after(_add_header)
        pid = self.stub.pid
        self.assertNotEqual(os.getpid(), pid)
        self.assertEqual(f'{{"name": "ann", "pid": {pid}}}', self.send("GET", "/hello/ann").text)
        texts = [self.send("GET", path).text for path in ("/late", "/class", "/object", "/stream", "/app")]
        self.assertEqual(["late", "Prices", "5", "onetwo", str(pid)], texts)
        self.assertEqual("1", self.send("POST", "/", b"four").headers["x-a"])
        self.assertEqual(("", "process", ""), (self.stub.failure_report(), self.stub.mode, self.stub.output))

    def test_a_request(self) -> None:
        """It has here what it has there, and is one object, wherever it is found."""
        charge = self.stub.expect("POST", "/charges/<int:id>", headers={"X-B": ABSENT}, name="charge").reply(201)
        self.send("POST", "/charges/5?a=1", b'{"b": 2}', {"Content-Type": "application/json", "X-A": "1"})
        (request,) = self.stub.requests
        self.assertEqual(
            ("POST", "/charges/5", "1", {"b": 2}, "1", {"id": 5}, 8, 201),
            (request.method, request.path, request.args["a"], request.json, request.headers["X-A"], request.path_params,
             request.body_size, request.reply.status if request.reply else None),
        )  # fmt: skip
        self.assertIs(charge, request.expectation)
        self.assertIs(charge, self.stub.expectations[0])
        self.assertEqual([request], charge.requests)
        self.assertIs(request, charge.wait()[0])
        self.assertIs(request, self.stub.take_request())
        # what looks at requests that have come may look with any function
        self.assertIs(request, self.stub.wait_for_request("POST", matcher=lambda request: request.body_size == 8))
        self.assertTrue(charge.matches(request) and charge.criteria.matches(request) and charge.is_satisfied)
        self.assertEqual((1, (1, 1), "charge"), (charge.times_called, charge.times, charge.name))
        self.assertIn("curl --noproxy '*' -H 'Content-Type: application/json' -H 'X-A: 1'", request.curl())

    def test_what_a_function_raises(self) -> None:
        """It is the cause of the failure, with its traceback in the process."""
        self.stub.on().reply_with(fail)
        self.assertEqual(500, self.send().status)
        with self.assertRaises(AssertionError) as caught:
            self.stub.verify()
        self.assertIn("GET / could not be answered: LookupError: no such price", str(caught.exception))
        cause = caught.exception.__cause__
        self.assertIsInstance(cause, LookupError)
        self.assertRegex(str(cause.__cause__ if cause else ""), r"test_process\.py\", line \d+, in fail")

    def test_exchanges_and_har(self) -> None:
        """Exchanges are here, and can be saved."""
        self.stub.on().reply_stream(["a", "b"])
        self.send("GET", "/x")
        (exchange,) = self.stub.exchanges
        self.assertEqual((200, True), (exchange.status, exchange.completed))
        path = self.folder / "x.har"
        self.stub.save_har(path)
        self.assertIn("a stream, which is not kept", path.read_text())
        with self.assertRaisesRegex(UsageError, "which is in the stub's process$"):
            reply = self.stub.last_request.reply
            assert reply is not None and reply.stream is not None
            reply.stream.open(self.stub.last_request)

    def test_recorded_traffic(self) -> None:
        """It is replayed from the process, and recorded there."""
        path = self.folder / "x.har"
        with HTTPStub() as real:
            real.on("POST", "/a").reply(201, "made")
            with mock.patch.dict(os.environ, LIVESERVER_RECORD="1"):
                self.stub.record(real.url, path)
            self.assertEqual(201, self.send("POST", "/a", b"body").status)
        self.stub.begin("shop.test_b")
        self.stub.load_har(path)
        self.assertEqual("made", self.send("POST", "/a", b"body").text)
        self.stub.verify()

    def test_every_message_is_sent_back(self) -> None:
        """A misuse says here what it says there, and a test finds where it has written what is reported."""
        written = self.stub.expect("GET", "/x").reply(200)
        line = int(written.location.rpartition(":")[2])
        self.assertEqual(f"{HERE}:{line}", written.location)
        written.name = "status"
        self.assertEqual(("status", "'status' GET '/x'"), (written.name, written.describe()))
        wanted = f"'status' GET '/x' was expected exactly once, and never came, written at {HERE}:{line}"
        self.assertIn(wanted, self.stub.failure_report())
        with self.assertRaisesRegex(AttributeError, "^Expectation has no attribute 'nmae': did you mean 'name'"):
            written.nmae  # type: ignore[attr-defined]  # noqa: B018
        with self.assertRaises(UsageError) as caught:
            self.stub.on("get", "/")
        self.assertRegex(str(caught.exception), "^method is 'get'")
        self.assertIsNone(caught.exception.__cause__)
        with self.assertRaisesRegex(TypeError, r"^reply\(\) got an unexpected keyword argument 'jsn'\. Did you mean"):
            self.stub.on().reply(jsn=1)  # type: ignore[call-arg]


def _add_header(request: RecordedRequest, reply: Reply) -> Reply:
    return reply.with_defaults(("X-A", "1"))


class RefusalTest(ProcessTest):
    """What cannot travel is named, and what can."""

    def assert_refused(self, call: Any, wanted: str) -> None:
        before = len(self.stub.expectations)
        with self.assertRaises(UsageError) as caught:
            call(self.stub.on())
        self.assertRegex(
            str(caught.exception),
            rf"^{wanted}.*What can be sent are values, and functions and classes at the top level of a module; a stub "
            r"with mode='thread' takes anything\.$",
        )
        self.assertEqual(before + 1, len(self.stub.expectations))

    def test_functions_and_values(self) -> None:
        """A lambda, what is defined in a function, the method of an object; an open file, a generator, a lock."""

        def local(request: RecordedRequest) -> Reply:
            raise NotImplementedError

        class Local:
            pass

        here, refused = rf"\({re.escape(__file__)}:\d+\)", "cannot be sent to the stub's process: "
        with open(__file__) as file:
            for call, wanted in (
                (lambda on: on.reply_with(lambda: 200), rf"\S+<lambda> {here} {refused}it is a lambda, which has no n"),
                (lambda on: on.reply_with(local),
                 rf"RefusalTest\S+\.local {here} {refused}it is defined inside of Ref"),
                (lambda on: on.reply_with(Prices(5).get), rf"Prices\.get {here} {refused}it is a method of an object,"),
                (lambda on: on.reply(200, file), r"<_io\.TextIOWrapper .* cannot be sent .*pickle"),
                (lambda on: on.reply_stream(count_up()), "<generator object count_up .* cannot be sent"),
                (lambda on: on.reply(200, [threading.Lock()]), "<unlocked _thread.lock .* cannot be sent"),
                (lambda on: on.reply(200, json=Local()), r".*Local'> cannot be sent .*it is defined inside of"),
            ):  # fmt: skip
                with self.subTest(wanted):
                    self.assert_refused(call, wanted)
        with self.assertRaisesRegex(UsageError, "it is a lambda"):
            self.stub.on(matcher=lambda request: True)
        with self.assertRaisesRegex(UsageError, "it is a lambda"):
            self.stub.enqueue(lambda: 200)
        with self.assertRaisesRegex(UsageError, "cannot be sent to the server's process; wanted True, or"):
            HTTPStub(mode="process", tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    def test_what_is_of_another_stub(self) -> None:
        """Neither its expectations nor its requests mean anything to this one."""
        with HTTPStub(mode="process") as other:
            theirs = other.on("GET", "/theirs").reply(200)
            self.send("GET", "/theirs", stub=other)
            hold = self.stub.on().hold()
            with self.assertRaisesRegex(UsageError, "GET /theirs is no request of this test to this stub"):
                hold.reply(request=other.last_request)
            with self.assertRaisesRegex(UsageError, "is of another stub"):
                self.stub._registry.remove(theirs)

    def test_what_is_of_a_test_that_is_over(self) -> None:
        """It says so; what was written before the first test stays."""
        shared = self.stub.on("GET", "/shared").reply(200)
        self.stub.begin("shop.test_a")
        own = self.stub.on("GET", "/own").reply(200)
        self.stub.begin("shop.test_b")
        self.assertEqual(0, shared.times_called)
        with self.assertRaisesRegex(UsageError, "^this is of a test that is over, or was written before its stub was"):
            own.reply(201)

    def test_before_the_start_and_after_the_stop(self) -> None:
        """There is no script without a process; what came stays."""
        stub = HTTPStub(mode="process")
        with self.assertRaisesRegex(ServerNotStarted, "its script is in its process: call start"):
            stub.on().reply(200)
        stub.name, stub.is_strict = "shop", False
        with stub:
            self.assertEqual(501, self.send("GET", "/a", stub=stub).status)
            self.assertEqual("", stub.failure_report())
            stub.is_strict = True
            stub.expect("GET", "/b").reply(200)
            self.send("GET", "/c", stub=stub)
        self.assertEqual(["/a", "/c"], [request.path for request in stub.requests])
        self.assertRegex(stub.failure_report(), "^stub 'shop': #2: no expectation matches GET /c\n")
        self.assertEqual("", stub.failure_report())
        with self.assertRaises(ServerNotStarted):
            stub.on()
        with stub:
            stub.on().reply(202)
            self.assertEqual(202, self.send("GET", "/d", stub=stub).status)


class SecureTest(ProcessTest):
    """Over TLS."""

    def make_stub(self, **options: Any) -> HTTPStub:
        return super().make_stub(tls=True, client_auth="request", **options)

    def test_certificates(self) -> None:
        """They are of the authority of this process: any name, a client's, and those that fail on purpose."""
        self.stub.on().reply(200, "secret")
        context = self.stub.client_context()
        assert context is not None
        with (
            socket.create_connection(self.stub.address, HANG) as plain,
            context.wrap_socket(plain, server_hostname="api.example.com") as client,
        ):
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            while client.recv(65536):
                pass
        tls = self.stub.last_request.tls
        self.assertEqual(("api.example.com", "client"), (tls.server_name, tls.client_name) if tls else None)
        with self.stub.on_connect(Fault.EXPIRED_CERT), self.assertRaisesRegex(requests.exceptions.SSLError, "expired"):
            requests.get(self.stub.url, verify=self.stub.ca_file, timeout=HANG)
        answer = requests.get(self.stub.url, verify=self.stub.ca_file, timeout=HANG)
        self.assertEqual("secret", answer.text)


class DeathTest(NoLeaks):
    """A process that dies."""

    def test_in_a_test(self) -> None:
        """The test fails with how it died, each that follows does, and nobody waits."""

        def test_1(self: Any) -> None:
            self.stub.expect("GET", "/x").reply(200)
            os.kill(self.stub.pid, signal.SIGKILL)
            wait_until(lambda: not self.stub.is_running)

        def test_2(self: Any) -> None:
            self.stub.on("GET", "/x")

        outcome = run_case(make_case(HTTPStubTestCase, test_1=test_1, test_2=test_2, stub_mode="process"))
        self.assertEqual({"run": 2, "failures": 1, "errors": 1}, outcome.summary)
        for report in outcome.reports():
            self.assertRegex(report, r"the server at http://\S+ died: its process \(pid \d+\) was killed by SIGKILL")

    def test_while_it_is_waited_for(self) -> None:
        """A wait ends with it; it can start again, with nothing in its script."""
        with HTTPStub(mode="process") as stub:
            hold = stub.on().hold()
            assert stub.pid is not None
            timer = threading.Timer(0.05, os.kill, (stub.pid, signal.SIGKILL))
            timer.start()
            self.addCleanup(timer.join, HANG)
            with self.assertRaisesRegex(ServerDied, "was killed by SIGKILL"):
                hold.wait(HANG)
            self.assertEqual(("", False), (stub.failure_report(), stub.is_running))
            port = stub.port
            stub.start()
            stub.on().reply(204)
            self.assertEqual((204, port), (requests.get(stub.url, timeout=HANG).status_code, stub.port))


class NeedTest(ProcessTest):
    """What a process of its own is for."""

    def test_modules_that_are_patched_wholesale(self) -> None:
        """Whatever a test makes of ``socket``, ``ssl`` and ``threading``: the stub serves, and can be scripted."""
        self.stub.on("GET", "/before").reply(200)
        client = self.connect()
        nothing = mock.Mock(side_effect=OSError("the network is down"))
        with (
            mock.patch.multiple(socket, socket=nothing, create_connection=nothing, socketpair=nothing),
            mock.patch.multiple(threading, Thread=nothing, Lock=nothing, RLock=nothing, Event=nothing),
            mock.patch.object(ssl, "SSLContext", nothing),
        ):
            self.stub.on("GET", "/x").reply(201, "here")
            client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            received = b""
            while more := client.recv(65536):
                received += more
            self.assertEqual("/x", self.stub.wait_for_request("GET", "/x").path)
        self.assertTrue(received.endswith(b"\r\n\r\nhere"), received)

    def test_a_process_that_stands_still(self) -> None:
        """Clients are answered while every thread of the tests' process is stopped, as by a debugger."""
        script = """
            import os, signal, sys
            from liveserver_testcase import HTTPStub
            with HTTPStub(mode="process") as stub:
                stub.on().reply(200, "served")
                print(stub.url, flush=True)
                os.kill(os.getpid(), signal.SIGSTOP)
                print(len(stub.requests), flush=True)
        """
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        ) as tests:  # fmt: skip
            self.addCleanup(tests.kill)
            assert tests.stdout is not None
            url = tests.stdout.readline().strip()
            wait_until(lambda: Path(f"/proc/{tests.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
            self.assertEqual(["served"] * 3, [requests.get(url, timeout=HANG).text for _ in range(3)])
            os.kill(tests.pid, signal.SIGCONT)
            self.assertEqual("3", tests.stdout.readline().strip())

    def test_a_script_that_is_the_main_module(self) -> None:
        """What it defines can be sent: the process imports it, and runs nothing of it."""
        path = self.folder / "script.py"
        path.write_text(
            "from liveserver_testcase import HTTPStub\n"
            "import urllib.request\n"
            "def answer(): return 'main'\n"
            "if __name__ == '__main__':\n"
            "    with HTTPStub(mode='process') as stub:\n"
            "        stub.on().reply_with(answer)\n"
            "        print(urllib.request.urlopen(stub.url).read().decode())\n"
        )
        done = subprocess.run(
            [sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "PYTHONPATH": os.getcwd(), "NO_PROXY": "*"},
        )  # fmt: skip
        self.assertEqual(("main\n", ""), (done.stdout, done.stderr))

    def test_many_threads(self) -> None:
        """Threads that script and ask at once get each their own."""

        def work(number: int) -> int:
            written = self.stub.expect("GET", f"/{number}").reply(200, str(number))
            found = int(self.send("GET", f"/{number}").text)
            written.wait()
            return found

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            self.assertEqual(list(range(12)), list(pool.map(work, range(12))))
        self.stub.verify()
