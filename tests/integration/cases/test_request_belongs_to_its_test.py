"""A request belongs to the test that sent it, also if that test ends without waiting for the answer.

Each test here runs a class of many tests.  Every one of those sends something that must be held against it, and ends at
once.  A request that were recorded for another test, or for none, would show in the reports.
"""

from __future__ import annotations

import collections
import itertools
import os
import re
import socket
from collections.abc import Callable
from typing import Any, ClassVar

from liveserver_testcase import HTTPStubTestCase, LiveServerTestCase
from tests.integration.running import run_case
from tests.support import HANG, NoLeaks

COUNT = int(os.environ.get("BELONGING_TESTS", "200"))
"""Generated tests of each kind."""

_TEST = re.compile(r"test_(\d+)")
_SENT = re.compile(r"^ +(?:#\d+ )?GET /sent-by-(\d+)(?: ->|: RuntimeError)", re.MULTILINE)
_LEFT_OVER = re.compile(r"left over from \S+\.test_(\d+): (?:the application .*\n  )?GET /sent-by-(\d+)")


def _request(number: int) -> bytes:
    return b"GET /sent-by-%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % number


class Sender:
    """What the generated tests of one class share: its connections, which stay open until the class is over."""

    server: Any
    is_tls = False

    def __init__(self) -> None:
        self.open: list[socket.socket] = []
        self.kept: socket.socket | None = None

    def connect(self) -> socket.socket:
        sock = socket.create_connection((self.server.host, self.server.port), HANG)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent is to be there when the test ends
        if self.is_tls:
            context = self.server.client_context()
            sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
        self.open.append(sock)
        return sock

    def reconnect(self) -> socket.socket:
        """Return the connection of the test before, with all that it was answered read; a new one for the first."""
        if self.kept is None:
            self.kept = self.connect()
        else:
            answer = self.kept.recv(65536)  # small enough to come in one piece
            if not answer:
                raise AssertionError("the connection was not kept")
        return self.kept

    def close(self) -> None:
        while self.open:
            self.open.pop().close()

    # -- the kinds: each sends what test ``number`` is to be blamed for --------------------------------------------

    def send_on_new_connection(self, number: int) -> None:
        self.connect().sendall(_request(number))

    def send_and_close(self, number: int) -> None:
        self.connect().sendall(_request(number))
        self.open.pop().close()

    def send_on_kept_connection(self, number: int) -> None:
        self.reconnect().sendall(_request(number))

    def send_pipelined(self, number: int) -> None:
        self.connect().sendall(_request(number) * 3)

    def send_half(self, number: int) -> None:
        """Send the first half of a head in one test, and the other in the next."""
        if number % 2 == 0:
            self.kept = self.connect()
            self.kept.sendall(_request(number)[:20])
        elif self.kept is not None:
            self.kept.sendall(_request(number - 1)[20:])


class _Sending:
    """Put before a test case: its generated tests send.  These classes are importable, as a child process wants."""

    sender: ClassVar[Sender]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()  # type: ignore[misc]
        case: Any = cls
        cls.sender.server = case.live_server if issubclass(cls, LiveServerTestCase) else case.stub
        case.addClassCleanup(cls.sender.close)


class WSGICase(_Sending, LiveServerTestCase):
    app = "tests.integration.cases.raising:serve_wsgi"


class ASGICase(_Sending, LiveServerTestCase):
    app = "tests.integration.cases.raising:serve_asgi"


class StubCase(_Sending, HTTPStubTestCase):
    pass


class BelongingTest(NoLeaks):
    """Over all engines, on all kinds of connections."""

    maxDiff = None

    def check(self, case: type[Any], send: Callable[[Sender, int], None], times: int, **settings: Any) -> None:
        """Run `COUNT` generated tests: each must fail with its own requests and no others.

        Args:
            case: The class that gets the tests.
            send: What each does.
            times: How many requests each sends; 0 if each even test sends half of one, which the next completes.
            settings: Attributes of the class.
        """
        sender = Sender()
        sender.is_tls = bool(settings.get("live_tls") or settings.get("stub_tls"))
        tests = {f"test_{number:05}": _make_test(send, number) for number in range(COUNT)}
        for name, value in {**tests, **settings, "sender": sender}.items():
            setattr(case, name, value)
            self.addCleanup(delattr, case, name)
        outcome = run_case(case)
        found: list[tuple[int, int]] = []  # a test, and whose request was held against it
        for test, text in [*outcome.result.failures, *outcome.result.errors]:
            report = text[text.rfind("AssertionError: ") :]
            if left_over := _LEFT_OVER.findall(report):
                found += [(int(owner), int(number)) for owner, number in left_over]
            else:
                self.assertRegex(str(test), _TEST, text)  # else the class itself could not be set up or torn down
                owner = int(_TEST.findall(str(test))[0])
                found += [(owner, int(number)) for number in _SENT.findall(report)]
        senders = range(COUNT) if times else range(0, COUNT - 1, 2)
        wanted = collections.Counter({(number, number): times or 1 for number in senders})
        missing, besides = wanted - collections.Counter(found), collections.Counter(found) - wanted
        self.assertEqual(({}, {}), (missing, besides), outcome.printed[-4000:])


def _make_test(send: Callable[[Sender, int], None], number: int) -> Callable[[_Sending], None]:
    return lambda self: send(self.sender, number)


def _make_check(*arguments: Any, **settings: Any) -> Callable[[BelongingTest], None]:
    return lambda self: self.check(*arguments, **settings)


# A fresh interpreter needs half a second of processor time, which a busy machine may not have within ten.
_PROCESS = {"live_mode": "process", "live_start_timeout": 6 * HANG}
_ENGINES: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "wsgi": (WSGICase, {}),
    "asgi": (ASGICase, {}),
    "stub": (StubCase, {}),
    "wsgi_in_a_process": (WSGICase, _PROCESS),
    "asgi_in_a_process": (ASGICase, _PROCESS),
}
_KINDS: dict[str, tuple[Callable[[Sender, int], None], int]] = {
    "new_connections": (Sender.send_on_new_connection, 1),
    "kept_connections": (Sender.send_on_kept_connection, 1),
    "pipelined_requests": (Sender.send_pipelined, 3),
    "half_a_head": (Sender.send_half, 0),
}
for _engine, _kind, _suffix in itertools.product(_ENGINES, _KINDS, ("", "_over_tls")):
    _base, _settings = _ENGINES[_engine]
    _tls = {"stub_tls" if _base is StubCase else "live_tls": bool(_suffix)}
    _test = _make_check(_base, *_KINDS[_kind], **_settings, **_tls)
    _test.__doc__ = f"{_kind}{_suffix} of {_engine}".replace("_", " ").capitalize() + "."
    setattr(BelongingTest, f"test_{_engine}_{_kind}{_suffix}", _test)
