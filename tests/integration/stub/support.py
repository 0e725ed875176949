"""What the stub's tests share: requests that no wire has carried, a client that says exactly what it is told,
and one that reads bytes and knows how a connection ended."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import unittest
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from liveserver_testcase.core.journal import JournalWindow
from liveserver_testcase.stub.expectation import Expectation, Order, Times
from liveserver_testcase.stub.matching import make_criteria
from liveserver_testcase.stub.registry import ExpectationRegistry
from liveserver_testcase.stub.report import Traffic, Violation, explain_failure, find_violation
from liveserver_testcase.stub.request import RecordedRequest
from liveserver_testcase.stub.server import HTTPStub
from liveserver_testcase.web.records import Exchange
from liveserver_testcase.web.request_head import parse_head
from liveserver_testcase.web.wsgi import make_base_environ
from tests.support import HANG, NoLeaks

TEST = JournalWindow(1, "shop.test_a_sale")
URL = "http://127.0.0.1:8000"
BASE = make_base_environ("http", "127.0.0.1", 8000)


def make_exchange(
    method: str = "GET", target: str = "/", headers: Iterable[str] = (), window: JournalWindow = TEST
) -> Exchange:
    """An exchange as the server begins it."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1:8000", *headers, "", ""]
    exchange = Exchange(parse_head("\r\n".join(lines).encode("latin-1")), 0, 0, ("127.0.0.1", 50000))
    exchange.window = window
    return exchange


def make_request(
    method: str = "GET",
    target: str = "/",
    body: bytes = b"",
    content_type: str = "",
    headers: Iterable[str] = (),
    *,
    window: JournalWindow = TEST,
    status: int | None = None,
) -> RecordedRequest:
    """A request as the stub records it; with a ``status`` it has been answered."""
    more = [f"Content-Length: {len(body)}"] if body else []
    if content_type:
        more.append(f"Content-Type: {content_type}")
    exchange = make_exchange(method, target, [*headers, *more], window)
    request = exchange.handler_data = RecordedRequest(exchange, body, BASE)
    if status is not None:
        exchange.end()
        exchange.status = status
    return request


def make_expectation(
    method: str | None = None,
    path: str | re.Pattern[str] | None = None,
    times: Times = (0, None),
    *,
    line: int = 1,
    reply: bool = True,
    **criteria: Any,
) -> Expectation:
    """An expectation as the stub makes it, written at ``shop.py:line``."""
    expectation = Expectation(make_criteria(method, path, **criteria), times, location=f"shop.py:{line}")
    return expectation.reply(200) if reply else expectation


def receive(client: socket.socket, is_complete: Callable[[bytes], bool]) -> bytes:
    """What the stub sends, until it is complete."""
    received = b""
    while not is_complete(received):
        more = client.recv(65536)
        if not more:
            raise AssertionError(f"the connection ended after {received!r}")
        received += more
    return received


class Answer(NamedTuple):
    """What a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class StubTest(NoLeaks):
    """A test with a stub of its own, which is left alone by any test case."""

    def setUp(self) -> None:
        super().setUp()
        self.stub = self.make_stub()

    def make_stub(self, **options: Any) -> HTTPStub:
        """Start a stub for this test."""
        stub = HTTPStub(**options)
        self.addCleanup(stub.stop)
        stub.start()
        return stub

    def begin(self, name: str) -> None:
        """Begin another test."""
        self.stub.begin(name)

    def take_errors(self) -> list[tuple[Exchange, BaseException]]:
        """What handlers have raised since the last call."""
        return self.stub._engine.take_errors()

    def send(
        self,
        method: str = "GET",
        target: str = "/",
        body: object = None,
        headers: dict[str, str] | None = None,
        *,
        stub: HTTPStub | None = None,
        **options: bool,
    ) -> Answer:
        """Send a request on a connection of its own, and wait until the stub has put its exchange to the record."""
        to = stub or self.stub
        connection = http.client.HTTPConnection(to.host, to.port, timeout=HANG)
        try:
            connection.request(method, target, body, headers or {}, **options)  # type: ignore[arg-type]
            response = connection.getresponse()
            answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()
        to.wait_until_idle(HANG)
        return answer

    def late_report(self) -> str:
        """What is held against tests that are over."""
        return "\n".join(failure.text for failure in self.stub._inspection.take_late_failures())

    def connect(self) -> socket.socket:
        """A bare connection, closed at the test's end."""
        client = socket.create_connection(self.stub.address, HANG)
        self.addCleanup(client.close)
        return client

    def wait_for(self, predicate: Callable[[], object]) -> None:
        """Wait until the journal shows what is expected."""
        self.assertTrue(self.stub.journal.wait_for(predicate, HANG), "it did not happen")


class ReportTest(unittest.TestCase):
    """A book, and what is said of the requests that it decides upon."""

    maxDiff = None

    def setUp(self) -> None:
        self.book = ExpectationRegistry()
        self.exchanges: list[Exchange] = []
        self.violations: list[Violation] = []
        self.line = 0

    def add(
        self,
        method: str | None = None,
        path: str | re.Pattern[str] | None = None,
        times: tuple[int, int | None] = (0, None),
        *,
        reply: bool = True,
        order: Order | None = None,
        **criteria: Any,
    ) -> Expectation:
        """Write an expectation; the first stands at shop.py:1, the second at shop.py:2 …"""
        self.line += 1
        expectation = make_expectation(method, path, times, line=self.line, reply=reply, **criteria)
        expectation.order = order
        self.book.add(expectation)
        return expectation

    def come(
        self, method: str = "GET", target: str = "/", body: bytes = b"", content_type: str = ""
    ) -> RecordedRequest:
        """Let a request come, be decided upon and be answered."""
        request = make_request(method, target, body, content_type)
        decision = self.book.decide(request)
        if decision.answer is None:
            self.violations.append(find_violation(request, decision))
        request.exchange.end()
        request.exchange.status = 501 if decision.answer is None else decision.answer.reply_to(request).status
        self.exchanges.append(request.exchange)
        return request

    def traffic(self, loss: str = "") -> Traffic:
        return Traffic(URL, self.exchanges, loss)

    def failure_report(self) -> str:
        """The verdict, but for the lines on how to send a request again."""
        text = explain_failure(self.traffic(), self.violations, self.book.expectations)
        return "\n".join(line for line in text.split("\n") if not line.startswith("  to send it again: curl "))


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def get(path: str = "/", *headers: str, version: str = "1.1", method: str = "GET") -> bytes:
    """A request without a body."""
    lines = [f"{method} {path} HTTP/{version}", "Host: a", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(body: bytes, *headers: str, path: str = "/") -> bytes:
    """A request with a body of a known length."""
    return get(path, f"Content-Length: {len(body)}", *headers, method="POST") + body


class Seen(NamedTuple):
    """What a client saw of a connection: the bytes, and how it ended.

    ``end`` is ``FIN``, ``RST``, or ``OPEN`` if it did not end while it was looked at.
    """

    data: bytes
    end: str

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


def split(data: bytes) -> tuple[str, dict[str, str], bytes]:
    """Status line, headers with lower-case names, and the rest."""
    head, _, rest = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    return line, {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}, rest


class WireTest(StubTest):
    """A test that talks bytes."""

    def dial(self, stub: HTTPStub | None = None, name: str = "127.0.0.1") -> socket.socket:
        """A connection, over TLS if the stub speaks it; closed at the test's end."""
        to = stub or self.stub
        client = socket.create_connection(to.address, HANG)
        self.addCleanup(client.close)
        context = to.client_context()
        if context is not None:
            client = context.wrap_socket(client, server_hostname=name)
            self.addCleanup(client.close)
        return client

    def look(self, client: socket.socket, *, patience: float = HANG) -> Seen:
        """Read until the connection ends, or for ``patience`` seconds without a byte."""
        data = b""
        client.settimeout(patience)
        while True:
            try:
                more = client.recv(65536)
            except TimeoutError:
                return Seen(data, "OPEN")
            except (ConnectionResetError, BrokenPipeError):
                return Seen(data, "RST")
            except ssl.SSLError:
                return Seen(data, "FIN")  # without the goodbye of TLS
            if not more:
                return Seen(data, "FIN")
            data += more

    def see(self, request: bytes = GET, *, stub: HTTPStub | None = None) -> Seen:
        """Send a request on a new connection, and see what comes of it until the connection ends."""
        client = self.dial(stub)
        client.sendall(request)
        return self.look(client)

    def read(self, client: socket.socket, size: int) -> bytes:
        """Exactly so many bytes."""
        data = b""
        while len(data) < size:
            more = client.recv(size - len(data))
            self.assertTrue(more, f"the connection ended after {data!r}")
            data += more
        return data
